//! The claims of the login service for one session, as stored and as signed.
//!
//! They are read from their text, member by member: a JSON library would make a double of a whole number that has no
//! room in 64 bits.

mod reserved;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use token_gateway_core::ascii_json::to_ascii_json;

use self::reserved::reserved;
pub use self::reserved::{RESERVED_CLAIMS, reserved_problem};

/// Largest size of a session's claims, as stored, in bytes.
pub const MAX_CLAIMS_LEN: usize = 2048;

/// Deepest nesting of a session's claims; the claims object itself is level 1.
pub const MAX_CLAIMS_DEPTH: usize = 8;

/// The problem of a text with an unpaired surrogate.
pub const HALF_PAIR: &str = "holds half a surrogate pair, which is no text";

/// The claims of a login service for one session, as stored and as signed: a JSON object in printable ASCII, so
/// `redis-cli HGETALL` prints exactly the stored text. Whole numbers stand as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionClaims(String);

/// Why a JSON text cannot be the claims of a session.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidClaims {
    #[error("must be a JSON object")]
    NoObject,
    #[error("'{name}' {}", reserved_problem(name, reserved))]
    Reserved { name: String, reserved: &'static str },
    #[error("may take at most {MAX_CLAIMS_LEN} bytes of JSON, not {0}")]
    TooLarge(usize),
    #[error("may be nested at most {MAX_CLAIMS_DEPTH} levels deep")]
    TooDeep,
    /// A value that cannot be kept. The path is that below the claims, such as `.a.b[1]`.
    #[error("'{path}' {problem}")]
    Value { path: String, problem: &'static str },
}

impl InvalidClaims {
    fn value(problem: &'static str) -> Self {
        Self::Value { path: String::new(), problem }
    }

    /// The same error, seen from one level above.
    fn below(self, step: impl FnOnce() -> String) -> Self {
        match self {
            Self::Value { path, problem } => Self::Value { path: step() + &path, problem },
            other => other,
        }
    }
}

impl SessionClaims {
    /// Reads claims as they came. The last one counts where several members have the same name.
    pub fn read(claims: &RawValue) -> Result<Self, InvalidClaims> {
        if !claims.get().starts_with('{') {
            return Err(InvalidClaims::NoObject);
        }
        let members: Members<'_> = read(claims)?;
        let reserved = members.keys().find_map(|name| Some((name.clone(), reserved(name)?)));
        if let Some((name, reserved)) = reserved {
            return Err(InvalidClaims::Reserved { name, reserved });
        }
        let mut text = String::with_capacity(claims.get().len());
        write_object(&mut text, &members, 1)?;
        if text.len() > MAX_CLAIMS_LEN { Err(InvalidClaims::TooLarge(text.len())) } else { Ok(Self(text)) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SessionClaims {
    fn default() -> Self {
        Self("{}".to_owned())
    }
}

/// The members of a JSON object, in the order of their names.
type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Reads a value one level deep.
fn read<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T, InvalidClaims> {
    serde_json::from_str(value.get()).map_err(|_| InvalidClaims::value(HALF_PAIR))
}

/// `level` is that of the value, where it is an object or a list.
fn write_value(text: &mut String, value: &RawValue, level: usize) -> Result<(), InvalidClaims> {
    match value.get().as_bytes()[0] {
        b'{' | b'[' if level > MAX_CLAIMS_DEPTH => return Err(InvalidClaims::TooDeep),
        b'{' => write_object(text, &read(value)?, level)?,
        b'[' => write_list(text, &read::<Vec<&RawValue>>(value)?, level)?,
        b'"' => text.push_str(&to_ascii_json(&read::<String>(value)?)),
        b'-' | b'0'..=b'9' => text.push_str(&number(value.get())?),
        _ => text.push_str(value.get()), // true, false, null
    }
    Ok(())
}

fn write_object(text: &mut String, members: &Members<'_>, level: usize) -> Result<(), InvalidClaims> {
    text.push('{');
    for (at, (name, value)) in members.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&to_ascii_json(name));
        text.push(':');
        write_value(text, value, level + 1).map_err(|error| error.below(|| format!(".{name}")))?;
    }
    text.push('}');
    Ok(())
}

fn write_list(text: &mut String, items: &[&RawValue], level: usize) -> Result<(), InvalidClaims> {
    text.push('[');
    for (at, value) in items.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write_value(text, value, level + 1).map_err(|error| error.below(|| format!("[{at}]")))?;
    }
    text.push(']');
    Ok(())
}

/// A whole number as it came, if 64 bits have room for it; another number as an IEEE double.
fn number(text: &str) -> Result<String, InvalidClaims> {
    if text.contains(['.', 'e', 'E']) {
        let double: Result<f64, _> = serde_json::from_str(text);
        let double = double.map_err(|_| InvalidClaims::value("is a number beyond the range of a double"))?;
        return Ok(to_ascii_json(&double));
    }
    if text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok() {
        return Ok(text.to_owned());
    }
    Err(InvalidClaims::value(
        "must be from -9223372036854775808 to 18446744073709551615, as a whole number; send a larger one as a string",
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(claims: &str) -> Result<SessionClaims, InvalidClaims> {
        SessionClaims::read(serde_json::from_str(claims).unwrap())
    }

    fn claims(value: Value) -> Result<SessionClaims, InvalidClaims> {
        read(&value.to_string())
    }

    #[test]
    fn claims_are_stored_as_printable_ascii_and_mean_the_same() {
        let value = json!({"name": "Zoë 🦊\u{7f}\n\"", "roles": ["a", {}, [], null, true, false]});
        let stored = claims(value.clone()).unwrap();
        assert!(stored.as_str().bytes().all(|b| (b' '..=b'~').contains(&b)), "{stored:?}");
        assert_eq!(serde_json::from_str::<Value>(stored.as_str()).unwrap(), value);
    }

    #[test]
    fn a_number_is_stored_to_its_last_digit() {
        let sent = r#"{"n":0.1073709551613709551615,"m":1.8446744073709552e19,"z":-0.0,"w": 18446744073709551615, "v":-0}"#;
        let stored = r#"{"m":1.8446744073709552e+19,"n":0.10737095516137095,"v":-0,"w":18446744073709551615,"z":-0.0}"#;
        assert_eq!(read(sent).unwrap().as_str(), stored);
    }

    #[test]
    fn a_value_that_cannot_be_kept_is_refused_by_its_path() {
        for (path, sent) in [
            (".n", r#"{"n":18446744073709551616}"#),
            (".n", r#"{"n":-9223372036854775809}"#),
            (".a.b[1]", r#"{"a":{"b":[1,18446744073709551616]}}"#),
            (".[0][1]", r#"{"":[[0,1e999]]}"#),
            (".s", r#"{"s":"\ud800"}"#),
            (".a", r#"{"a":{"\ud800":1}}"#),
            ("", r#"{"\ud800":1}"#),
        ] {
            let error = read(sent).unwrap_err();
            assert!(matches!(&error, InvalidClaims::Value { path: at, .. } if at == path), "{sent}: {error}");
        }
    }

    #[test]
    fn every_reserved_name_is_refused_by_name() {
        for name in RESERVED_CLAIMS {
            let error = claims(json!({ name: 1 })).unwrap_err();
            assert_eq!(error.to_string(), format!("'{name}' is reserved; the gateway sets it"));
        }
    }

    #[test]
    fn a_name_that_folds_to_a_reserved_one_is_refused_and_names_both() {
        for (name, reserved) in [
            ("Sub", "sub"),
            ("EXP", "exp"),
            ("Client_Id", "client_id"),
            ("\u{17f}ub", "sub"),
            ("i\u{17f}\u{17f}", "iss"),
            ("Auth_Time", "auth_time"),
        ] {
            let error = claims(json!({ "role": "a", name: 1 })).unwrap_err();
            assert_eq!(error, InvalidClaims::Reserved { name: name.to_owned(), reserved });
            assert!(error.to_string().contains(&format!("'{name}'")) && error.to_string().contains(reserved));
        }
        for free in ["subject", "su b", "sub\u{301}", "roles", "Sid2"] {
            assert!(claims(json!({ free: {"sub": 1} })).is_ok(), "{free}");
        }
    }

    #[test]
    fn anything_but_an_object_is_refused() {
        for value in [json!(1), json!([]), json!("{}"), json!(null)] {
            assert_eq!(claims(value), Err(InvalidClaims::NoObject));
        }
    }

    #[test]
    fn size_and_depth_are_limited_exactly() {
        let wrapped = |len: usize| json!({ "k": "x".repeat(len - r#"{"k":""}"#.len()) });
        assert!(claims(wrapped(2048)).is_ok());
        assert_eq!(claims(wrapped(2049)), Err(InvalidClaims::TooLarge(2049)));
        let nested = |levels: usize| {
            let inner = (0..levels - 1).fold(json!(1), |value, _| json!([value]));
            json!({ "k": inner })
        };
        assert!(claims(nested(8)).is_ok());
        assert_eq!(claims(nested(9)), Err(InvalidClaims::TooDeep));
    }
}
