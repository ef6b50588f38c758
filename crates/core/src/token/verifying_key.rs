//! Keys that check signatures: public keys and secrets, prepared once, and found by the header of a token.

mod published;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    VerificationAlgorithm,
};
use base64_simd::URL_SAFE_NO_PAD;

use super::header::{Alg, Typ};
use super::jws::Parts;
use super::refusal::TokenRefusal;
use super::secret::Secret;
use super::unusable_jwk::UnusableJwk;

/// A key for checking tokens.
pub struct VerifyingKey {
    /// Unique in this process.
    pub(crate) id: u64,
    /// The only algorithm of its tokens.
    pub alg: Alg,
    /// `None` for a secret from settings, and for all keys of refresh tokens.
    pub kid: Option<String>,
    /// The header of this key's tokens, encoded, with the dot after it; one for each `typ`.
    headers: Vec<(Typ, String)>,
    material: Material,
}

enum Material {
    /// One key, or the key and the same secret with its line ends; see [`Secret::expose_with_line_ends`].
    Hmac(Vec<hmac::Key>),
    Public(ParsedPublicKey),
}

impl VerifyingKey {
    /// A secret without a `kid`, for access tokens.
    pub fn from_secret(secret: &Secret) -> Self {
        Self::hs256(&Typ::ACCESS, secret)
    }

    /// A secret without a `kid`, for tokens of these types.
    pub fn hs256(typs: &[Typ], secret: &Secret) -> Self {
        let accepted = std::iter::once(secret.expose()).chain(secret.expose_with_line_ends());
        let keys = accepted.map(|bytes| hmac::Key::new(hmac::HMAC_SHA256, bytes)).collect();
        Self::new(Alg::Hs256, None, typs, Material::Hmac(keys))
    }

    /// A secret for tokens of these types.
    pub fn hmac(kid: Option<String>, typs: &[Typ], secret: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self::new(Alg::Hs256, kid, typs, Material::Hmac(vec![key]))
    }

