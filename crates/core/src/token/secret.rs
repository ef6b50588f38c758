//! HMAC secrets: parsed strictly, never shown.

use std::fmt;

use base64_simd::STANDARD;
use secrecy::{ExposeSecret, SecretSlice};
use subtle::ConstantTimeEq;

/// A secret for HS256: at least 32 bytes (RFC 7518 section 3.2), plain text or `base64:` and standard base64. `Debug`
/// shows nothing of it, and its memory is wiped on drop.
#[derive(Clone)]
pub struct Secret(SecretSlice<u8>);

/// Why a string is no [`Secret`]. Repeats nothing of the string.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidSecret {
    /// After `base64:`.
    #[error("is not valid base64 after 'base64:'")]
    NotBase64,
    /// With so many bytes.
    #[error(
        "has {0} bytes, but needs at least 32; make one with `token-gateway init` or `openssl rand -base64 32`"
    )]
    TooShort(usize),
}

impl Secret {
    /// Reads the text of a setting.
    ///
    /// # Errors
    ///
    /// When it is shorter than 32 bytes, or no base64 where it says so.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let bytes = match text.strip_prefix("base64:") {
            Some(encoded) => STANDARD.decode_to_vec(encoded).map_err(|_| InvalidSecret::NotBase64)?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.len() < 32 { Err(InvalidSecret::TooShort(bytes.len())) } else { Ok(Self(bytes.into())) }
    }

    /// A key whose length was checked when it was read.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_or_broken_secrets_are_refused_without_being_repeated() {
        assert_eq!(Secret::parse("").unwrap_err(), InvalidSecret::TooShort(0));
        assert_eq!(Secret::parse(&"x".repeat(31)).unwrap_err(), InvalidSecret::TooShort(31));
        assert_eq!(Secret::parse("base64:%%%").unwrap_err(), InvalidSecret::NotBase64);
        let message = Secret::parse("tell-nobody").unwrap_err().to_string();
        assert!(!message.contains("tell-nobody"), "{message}");
    }

    #[test]
    fn plain_and_base64_forms_of_the_same_bytes_are_equal() {
        let bytes = "0123456789abcdef0123456789abcdef";
        let encoded = format!("base64:{}", STANDARD.encode_to_string(bytes));
        assert!(Secret::parse(bytes).unwrap() == Secret::parse(&encoded).unwrap());
        assert_eq!(format!("{:?}", Secret::parse(bytes).unwrap()), "Secret(***)");
    }
}
