//! The texts of others that people read on a terminal, and the values that an error may repeat. A secret may stand where another
//! value belongs, by mistake.

use std::path::Path;

/// The longest value that an error repeats, in characters.
const SHOWN_MAX_CHARS: usize = 60;

/// A longer path is none, in characters.
const PATH_MAX_CHARS: usize = 200;

/// A word of so many characters may be a key.
const KEY_MIN_CHARS: usize = 32;

/// Foreign text, made safe for a terminal: characters that end a line, move the cursor, hide, or turn the direction of the
/// text are spelled out.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// A wrong value on one line, cut where it is long; `None` where it may hold a secret.
pub fn shown(value: &str) -> Option<String> {
    if may_hold_secret(value) {
        return None;
    }
    let escaped = |c: char| if c == '\'' || c == '"' { c.to_string() } else { c.escape_debug().to_string() };
    let mut shown: String = value.chars().take(SHOWN_MAX_CHARS).map(escaped).collect();
    if value.chars().nth(SHOWN_MAX_CHARS).is_some() {
        shown.push('\u{2026}');
    }
    Some(shown)
}

/// Whether a value may hold a secret: a URL with a password, the content of a file of keys, or a word as long as a key.
/// Plain URLs, lists and the paths of modules are none.
pub fn may_hold_secret(value: &str) -> bool {
    let is_long = |word: &str| !word.contains("://") && word.chars().count() >= KEY_MIN_CHARS;
    let words = value.split([' ', ',']).flat_map(|word| word.split("::"));
    is_content(value) || value.contains('@') || words.into_iter().any(is_long)
}

/// The error of a text in place of a path; `None` where it may be a path.
pub fn no_path(value: &str) -> Option<&'static str> {
    if is_content(value) {
        Some("takes the path of a file, and this is its content; write it to a file, and name that")
    } else if value.contains("://") {
        Some("takes the path of a file, and this is a URL; name a file on this machine")
    } else {
        None
    }
}

/// The setting, and its path where it can be shown.
pub fn place(name: &str, path: &Path) -> String {
    match shown_path(path) {
        Some(path) => format!("{name}: {path}"),
        None => name.to_owned(),
    }
}

/// A path; `None` for a text that may be a secret instead.
pub fn shown_path(path: &Path) -> Option<String> {
    let text = path.display().to_string();
    let is_key = |word: &str| word.chars().count() >= KEY_MIN_CHARS;
    let is_path = no_path(&text).is_none()
        && text.chars().count() < PATH_MAX_CHARS
        && !text.starts_with("base64:")
        && !text.ends_with('=')
        && !text.contains('@')
        && !text.split(['/', '.', '-', '_', ' ']).any(is_key);
    is_path.then_some(text)
}

fn is_content(value: &str) -> bool {
    value.trim_start().starts_with('{') && value.contains('"') || value.contains("-----BEGIN")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_could_play_tricks_on_a_terminal_is_spelled_out_and_all_else_is_not() {
        assert_eq!(printable("Zoë's \"phone\" \\ 電話 🦊"), "Zoë's \"phone\" \\ 電話 🦊");
        assert_eq!(printable("a\u{1b}[31mb\nc\u{202e}d\u{9b}"), "a\\u{1b}[31mb\\nc\\u{202e}d\\u{9b}");
        let controls = ('\0'..'\u{a0}').filter(|c| c.is_control());
        let marks = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{feff}'];
        let turns = ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}');
        for c in controls.chain(marks).chain(turns) {
            let shown = printable(&c.to_string());
            assert!(shown.starts_with('\\') && shown.is_ascii(), "{c:?}: {shown}");
        }
    }

    #[test]
    fn a_value_that_may_hold_a_secret_is_not_shown() {
        let key = format!("tgk{}", "cd".repeat(32));
        for secret in [
            "redis://:hunter2@host",
            "user:hunter2@host",
            r#"{"keys":[{"d":"s3cret"}]}"#,
            "-----BEGIN PRIVATE KEY----- abc",
            &key,
            &format!("info,{key}"),
            &format!("{key}=info"),
        ] {
            assert_eq!(shown(secret), None, "{secret}");
        }
        for plain in [
            "15m",
            "{tg}",
            "ftp://login.example.test/a/long/path",
            "token_gateway::gateway::theft=loud",
            "a b",
        ] {
            assert_eq!(shown(plain).as_deref(), Some(plain));
        }
    }

    #[test]
    fn a_path_is_told_from_the_content_of_its_file_and_from_a_secret() {
        for path in ["keys.json", "/etc/token-gateway/keys/signing.json", "../a b/keys"] {
            assert_eq!(shown_path(Path::new(path)).as_deref(), Some(path));
        }
        let base64 = format!("{}/{}=", "aB3".repeat(7), "cD4".repeat(7));
        for secret in [r#"{"d":"s"}"#, "redis://:s@h", &base64, "base64:abc/def", &"cd".repeat(32)] {
            assert_eq!(shown_path(Path::new(secret)), None, "{secret}");
        }
    }
}
