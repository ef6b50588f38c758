//! Keys that check signatures: public keys and secrets, prepared once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    VerificationAlgorithm,
};
use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use pkcs1::der::Encode;
use pkcs1::{RsaPublicKey, UintRef};
use subtle::ConstantTimeEq as _;

use super::header::{Alg, Typ};
use super::jws::Parts;
use super::secret::Secret;
use super::verify::Rejected;

/// A fixed-size mark to recognize a token by.
pub(crate) type Digest = [u8; 32];

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
    checks: Checks,
}

enum Checks {
    Hmac(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

/// Why a key of a JWK Set cannot check our tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableJwk {
    /// With another algorithm, or for another use.
    #[error("is not a key for signatures of ES256, EdDSA, RS256 or PS256")]
    Algorithm,
    /// Without a `kid`.
    #[error("has no kid")]
    Nameless,
    /// With numbers that are no key.
    #[error("is malformed")]
    Malformed,
}

impl VerifyingKey {
    /// A secret without a `kid`, for access tokens.
    pub fn from_secret(secret: &Secret) -> Self {
        Self::hmac(None, &Typ::ACCESS, secret.expose())
    }

    /// A secret for tokens of these types.
    pub fn hmac(kid: Option<String>, typs: &[Typ], secret: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self::new(Alg::Hs256, kid, typs, Checks::Hmac(Box::new(key)))
    }

    /// A public key for tokens of these types. `public` is a point for ES256, 32 bytes for EdDSA, PKCS #1 for RSA.
    ///
    /// # Errors
    ///
    /// [`UnusableJwk::Algorithm`] for a secret; [`UnusableJwk::Malformed`] for a key of another form.
    pub fn public(alg: Alg, kid: Option<String>, typs: &[Typ], public: &[u8]) -> Result<Self, UnusableJwk> {
        let algorithm: &'static dyn VerificationAlgorithm = match alg {
            Alg::Es256 => &ECDSA_P256_SHA256_FIXED,
            Alg::EdDsa => &ED25519,
            Alg::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Alg::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Alg::Hs256 => return Err(UnusableJwk::Algorithm),
        };
        let public = ParsedPublicKey::new(algorithm, public).map_err(|_| UnusableJwk::Malformed)?;
        Ok(Self::new(alg, kid, typs, Checks::Public(public)))
    }

    /// A key of a published JWK Set (RFC 7517), for access tokens.
    fn from_jwk(jwk: &Jwk) -> Result<Self, UnusableJwk> {
        if jwk.common.public_key_use.as_ref().is_some_and(|it| *it != PublicKeyUse::Signature) {
            return Err(UnusableJwk::Algorithm);
        }
        let kid = jwk.common.key_id.clone().ok_or(UnusableJwk::Nameless)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode_to_vec(text).map_err(|_| UnusableJwk::Malformed);
        let (alg, public) = match (&jwk.algorithm, jwk.common.key_algorithm) {
            (AlgorithmParameters::EllipticCurve(ec), None | Some(KeyAlgorithm::ES256))
                if ec.curve == EllipticCurve::P256 =>
            {
                (Alg::Es256, [vec![4], decode(&ec.x)?, decode(&ec.y)?].concat())
            }
            (AlgorithmParameters::OctetKeyPair(okp), None | Some(KeyAlgorithm::EdDSA))
                if okp.curve == EllipticCurve::Ed25519 =>
            {
                (Alg::EdDsa, decode(&okp.x)?)
            }
            (AlgorithmParameters::RSA(rsa), Some(alg @ (KeyAlgorithm::RS256 | KeyAlgorithm::PS256))) => {
                let alg = if alg == KeyAlgorithm::PS256 { Alg::Ps256 } else { Alg::Rs256 };
                (alg, rsa_public_key(&decode(&rsa.n)?, &decode(&rsa.e)?)?)
            }
            _ => return Err(UnusableJwk::Algorithm),
        };
        Self::public(alg, Some(kid), &Typ::ACCESS, &public)
    }

    /// The keys of a JWK Set (RFC 7517 section 5) for checking our tokens; `None` if the text is no JWK Set.
    pub fn read_set(json: &[u8]) -> Option<Vec<Self>> {
        let set: JwkSet = serde_json::from_slice(json).ok()?;
        Some(set.keys.iter().filter_map(|jwk| Self::from_jwk(jwk).ok()).collect())
    }

