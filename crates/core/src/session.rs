//! The vocabulary of every layer: the user (subject), the login (session), the token (`jti`).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::{digest, rand};
use base64_simd::{AsOut, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_decode_str, utf8_percent_encode};
use serde::{Serialize, Serializer};

/// Bytes of a subject to write as `%XX` in keys and headers: all but ASCII letters, digits and `-_.@+`.
const SUBJECT_ESCAPES: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'@').remove(b'+');

/// A user as the login service names it: 1 to 255 bytes of UTF-8, no control characters, not `.` or `..`.
///
/// ```
/// use token_gateway_core::session::Subject;
///
/// let subject: Subject = "zoë@example.com".parse()?;
/// assert_eq!(subject.encoded().to_string(), "zo%C3%AB@example.com");
/// assert!("a\nb".parse::<Subject>().is_err());
/// # Ok::<_, token_gateway_core::session::InvalidSubject>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Subject(String);

/// Why a string is no [`Subject`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be 1 to 255 bytes of UTF-8 without control characters, and not '.' or '..'")]
pub struct InvalidSubject;

impl Subject {
    /// The text as the login service wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form used in Redis keys and HTTP headers: printable ASCII without braces or colons.
    pub fn encoded(&self) -> PercentEncode<'_> {
        utf8_percent_encode(&self.0, SUBJECT_ESCAPES)
    }

    /// Reads [`encoded`](Self::encoded) back, and no other form: a subject has one key and not several.
    pub fn from_encoded(text: &str) -> Option<Self> {
        let decoded = percent_decode_str(text).decode_utf8().ok()?;
        let subject = Self::try_from(decoded.into_owned()).ok()?;
        let canonical = subject.encoded().to_string() == text;
        canonical.then_some(subject)
    }
}

impl TryFrom<String> for Subject {
    type Error = InvalidSubject;

    fn try_from(text: String) -> Result<Self, InvalidSubject> {
        let fits = (1..=255).contains(&text.len());
        if fits && text != "." && text != ".." && !text.chars().any(char::is_control) {
            Ok(Self(text))
        } else {
            Err(InvalidSubject)
        }
    }
}

impl FromStr for Subject {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, InvalidSubject> {
        Self::try_from(text.to_owned())
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({})", self.encoded())
    }
}

/// The length of the random part of a `jti`: 128 bits in base64url without padding (RFC 4648 section 5).
const JTI_RANDOM_LEN: usize = 22;

/// How many digits a session id has.
const SESSION_ID_LEN: usize = 19;

fn as_str(ascii: &[u8]) -> &str {
    std::str::from_utf8(ascii).expect("checked to be ASCII when it was made")
}

/// Not a session id, or not a `jti` of ours.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("is not an id of this gateway")]
pub struct InvalidId;

/// A session: one login on one device. A random integer of 19 digits, below 2^63.
///
/// An integer, because Redis keeps a set of integers as an intset: 16 bytes for the only session of a
/// subject, where a set of strings takes 160.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId([u8; SESSION_ID_LEN]);

impl SessionId {
    /// A new session's id.
    pub fn random() -> Self {
        const LEAST: u128 = 1_000_000_000_000_000_000;
        const SPAN: u128 = (1 << 63) - LEAST;
        let number = LEAST + uuid::Uuid::new_v4().as_u128() % SPAN;
        number.to_string().parse().expect("19 digits")
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        as_str(&self.0)
    }

    /// The integer: 8 bytes, where the text has 19.
    pub(crate) fn number(self) -> u64 {
        self.0.iter().fold(0, |number, digit| 10 * number + u64::from(digit - b'0'))
    }

    /// The id with this [`number`](Self::number).
    pub(crate) fn of_number(number: u64) -> Self {
        number.to_string().parse().expect("it was the number of an id")
    }
}

impl FromStr for SessionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits: [u8; SESSION_ID_LEN] = text.as_bytes().try_into().map_err(|_| InvalidId)?;
        let canonical = digits[0] != b'0' && digits.iter().all(u8::is_ascii_digit);
        if canonical && text.parse::<i64>().is_ok() { Ok(Self(digits)) } else { Err(InvalidId) }
    }
}

