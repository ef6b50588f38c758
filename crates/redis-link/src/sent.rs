//! The command behind an error reply whose text names neither command nor key.

/// A command as its sender knows it.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// The command, and of `EVALSHA` the script.
    pub command: Option<String>,
    /// The patterns of its keys.
    pub keys: String,
}

impl Sent {
    /// A command with one key.
    pub fn new(command: &str, key: &str) -> Self {
        Self { command: Some(command.to_owned()), keys: key.to_owned() }
    }

    /// With the patterns of several keys.
    pub fn with_patterns_of<'a>(command: Option<String>, keys: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut patterns: Vec<String> = keys.map(|key| pattern(&String::from_utf8_lossy(key))).collect();
        patterns.dedup();
        Self { command, keys: patterns.join(", ") }
    }
}

/// A key without its owner: `tg:{alice}:session:7` is `tg:{*}:session:*`.
fn pattern(key: &str) -> String {
    let tagged = key.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?.1)));
    let shown = tagged.map_or_else(|| key.to_owned(), |(before, after)| format!("{before}{{*}}{after}"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<_> = shown.split(':').map(|part| if is_number(part) { "*" } else { part }).collect();
    parts.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_without_its_owner() {
        for (key, shown) in [
            ("tg:{alice}:session:1000000000000000000", "tg:{*}:session:*"),
            ("tg:eu:{a%7D1}:sessions", "tg:eu:{*}:sessions"),
            ("tg:schema", "tg:schema"),
            ("tg:revocations", "tg:revocations"),
        ] {
            assert_eq!(pattern(key), shown);
        }
    }
}
