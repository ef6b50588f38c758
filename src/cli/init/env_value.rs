//! A value in the `.env`, in a form that a shell and Docker Compose read alike.

use std::fmt;
use std::path::Path;

use crate::config::{InvalidValue, check_value};

pub struct EnvValue(String);

/// Why a text cannot be a value there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    #[error("{0}")]
    Invalid(#[from] InvalidValue),
    /// Shell and Compose have no common form for it.
    #[error("holds a single quote beside one of \" $ ` \\, and no .env can hold both; leave one of them out")]
    Quotes,
}

impl EnvValue {
    pub fn new(text: impl AsRef<Path>) -> Result<Self, Unwritable> {
        let text = text.as_ref().to_str().ok_or(InvalidValue::NotUtf8)?;
        check_value(text)?;
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+@%:,=[]".contains(&b);
        if text.bytes().all(is_plain) {
            return Ok(Self(text.to_owned()));
        }
        match (text.contains('\''), text.contains(['"', '$', '`', '\\'])) {
            (false, _) => Ok(Self(format!("'{text}'"))),
            (true, false) => Ok(Self(format!("\"{text}\""))),
            (true, true) => Err(Unwritable::Quotes),
        }
    }
}

impl fmt::Display for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_where_a_shell_would_read_another_one() {
        for (value, expected) in [
            ("/etc/tg/keys/signing.json", "/etc/tg/keys/signing.json"),
            ("/a b/$HOME", "'/a b/$HOME'"),
            ("https://a.example/x;y&z", "'https://a.example/x;y&z'"),
            ("/it's/here", "\"/it's/here\""),
        ] {
            assert_eq!(EnvValue::new(value).expect(value).to_string(), expected);
        }
    }

    #[test]
    fn a_value_that_would_arrive_as_another_is_refused() {
        let refused = |value| EnvValue::new(value).err().expect("a refusal");
        assert_eq!(refused("/it's $5"), Unwritable::Quotes);
        assert_eq!(refused("/a #b/c"), Unwritable::Invalid(InvalidValue::Comment));
        assert_eq!(refused("/a\nb"), Unwritable::Invalid(InvalidValue::Control(10)));
    }
}
