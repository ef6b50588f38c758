//! The text of an error reply, made safe for logs.
//!
//! A server may repeat arguments of the command, and another program on the port may send anything.

/// The most characters of a text. The reply of a protected server is longer, and says all of it in its beginning.
const MOST_CHARACTERS: usize = 160;

/// A script's hash has so many digits.
const HASH_DIGITS: usize = 40;

/// The text without arguments, without the place in a script, and with printable characters only.
pub(crate) fn safe(text: &str) -> String {
    let cut = |text: &'_ str, at: &str| text.split(at).next().unwrap_or_default().to_owned();
    let text = cut(&cut(text, ", with args beginning"), " script: ");
    let words = without_quoted_arguments(&text);
    let words = words.split_ascii_whitespace().map(|word| if is_hash(word) { "…" } else { word });
    let line = words.collect::<Vec<_>>().join(" ");
    let printable: String = line.chars().filter(|character| is_printable(*character)).collect();
    shortened(printable.trim_end_matches(['.', ',']))
}

/// Each word in quotes is an argument, unless it stands beside the word *command*.
fn without_quoted_arguments(text: &str) -> String {
    let parts: Vec<_> = text.split('\'').collect();
    let is_quoted = |place: usize| place % 2 == 1 && place + 1 < parts.len();
    let shown = parts.iter().enumerate().map(|(place, part)| {
        let names_command = || {
            let beside = |text: &str| text.trim().ends_with("command") || text.trim().starts_with("command");
            beside(parts[place - 1]) || parts[place + 1].trim_start().starts_with("command")
        };
        if is_quoted(place) && !names_command() { "…" } else { part }
    });
    shown.collect::<Vec<_>>().join("'")
}

/// Neither a control character nor one that hides, or turns the direction of a text.
fn is_printable(character: char) -> bool {
    matches!(character, '\'' | '"' | '\\') || character.escape_debug().len() == 1
}

fn is_hash(word: &str) -> bool {
    let digits = word.trim_matches(|character: char| !character.is_ascii_alphanumeric());
    digits.len() >= HASH_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shown_without_arguments_hashes_and_unprintable_characters() {
        for (text, shown) in [
            ("Authentication required.", "Authentication required"),
            ("unknown command 'WAIT', with args beginning with: '1' 'secret' ", "unknown command 'WAIT'"),
            (
                "User g has no permissions to run the 'hdel' command script: a64, on @user_script:3.",
                "User g has no permissions to run the 'hdel' command",
            ),
            ("User g may not access the 'tg:{alice}' key", "User g may not access the '…' key"),
            ("unknown subcommand 'X'. Try HELP", "unknown subcommand 'X'. Try HELP"),
            ("in script 5c1d7c9d7f2a5c1d7c9d7f2a5c1d7c9d7f2a0123, yes", "in script … yes"),
            ("two\r\n lines\u{7}\u{202e}", "two lines"),
            ("don't stop", "don't stop"),
        ] {
            assert_eq!(safe(text), shown);
        }
        assert_eq!(safe(&"é".repeat(500)).chars().count(), MOST_CHARACTERS + 1);
    }
}
