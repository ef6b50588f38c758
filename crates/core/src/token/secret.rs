//! HMAC secrets: parsed strictly, never shown.

use std::fmt;

use base64_simd::STANDARD;
use secrecy::{ExposeSecret, SecretSlice};
use subtle::ConstantTimeEq;

/// A secret for HS256: at least 32 bytes (RFC 7518 section 3.2), plain text or `base64:` and standard base64. `Debug`
/// shows nothing of it, and its memory is wiped on drop.
#[derive(Clone)]
pub struct Secret {
    bytes: SecretSlice<u8>,
    /// The bytes with the line ends behind its text. Former releases signed with them.
    with_line_ends: Option<SecretSlice<u8>>,
}

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
    /// Reads the text of a setting. Line ends at its end are no part of the secret.
    ///
    /// ```
    /// use token_gateway_core::token::Secret;
    ///
    /// let secret = Secret::parse("0123456789abcdef0123456789abcdef\n")?;
    /// assert_eq!(secret.expose().len(), 32);
    /// # Ok::<_, token_gateway_core::token::InvalidSecret>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When it is shorter than 32 bytes, or no base64 where it says so.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let (own, mut with_line_ends) = (without_line_ends(text), None);
        let bytes = match own.strip_prefix("base64:") {
            Some(encoded) => STANDARD.decode_to_vec(encoded).map_err(|_| InvalidSecret::NotBase64)?,
            None => {
                with_line_ends = (own != text).then(|| text.as_bytes().to_vec().into());
                own.as_bytes().to_vec()
            }
        };
        if bytes.len() < 32 {
            return Err(InvalidSecret::TooShort(bytes.len()));
        }
        Ok(Self { bytes: bytes.into(), with_line_ends })
    }

    /// A key whose length was checked when it was read.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), with_line_ends: None }
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8] {
        self.bytes.expose_secret()
    }

    /// The bytes with the line ends behind its text. Former releases took these for a part of the secret, so signatures
    /// by them are accepted, and none is made.
    pub fn expose_with_line_ends(&self) -> Option<&[u8]> {
        self.with_line_ends.as_ref().map(ExposeSecret::expose_secret)
    }
}

/// The text without the line ends at its end.
pub fn without_line_ends(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
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
    fn line_ends_at_the_end_are_no_part_of_a_secret_and_only_accepted() {
        let bare = "0123456789abcdef0123456789abcdef";
        let encoded = format!("base64:{}", STANDARD.encode_to_string(bare));
        for ends in ["\n", "\r\n", "\r", "\n\n"] {
            let secret = Secret::parse(&format!("{bare}{ends}")).unwrap();
            assert!(secret == Secret::parse(bare).unwrap(), "{ends:?}");
            assert_eq!(secret.expose_with_line_ends(), Some(format!("{bare}{ends}").as_bytes()));
            let secret = Secret::parse(&format!("{encoded}{ends}")).unwrap();
            assert_eq!((secret.expose(), secret.expose_with_line_ends()), (bare.as_bytes(), None));
            assert_eq!(
                Secret::parse(&format!("{}{ends}", &bare[1..])).unwrap_err(),
                InvalidSecret::TooShort(31)
            );
        }
        assert_eq!(Secret::parse(bare).unwrap().expose_with_line_ends(), None);
        let inside = Secret::parse(&format!("a\n{bare}")).unwrap();
        assert_eq!((inside.expose().len(), inside.expose_with_line_ends()), (34, None));
    }

    #[test]
    fn plain_and_base64_forms_of_the_same_bytes_are_equal() {
        let bytes = "0123456789abcdef0123456789abcdef";
        let encoded = format!("base64:{}", STANDARD.encode_to_string(bytes));
        assert!(Secret::parse(bytes).unwrap() == Secret::parse(&encoded).unwrap());
        assert_eq!(format!("{:?}", Secret::parse(bytes).unwrap()), "Secret(***)");
    }
}
