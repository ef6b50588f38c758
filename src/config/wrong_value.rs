//! The error of a value in our words: the name, what would be right, and the value.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

use super::missing_value::needs_value;
use crate::shown_value::shown;

/// An error about the value of a flag or an argument of this command; `None` for other errors.
pub fn wrong_value(error: &Error, command: &Command) -> Option<String> {
    let name = text(error, ContextKind::InvalidArg)?;
    let name = name.split([' ', '=']).next()?.trim_matches(['<', '>', '[', ']', '.']);
    let is_missing = text(error, ContextKind::InvalidValue).is_some_and(str::is_empty);
    let flag = name.strip_prefix("--").filter(|_| is_missing);
    let flag = flag.and_then(|name| command.get_arguments().find(|it| it.get_long() == Some(name)));
    let right = flag.map(needs_value).or_else(|| what_is_right(error))?;
    Some(format!("{name}: {right}"))
}

/// The same without the name.
pub fn what_is_right(error: &Error) -> Option<String> {
    let value = text(error, ContextKind::InvalidValue)?;
    let right = match (error.kind(), error.get(ContextKind::ValidValue)) {
        (ErrorKind::InvalidValue, Some(ContextValue::Strings(values))) => {
            format!("must be {}", any_of(values))
        }
        (ErrorKind::ValueValidation, _) => std::error::Error::source(error)?.to_string(),
        _ => return None,
    };
    Some(match shown(value) {
        Some(shown) if shown.is_empty() || right.contains(&format!("'{shown}'")) => right,
        Some(shown) => format!("{right}; not '{shown}'"),
        None => format!("{right}; the value is not repeated, because it may hold a secret"),
    })
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

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    fn said(value: &str) -> String {
        let count = Arg::new("count").long("count").value_parser(crate::config::number::count(1..=9, 3));
        let color = Arg::new("color").long("color").value_parser(["red", "green", "blue"]);
        let command = Command::new("test").no_binary_name(true).args([count, color]);
        wrong_value(&command.clone().try_get_matches_from([value]).unwrap_err(), &command)
            .expect("a wrong value")
    }

    #[test]
    fn a_wrong_value_has_a_name_the_right_form_and_itself() {
        let right = "--count: must be a whole number from 1 to 9, such as 3";
        assert_eq!(said("--count=15m"), format!("{right}; not '15m'"));
        assert_eq!(said("--count=a\nb\u{202e}"), format!("{right}; not 'a\\nb\\u{{202e}}'"));
        assert_eq!(
            said(&format!("--count={}", "x ".repeat(99))),
            format!("{right}; not '{}\u{2026}'", "x ".repeat(30))
        );
        assert_eq!(said("--color=pink"), "--color: must be red, green or blue; not 'pink'");
    }

    #[test]
    fn a_value_that_is_missing_is_answered_with_one_that_is_right() {
        for missing in ["--count", "--count="] {
            assert_eq!(said(missing), "--count: needs a value, such as 3");
        }
        for missing in ["--color", "--color="] {
            assert_eq!(said(missing), "--color: needs one of red, green, blue");
        }
    }

    #[test]
    fn a_value_that_may_hold_a_password_is_not_repeated() {
        assert!(!said("--count=https://user:hunter2@host").contains("hunter2"));
    }
}
