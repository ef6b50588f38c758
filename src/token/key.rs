//! One key for one kind of token: a prepared signer and verifier, and the header it writes.

use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::crypto::{JwtSigner, JwtVerifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::claims::present;
use super::secret::Secret;
use super::verify::Rejected;

/// Longer tokens are refused unread, in bytes: claims are at most 2 KiB, so ours stay far below.
const MAX_TOKEN_LEN: usize = 8 * 1024;

pub(super) struct Key {
    alg: &'static str,
    typ: &'static str,
    /// The header of every token of this key, encoded, with the dot that follows it.
    header: String,
    signer: Box<dyn JwtSigner>,
    verifier: Box<dyn JwtVerifier>,
}

/// The header members that matter to us (RFC 7515 section 4.1). `jku`, `jwk`, `x5u` and `x5c` are not
/// among them: a token never tells us which key to use, nor where to find one.
#[derive(Deserialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    #[serde(default, deserialize_with = "present")]
    crit: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    zip: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    b64: Option<IgnoredAny>,
}

impl Key {
    pub(super) fn hs256(secret: &Secret, typ: &'static str) -> Self {
        const ALG: Algorithm = Algorithm::HS256;
        let (encoding, decoding) =
            (EncodingKey::from_secret(secret.expose()), DecodingKey::from_secret(secret.expose()));
        let header = format!(r#"{{"typ":"{typ}","alg":"HS256"}}"#);
        Self {
            alg: "HS256",
            typ,
            header: URL_SAFE_NO_PAD.encode_to_string(header) + ".",
            signer: (DEFAULT_PROVIDER.signer_factory)(&ALG, &encoding).expect("an HMAC key signs HS256"),
            verifier: (DEFAULT_PROVIDER.verifier_factory)(&ALG, &decoding)
                .expect("an HMAC key verifies HS256"),
        }
    }

    /// The compact form of `payload`, signed.
    pub(super) fn seal(&self, payload: &[u8]) -> String {
        let mut token = String::with_capacity(self.header.len() + payload.len() * 4 / 3 + 48);
        token.push_str(&self.header);
        URL_SAFE_NO_PAD.encode_append(payload, &mut token);
        let signature = self.signer.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_append(signature, &mut token);
        token
    }

    /// The payload of a token of this key, its header and signature checked.
    ///
    /// The algorithm is the key's, not the token's. Anything that is not exactly three parts of strict
    /// base64url is refused, and so are critical extensions (RFC 7515 section 4.1.11) and compression.
    pub(super) fn open(&self, token: &str) -> Result<Vec<u8>, Rejected> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(Rejected::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Rejected::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(Rejected::Malformed)?;
        if payload.contains('.') {
            return Err(Rejected::Malformed);
        }
        self.check_header(header)?;
        let signature = decode(signature)?;
        self.verifier.verify(message.as_bytes(), &signature).map_err(|_| Rejected::Signature)?;
        decode_object(payload)
    }

    fn check_header(&self, encoded: &str) -> Result<(), Rejected> {
        if encoded.len() + 1 == self.header.len() && self.header.starts_with(encoded) {
            return Ok(()); // as we write it
        }
        let json = decode_object(encoded)?;
        let header: Header<'_> = serde_json::from_slice(&json).map_err(|_| Rejected::Malformed)?;
        if header.crit.is_some() || header.zip.is_some() || header.b64.is_some() {
            return Err(Rejected::Malformed);
        }
        if header.alg != self.alg || header.typ != self.typ { Err(Rejected::WrongKind) } else { Ok(()) }
    }
}

/// A JSON object: a list would be read as its members in their order.
fn decode_object(part: &str) -> Result<Vec<u8>, Rejected> {
    let json = decode(part)?;
    if json.trim_ascii_start().starts_with(b"{") { Ok(json) } else { Err(Rejected::Malformed) }
}

fn decode(part: &str) -> Result<Vec<u8>, Rejected> {
    URL_SAFE_NO_PAD.decode_to_vec(part).map_err(|_| Rejected::Malformed)
}
