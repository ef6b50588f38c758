//! A token as it arrives: the compact serialization of RFC 7515 section 7.1, taken apart strictly.

use aws_lc_rs::digest::{SHA256, digest};
use base64_simd::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::claims::present;
use super::refusal::TokenRefusal;

/// Longer tokens, in bytes, are refused unread. Claims take at most 2 KiB, so our tokens stay far below.
const MAX_TOKEN_LEN: usize = 8 * 1024;

/// The SHA-256 of a whole token, to recognize the token by. It cannot be used as a token.
pub(crate) type Fingerprint = [u8; 32];

/// Exactly three parts, each still encoded.
pub struct Parts<'a> {
    token: &'a str,
    /// The signed text: header and payload with the dot between.
    pub(super) message: &'a str,
    pub(super) header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

/// The header parameters we read (RFC 7515 section 4.1). `jku`, `jwk`, `x5u` and `x5c` are not among them: a token
/// never tells us where to find a key.
#[derive(Deserialize)]
pub(super) struct Header {
    pub alg: String,
    pub typ: String,
    #[serde(default, deserialize_with = "present")]
    pub kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    zip: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    b64: Option<IgnoredAny>,
}

impl<'a> Parts<'a> {
    /// Takes a token apart. Nothing of it is decoded.
    ///
    /// # Errors
    ///
    /// [`TokenRefusal::Malformed`] for a text of more than 8 KiB, or without exactly three parts.
    pub fn split(token: &'a str) -> Result<Self, TokenRefusal> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(TokenRefusal::Malformed);
        }
        let mut dots = memchr::memchr_iter(b'.', token.as_bytes());
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(TokenRefusal::Malformed);
        };
        Ok(Self {
            token,
            message: &token[..second],
            header: &token[..first],
            payload: &token[first + 1..second],
            signature: &token[second + 1..],
        })
    }

    /// The fingerprint of the token. Nothing is checked.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let digest = digest(&SHA256, self.token.as_bytes());
        digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// Critical extensions (RFC 7515 section 4.1.11) and compression are refused.
    pub(super) fn header(&self) -> Result<Header, TokenRefusal> {
        let header: Header =
            serde_json::from_slice(&decode_object(self.header)?).map_err(|_| TokenRefusal::Malformed)?;
        if header.crit.is_some() || header.zip.is_some() || header.b64.is_some() {
            return Err(TokenRefusal::Malformed);
        }
        Ok(header)
    }

    /// The payload, decoded. Nothing of it is checked.
    ///
    /// # Errors
    ///
    /// [`TokenRefusal::Malformed`] for anything but a JSON object in base64url.
    pub fn payload(&self) -> Result<Vec<u8>, TokenRefusal> {
        decode_object(self.payload)
    }

    pub(super) fn signature(&self) -> Result<Vec<u8>, TokenRefusal> {
        decode(self.signature)
    }
}

/// Only a JSON object: the reader would take a list for the members in their order.
fn decode_object(part: &str) -> Result<Vec<u8>, TokenRefusal> {
    let json = decode(part)?;
    if json.trim_ascii_start().starts_with(b"{") { Ok(json) } else { Err(TokenRefusal::Malformed) }
}

fn decode(part: &str) -> Result<Vec<u8>, TokenRefusal> {
    URL_SAFE_NO_PAD.decode_to_vec(part).map_err(|_| TokenRefusal::Malformed)
}
