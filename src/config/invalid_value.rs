//! Characters that get into a value on its way: out of an `.env`, a YAML file, an editor, a web page. No such value is
//! taken with them, and none is silently mended.

use crate::copied_text::{QUOTES, is_invisible};

/// Why a text cannot be the value of a setting. Repeats nothing of the text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidValue {
    #[error("is no UTF-8")]
    NotUtf8,
    #[error("begins with a byte order mark (U+FEFF); save it without one")]
    ByteOrderMark,
    #[error("holds the control character U+{0:04X}; leave it out")]
    Control(u32),
    #[error("ends with a comment, which would be a part of it; put the comment on a line of its own")]
    Comment,
    #[error("begins or ends with the white space U+{0:04X}; leave it out")]
    Space(u32),
    #[error("holds the invisible character U+{0:04X}; leave it out")]
    Invisible(u32),
    #[error("begins or ends with quotes, which would be a part of it; leave them out")]
    Quotes,
    #[error("holds an empty entry; leave out the comma")]
    EmptyEntry,
}

/// Checks a value of a setting that is no secret.
pub fn check_value(value: &str) -> Result<(), InvalidValue> {
    check_secret(value)?;
    let is_quote = |c: Option<char>| QUOTES.iter().any(|(open, close)| c == Some(*open) || c == Some(*close));
    let (first, last) = ends(value);
    if is_quote(first) || is_quote(last) { Err(InvalidValue::Quotes) } else { Ok(()) }
}

/// Checks a list and each of its entries.
pub fn check_list(list: &str, delimiter: char) -> Result<(), InvalidValue> {
    check_value(list)?;
    if list.is_empty() {
        return Ok(()); // its parser says what a flag without a value needs
    }
    list.split(delimiter).map(entry).try_for_each(|entry| match entry {
        "" => Err(InvalidValue::EmptyEntry),
        entry => check_value(entry),
    })
}

/// An entry of a list, without the blanks that people write around a comma.
pub fn entry(text: &str) -> &str {
    text.trim_matches(' ')
}

/// Checks a secret. A random one may begin or end with a quote, so only a pair around it is refused.
pub fn check_secret(value: &str) -> Result<(), InvalidValue> {
    check_beginning(value)?;
    if let Some(control) = value.chars().find(|c| c.is_control()) {
        return Err(InvalidValue::Control(control.into()));
    }
    if value.contains('\u{feff}') {
        return Err(InvalidValue::Invisible(0xfeff)); // two files were joined
    }
    if has_comment(value) {
        return Err(InvalidValue::Comment);
    }
    let (first, last) = ends(value);
    for end in [first, last].into_iter().flatten() {
        if end.is_whitespace() {
            return Err(InvalidValue::Space(end.into()));
        }
        if is_invisible(end) {
            return Err(InvalidValue::Invisible(end.into()));
        }
    }
    let is_pair = |pair: &(char, char)| (first, last) == (Some(pair.0), Some(pair.1));
    if QUOTES.iter().any(is_pair) { Err(InvalidValue::Quotes) } else { Ok(()) }
}

/// Checks the beginning of a file.
pub fn check_beginning(text: &str) -> Result<(), InvalidValue> {
    if text.starts_with('\u{feff}') { Err(InvalidValue::ByteOrderMark) } else { Ok(()) }
}

fn ends(value: &str) -> (Option<char>, Option<char>) {
    (value.chars().next(), value.chars().next_back())
}

/// White space and `#`, or nothing but a comment. A `#` right behind other characters belongs to the value.
fn has_comment(value: &str) -> bool {
    let behind_space = |(at, _)| {
        value[..at].ends_with(char::is_whitespace)
            || value[at + 1..].starts_with(char::is_whitespace) && at == 0
    };
    value.match_indices('#').any(behind_space)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_apart() {
        for (value, expected) in [
            ("\u{feff}api", InvalidValue::ByteOrderMark),
            ("a\u{0}pi", InvalidValue::Control(0)),
            ("api\n", InvalidValue::Control(10)),
            ("api # note", InvalidValue::Comment),
            ("api #", InvalidValue::Comment),
            ("api\u{a0}#note", InvalidValue::Comment),
            ("# note", InvalidValue::Comment),
            ("api ", InvalidValue::Space(32)),
            ("\u{2003}api", InvalidValue::Space(0x2003)),
            ("api\u{200b}", InvalidValue::Invisible(0x200b)),
            ("\u{202a}api", InvalidValue::Invisible(0x202a)),
            ("a\u{feff}pi", InvalidValue::Invisible(0xfeff)),
            ("\"api\"", InvalidValue::Quotes),
            ("\u{201c}api\u{201d}", InvalidValue::Quotes),
        ] {
            assert_eq!(check_value(value), Err(expected), "{value:?}");
            assert!(check_secret(value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn a_list_may_have_blanks_around_its_commas_and_no_empty_entry() {
        for list in ["a", "a,b", "a, b", "a ,  b"] {
            assert_eq!(check_list(list, ','), Ok(()), "{list}");
        }
        for (list, expected) in [
            ("a,,b", InvalidValue::EmptyEntry),
            ("a, ,b", InvalidValue::EmptyEntry),
            ("a,", InvalidValue::EmptyEntry),
            (",a", InvalidValue::EmptyEntry),
            ("a, ", InvalidValue::Space(32)),
            (" a,b", InvalidValue::Space(32)),
            ("a,\u{a0}b", InvalidValue::Space(0xa0)),
            ("a, \"b\",c", InvalidValue::Quotes),
            ("a, b # note", InvalidValue::Comment),
        ] {
            assert_eq!(check_list(list, ','), Err(expected), "{list:?}");
        }
    }

    #[test]
    fn a_single_quote_may_be_part_of_a_secret_alone() {
        for value in ["\"api", "api'", "\"api'"] {
            assert_eq!(
                (check_value(value), check_secret(value)),
                (Err(InvalidValue::Quotes), Ok(())),
                "{value}"
            );
        }
    }

    #[test]
    fn characters_inside_a_value_belong_to_it() {
        for value in
            ["", "a", "a#b", "#ab", "ab#", "a b", "a\"b\"c", "/a dir/file", "https://a.example/#", "\u{eb}"]
        {
            assert_eq!((check_value(value), check_secret(value)), (Ok(()), Ok(())), "{value}");
        }
    }
}