/// The id of a refresh token: `<sid>.<22 characters>`, so that it names its session's record.
///
/// ```
/// use token_gateway_core::session::{Attempt, Jti, SessionId};
///
/// let jti = Jti::first(SessionId::random());
/// let attempt = Attempt::Keyed("0123456789abcdef".parse()?);
/// assert_eq!(jti.successor(&attempt), jti.successor(&attempt));
/// assert_ne!(jti.successor(&attempt), jti.successor(&Attempt::once()));
/// # Ok::<_, token_gateway_core::session::InvalidIdempotencyKey>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Jti([u8; JTI_LEN]);

const JTI_LEN: usize = SESSION_ID_LEN + 1 + JTI_RANDOM_LEN;

impl Jti {
    /// `bits` are the token's own 128 bits.
    fn new(session: SessionId, bits: &[u8]) -> Self {
        let mut jti = [b'.'; JTI_LEN];
        jti[..SESSION_ID_LEN].copy_from_slice(&session.0);
        let _ = URL_SAFE_NO_PAD.encode(&bits[..16], jti[SESSION_ID_LEN + 1..].as_out());
        Self(jti)
    }

    /// The first token of a new session.
    pub fn first(session: SessionId) -> Self {
        Self::new(session, &random_bytes())
    }

    /// The refresh token that came with an access token, out of the `jti` of the latter: `<jti>.<22 characters>`.
    ///
    /// # Errors
    ///
    /// When the text has not this form.
    pub fn beside_access(text: &str) -> Result<Self, InvalidId> {
        let (jti, content) = text.rsplit_once('.').ok_or(InvalidId)?;
        if is_random_part(content) { jti.parse() } else { Err(InvalidId) }
    }

    /// The session that it names.
    pub fn session(&self) -> SessionId {
        let mut digits = [0; SESSION_ID_LEN];
        digits.copy_from_slice(&self.0[..SESSION_ID_LEN]);
        SessionId(digits)
    }

    /// The successor's `jti`, derived and not drawn: the first 128 bits of SHA-256 over session,
    /// presented `jti` and attempt. The same attempt makes the same successor on every node.
    pub fn successor(&self, attempt: &Attempt) -> Self {
        let attempt = attempt.as_bytes();
        let mut message = Vec::with_capacity(JTI_LEN + attempt.len());
        message.extend_from_slice(&self.0); // begins with the session id, and has a fixed length
        message.extend_from_slice(attempt);
        Self::new(self.session(), digest::digest(&digest::SHA256, &message).as_ref())
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        as_str(&self.0)
    }
}

impl FromStr for Jti {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bytes: [u8; JTI_LEN] = text.as_bytes().try_into().map_err(|_| InvalidId)?;
        let (session, token) = text.split_once('.').ok_or(InvalidId)?;
        session.parse::<SessionId>()?;
        if is_random_part(token) { Ok(Self(bytes)) } else { Err(InvalidId) }
    }
}

/// 128 bits in base64url.
fn is_random_part(text: &str) -> bool {
    let is_base64url = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    text.len() == JTI_RANDOM_LEN && text.bytes().all(is_base64url)
}

macro_rules! text_form {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.as_str())
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}
text_form!(SessionId);
text_form!(Jti);

/// The identity of an attempt at one refresh: the client's `Idempotency-Key`, or random bits made once for the request.
/// Calls with the same identity are the same attempt.
#[derive(Clone)]
pub enum Attempt {
    /// Repeated by the client under this key.
    Keyed(IdempotencyKey),
    /// Without a key: bits of one request.
    Once([u8; 16]),
}

impl Attempt {
    /// An attempt of its own: nobody can repeat it.
    pub fn once() -> Self {
        Self::Once(random_bytes())
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Keyed(key) => key.0.as_bytes(),
            Self::Once(bits) => bits,
        }
    }
}

/// An `Idempotency-Key`: 16 to 255 printable ASCII characters, fresh for each refresh, repeated on its retries. It is
/// as secret as the token beside it, so it has no `Debug`.
#[derive(Clone)]
pub struct IdempotencyKey(String);

impl FromStr for IdempotencyKey {
    type Err = InvalidIdempotencyKey;

    fn from_str(text: &str) -> Result<Self, InvalidIdempotencyKey> {
        let fits = (16..=255).contains(&text.len());
        if fits && text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidIdempotencyKey)
        }
    }
}

/// Why a string is no [`IdempotencyKey`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be 16 to 255 visible ASCII characters")]
pub struct InvalidIdempotencyKey;

fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// The user logged out, of this session or everywhere.
    Logout,
    /// A superseded refresh token came back.
    Reuse,
    /// Support staff ended it: a service with the role `manage`, or an operator on the command line.
    Admin,
    /// It made room for a newer one (`MAX_SESSIONS_PER_SUBJECT`).
    Evicted,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Logout, Self::Reuse, Self::Admin, Self::Evicted];

    /// The word in the store, the feed and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Reuse => "reuse",
            Self::Admin => "admin",
            Self::Evicted => "evicted",
        }
    }
}

impl Reason {
    /// The reason in a revocation event. An unknown one, from a later release, reads as `Admin`: the session has ended,
    /// for whatever reason.
    pub fn from_feed(text: &str) -> Self {
        text.parse().unwrap_or(Self::Admin)
    }
}

impl FromStr for Reason {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(InvalidId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(key: &str) -> Attempt {
        Attempt::Keyed(key.parse().unwrap())
    }

    #[test]
    fn a_subject_is_readable_in_keys_and_cannot_break_the_hash_tag() {
        let plain: Subject = "a.user-1_x+y@example.com".parse().unwrap();
        assert_eq!(plain.encoded().to_string(), "a.user-1_x+y@example.com");
        let hostile: Subject = "}:{ü%".parse().unwrap();
        assert_eq!(hostile.encoded().to_string(), "%7D%3A%7B%C3%BC%25");
    }

    #[test]
    fn strings_that_are_no_subject_are_refused() {
        for text in ["", ".", "..", "a\nb", "\u{85}", &"x".repeat(256)] {
            assert_eq!(text.parse::<Subject>(), Err(InvalidSubject), "{text:?}");
        }
        assert!("x".repeat(255).parse::<Subject>().is_ok());
    }

    #[test]
    fn a_jti_names_its_session_and_survives_its_text_form() {
        let session = SessionId::random();
        let jti = Jti::first(session);
        assert_eq!(jti.session(), session);
        assert_eq!(jti.as_str().parse::<Jti>(), Ok(jti));
        assert_eq!(jti.as_str().len(), 42);
    }

    #[test]
    fn the_jti_of_an_access_token_names_the_refresh_token_beside_it() {
        let jti = Jti::first(SessionId::random());
        let of_access = format!("{jti}.T8yqk1rJ2mWcPA5QzX0h-_");
        assert_eq!(Jti::beside_access(&of_access), Ok(jti));
        for bad in [
            jti.to_string(),
            format!("{of_access}x"),
            format!("{jti}."),
            format!("{jti}.T8yqk1rJ2mWcPA5QzX0h+/"),
        ] {
            assert_eq!(Jti::beside_access(&bad), Err(InvalidId), "{bad}");
        }
    }

    #[test]
    fn a_session_id_is_an_integer_that_fits_an_intset() {
        for _ in 0..1000 {
            let id = SessionId::random();
            assert_eq!(id.as_str().parse::<i64>().unwrap().to_string(), id.as_str());
            assert_eq!(SessionId::of_number(id.number()), id);
        }
        for bad in [
            "",
            "1",
            "0123456789012345678",
            "9999999999999999999",
            "-23456789012345678",
            "12345678901234567é",
        ] {
            assert_eq!(bad.parse::<SessionId>(), Err(InvalidId), "{bad}");
        }
    }

    #[test]
    fn the_same_attempt_makes_the_same_successor_and_another_does_not() {
        let jti = Jti::first(SessionId::random());
        let successor = jti.successor(&keyed("0123456789abcdef"));
        assert_eq!(successor, jti.successor(&keyed("0123456789abcdef")));
        assert_eq!(successor.session(), jti.session());
        assert_ne!(successor, jti.successor(&keyed("0123456789abcdeg")));
        assert_ne!(successor, successor.successor(&keyed("0123456789abcdef")));
        assert_ne!(jti.successor(&Attempt::once()), jti.successor(&Attempt::once()));
    }

    #[test]
    fn idempotency_keys_outside_16_to_255_visible_characters_are_refused() {
        for bad in ["", "fifteen-chars-x", "sixteen-chars-\u{e9}", "tab\tinside-this-key", &"x".repeat(256)] {
            assert!(bad.parse::<IdempotencyKey>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(16).parse::<IdempotencyKey>().is_ok());
        assert!("x".repeat(255).parse::<IdempotencyKey>().is_ok());
    }
}
