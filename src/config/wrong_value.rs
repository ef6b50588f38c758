//! The error of a value in our words: the name, what would be right, and the value.

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The longest value that an error repeats, in characters.
const SHOWN_MAX_CHARS: usize = 60;

/// An error about the value of a flag or an argument; `None` for other errors. Secrets are no flags, so the value is
/// none.
pub fn wrong_value(error: &Error) -> Option<String> {
    let name = text(error, ContextKind::InvalidArg)?;
    let name = name.split([' ', '=']).next()?.trim_matches(['<', '>', '[', ']', '.']);
    Some(format!("{name}: {}", what_is_right(error)?))
}

/// The same without the name.
pub fn what_is_right(error: &Error) -> Option<String> {
    let shown = shown(text(error, ContextKind::InvalidValue)?);
    let right = match (error.kind(), error.get(ContextKind::ValidValue)) {
        (ErrorKind::InvalidValue, Some(ContextValue::Strings(values))) => {
            format!("must be {}", any_of(values))
        }
        (ErrorKind::ValueValidation, _) => std::error::Error::source(error)?.to_string(),
        _ => return None,
    };
    let is_said = right.contains(&format!("'{shown}'"));
    Some(if is_said || shown.contains('@') { right } else { format!("{right}; not '{shown}'") })
}

fn text(error: &Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text),
        _ => None,
    }
}

/// `a`, `a or b`, `a, b or c`.
fn any_of(values: &[String]) -> String {
    match values {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        values => values.concat(),
    }
}

/// A value on one line, cut where it is long.
fn shown(value: &str) -> String {
    let escaped = |c: char| if c == '\'' || c == '"' { c.to_string() } else { c.escape_debug().to_string() };
    let mut shown: String = value.chars().take(SHOWN_MAX_CHARS).map(escaped).collect();
    if value.chars().nth(SHOWN_MAX_CHARS).is_some() {
        shown.push('\u{2026}');
    }
    shown
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;

    fn said(value: &str) -> String {
        let count = Arg::new("count").long("count").value_parser(crate::config::number::count(1..=9, 3));
        let color = Arg::new("color").long("color").value_parser(["red", "green", "blue"]);
        let command = Command::new("test").no_binary_name(true).args([count, color]);
        wrong_value(&command.try_get_matches_from([value]).unwrap_err()).expect("a wrong value")
    }

    #[test]
    fn a_wrong_value_has_a_name_the_right_form_and_itself() {
        let right = "--count: must be a whole number from 1 to 9, such as 3";
        assert_eq!(said("--count=15m"), format!("{right}; not '15m'"));
        assert_eq!(said("--count=a\nb\u{202e}"), format!("{right}; not 'a\\nb\\u{{202e}}'"));
        assert_eq!(
            said(&format!("--count={}", "x".repeat(99))),
            format!("{right}; not '{}\u{2026}'", "x".repeat(60))
        );
        assert_eq!(said("--color=pink"), "--color: must be red, green or blue; not 'pink'");
    }

    #[test]
    fn a_value_that_may_hold_a_password_is_not_repeated() {
        assert!(!said("--count=https://user:hunter2@host").contains("hunter2"));
    }
}