    /// A public key for tokens of these types. `public` is a point for ES256, 32 bytes for Ed25519, PKCS #1 for RSA.
    ///
    /// # Errors
    ///
    /// [`UnusableJwk::Algorithm`] for a secret; [`UnusableJwk::Malformed`] for a key of another form.
    pub fn public(alg: Alg, kid: Option<String>, typs: &[Typ], public: &[u8]) -> Result<Self, UnusableJwk> {
        let algorithm: &'static dyn VerificationAlgorithm = match alg {
            Alg::Es256 => &ECDSA_P256_SHA256_FIXED,
            Alg::EdDsa | Alg::Ed25519 => &ED25519,
            Alg::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Alg::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Alg::Hs256 => return Err(UnusableJwk::Algorithm),
        };
        let public = ParsedPublicKey::new(algorithm, public).map_err(|_| UnusableJwk::Malformed)?;
        Ok(Self::new(alg, kid, typs, Material::Public(public)))
    }

    fn new(alg: Alg, kid: Option<String>, typs: &[Typ], material: Material) -> Self {
        let named = kid.as_ref().map(|kid| format!(r#","kid":"{kid}""#)).unwrap_or_default();
        let header = |typ: &Typ| {
            let json = format!(r#"{{"typ":"{}","alg":"{}"{named}}}"#, typ.as_str(), alg.as_str());
            (*typ, URL_SAFE_NO_PAD.encode_to_string(json) + ".")
        };
        static NEXT_KEY_ID: AtomicU64 = AtomicU64::new(0);
        let id = NEXT_KEY_ID.fetch_add(1, Ordering::Relaxed);
        Self { id, headers: typs.iter().map(header).collect(), alg, kid, material }
    }

    /// How a token of this key begins: its header, encoded, and the dot that follows.
    pub fn header(&self, typ: Typ) -> &str {
        self.headers.iter().find(|(it, _)| *it == typ).map_or("", |(_, header)| header)
    }

    /// The `typ` of a token whose header is, to the letter, one that the gateway writes with this key.
    fn wrote(&self, header: &str) -> Option<Typ> {
        let same = |(_, own): &&(Typ, String)| own.len() == header.len() + 1 && own.starts_with(header);
        self.headers.iter().find(same).map(|(typ, _)| *typ)
    }

    fn typ(&self, text: &str) -> Option<Typ> {
        self.headers.iter().map(|(typ, _)| *typ).find(|typ| typ.as_str() == text)
    }

    /// Checks the signature. Nothing else of the token is checked.
    pub(crate) fn check_signature(&self, parts: &Parts<'_>) -> Result<(), TokenRefusal> {
        let (message, signature) = (parts.message.as_bytes(), parts.signature()?);
        let holds = match &self.material {
            Material::Hmac(keys) => keys.iter().any(|key| hmac::verify(key, message, &signature).is_ok()),
            Material::Public(public) => public.verify_sig(message, &signature).is_ok(),
        };
        if holds { Ok(()) } else { Err(TokenRefusal::Signature) }
    }

    /// The payload, once the signature holds.
    ///
    /// # Errors
    ///
    /// [`TokenRefusal::Signature`], or [`TokenRefusal::Malformed`] for a part that cannot be decoded.
    pub fn open(&self, parts: &Parts<'_>) -> Result<Vec<u8>, TokenRefusal> {
        self.check_signature(parts)?;
        parts.payload()
    }
}

/// The key of an access token, and its `typ`: that of its `kid`, or, for a token without one, the secret; the algorithm
/// is the key's, not the token's. Nothing is checked yet.
///
/// # Errors
///
/// [`TokenRefusal::UnknownKey`] for a `kid` of no key; [`TokenRefusal::WrongKind`] for another `alg` or `typ` than the
/// key's.
pub fn find_access_key<'a>(
    keys: impl Iterator<Item = &'a Arc<VerifyingKey>> + Clone,
    parts: &Parts<'_>,
) -> Result<(&'a Arc<VerifyingKey>, Typ), TokenRefusal> {
    if let Some(found) = keys.clone().find_map(|key| Some((key, key.wrote(parts.header)?))) {
        return Ok(found);
    }
    let header = parts.header()?;
    // Without any `kid` the secret is the only key. Other services may sign with it, too, under a `kid` of their
    // choice.
    let nameless = keys.clone().all(|key| key.kid.is_none());
    let kid = header.kid.as_ref().filter(|_| !nameless);
    let key = keys.clone().find(|key| key.kid.as_ref() == kid).ok_or(TokenRefusal::UnknownKey)?;
    if header.alg != key.alg.as_str() {
        return Err(TokenRefusal::WrongKind);
    }
    let typ = key.typ(&header.typ).ok_or(TokenRefusal::WrongKind)?;
    Ok((key, typ))
}

/// The payload of a refresh token. It names no key, so each is tried.
///
/// # Errors
///
/// [`TokenRefusal::WrongKind`] for a header of another kind; [`TokenRefusal::Signature`] where no key matches.
pub fn open_refresh_token<'a>(
    keys: impl Iterator<Item = &'a Arc<VerifyingKey>> + Clone,
    parts: &Parts<'_>,
) -> Result<Vec<u8>, TokenRefusal> {
    let is_ours = keys.clone().next().is_some_and(|newest| newest.wrote(parts.header).is_some());
    if !is_ours {
        let header = parts.header()?;
        if header.alg != Alg::Hs256.as_str() || header.typ != Typ::RtJwt.as_str() {
            return Err(TokenRefusal::WrongKind);
        }
    }
    let opened = keys.map(|key| key.open(parts));
    let mut decided = opened.filter(|opened| !matches!(opened, Err(TokenRefusal::Signature)));
    decided.next().unwrap_or(Err(TokenRefusal::Signature))
}