    fn new(alg: Alg, kid: Option<String>, typs: &[Typ], checks: Checks) -> Self {
        let named = kid.as_ref().map(|kid| format!(r#","kid":"{kid}""#)).unwrap_or_default();
        let header = |typ: &Typ| {
            let json = format!(r#"{{"typ":"{}","alg":"{}"{named}}}"#, typ.as_str(), alg.as_str());
            (*typ, URL_SAFE_NO_PAD.encode_to_string(json) + ".")
        };
        static KEYS: AtomicU64 = AtomicU64::new(0);
        let id = KEYS.fetch_add(1, Ordering::Relaxed);
        Self { id, headers: typs.iter().map(header).collect(), alg, kid, checks }
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

    /// A mark to tell this key's tokens apart. It cannot be used as a token.
    ///
    /// For a secret the mark is the token's own HMAC, checked here; so the mark costs no second hash.
    pub(crate) fn digest(&self, parts: &Parts<'_>) -> Result<Digest, Rejected> {
        match &self.checks {
            Checks::Hmac(key) => {
                let tag = hmac::sign(key, parts.message.as_bytes());
                let same = tag.as_ref().ct_eq(&parts.signature()?);
                if bool::from(same) { Ok(sized(tag.as_ref())) } else { Err(Rejected::Signature) }
            }
            Checks::Public(_) => Ok(sized(digest(&SHA256, parts.token.as_bytes()).as_ref())),
        }
    }

    /// Checks the signature as far as [`digest`](Self::digest) has not done so.
    pub(crate) fn check_signature(&self, parts: &Parts<'_>) -> Result<(), Rejected> {
        match &self.checks {
            Checks::Hmac(_) => Ok(()),
            Checks::Public(public) => {
                let verified = public.verify_sig(parts.message.as_bytes(), &parts.signature()?);
                verified.map_err(|_| Rejected::Signature)
            }
        }
    }

    /// The payload, once the signature holds.
    ///
    /// # Errors
    ///
    /// [`Rejected::Signature`], or [`Rejected::Malformed`] for a part that cannot be decoded.
    pub fn open(&self, parts: &Parts<'_>) -> Result<Vec<u8>, Rejected> {
        if let Checks::Hmac(_) = &self.checks {
            self.digest(parts)?;
        }
        self.check_signature(parts)?;
        parts.payload()
    }
}

fn sized(digest: &[u8]) -> Digest {
    digest.try_into().expect("SHA-256 has 32 bytes")
}

/// The key of an access token, and its `typ`: that of its `kid`, or, for a token without one, the secret; the algorithm
/// is the key's, not the token's. Nothing is checked yet.
///
/// # Errors
///
/// [`Rejected::UnknownKey`] for a `kid` of no key; [`Rejected::WrongKind`] for another `alg` or `typ` than the key's.
pub fn find_access<'a>(
    keys: impl Iterator<Item = &'a Arc<VerifyingKey>> + Clone,
    parts: &Parts<'_>,
) -> Result<(&'a Arc<VerifyingKey>, Typ), Rejected> {
    if let Some(found) = keys.clone().find_map(|key| Some((key, key.wrote(parts.header)?))) {
        return Ok(found);
    }
    let header = parts.header()?;
    // Without any `kid` the secret is the only key. Other services may sign with it, too, under a `kid` of their
    // choice.
    let nameless = keys.clone().all(|key| key.kid.is_none());
    let kid = header.kid.as_ref().filter(|_| !nameless);
    let key = keys.clone().find(|key| key.kid.as_ref() == kid).ok_or(Rejected::UnknownKey)?;
    if header.alg != key.alg.as_str() {
        return Err(Rejected::WrongKind);
    }
    let typ = key.typ(&header.typ).ok_or(Rejected::WrongKind)?;
    Ok((key, typ))
}

/// The payload of a refresh token. It names no key, so each is tried.
///
/// # Errors
///
/// [`Rejected::WrongKind`] for a header of another kind; [`Rejected::Signature`] where no key matches.
pub fn open_refresh<'a>(
    keys: impl Iterator<Item = &'a Arc<VerifyingKey>> + Clone,
    parts: &Parts<'_>,
) -> Result<Vec<u8>, Rejected> {
    let is_ours = keys.clone().next().is_some_and(|newest| newest.wrote(parts.header).is_some());
    if !is_ours {
        let header = parts.header()?;
        if header.alg != Alg::Hs256.as_str() || header.typ != Typ::RtJwt.as_str() {
            return Err(Rejected::WrongKind);
        }
    }
    let opened = keys.map(|key| key.open(parts));
    let mut decided = opened.filter(|opened| !matches!(opened, Err(Rejected::Signature)));
    decided.next().unwrap_or(Err(Rejected::Signature))
}

fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Result<Vec<u8>, UnusableJwk> {
    let uint = |bytes| UintRef::new(bytes).map_err(|_| UnusableJwk::Malformed);
    let key = RsaPublicKey { modulus: uint(modulus)?, public_exponent: uint(exponent)? };
    let mut der = vec![0; modulus.len() + exponent.len() + 32]; // with room for the DER framing
    let len = key.encode_to_slice(&mut der).map_err(|_| UnusableJwk::Malformed)?.len();
    der.truncate(len);
    Ok(der)
}
