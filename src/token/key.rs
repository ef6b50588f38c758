//! One key, prepared once: a signer, a verifier, and the headers it writes. Shared by all workers.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256, RsaKeyPair,
    VerificationAlgorithm,
};
use base64_simd::URL_SAFE_NO_PAD;

use super::jwk::{Alg, InvalidKey, Material, PrivateJwk, Signs};
use super::jws::Parts;
use super::secret::Secret;
use super::verify::Rejected;

/// The header parameter `typ` (RFC 7515 section 4.1.9): what a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typ {
    /// An access token as RFC 9068 has it.
    AtJwt,
    /// An access token for verifiers that know no other `typ`.
    Jwt,
    /// A refresh token.
    RtJwt,
}

impl Typ {
    pub const ACCESS: [Self; 2] = [Self::AtJwt, Self::Jwt];
    pub const REFRESH: [Self; 1] = [Self::RtJwt];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtJwt => "at+jwt",
            Self::Jwt => "JWT",
            Self::RtJwt => "rt+jwt",
        }
    }
}

pub(super) struct Key {
    pub alg: Alg,
    /// None of a secret that comes without one.
    pub kid: Option<String>,
    /// The header of every token of this key, encoded, with the dot that follows it; one for each `typ`.
    headers: Vec<(Typ, String)>,
    pair: Pair,
}

/// What signs, and what verifies.
enum Pair {
    Hmac(Box<hmac::Key>),
    Ec(EcdsaKeyPair, ParsedPublicKey),
    Ed(Ed25519KeyPair, ParsedPublicKey),
    Rsa(Box<RsaKeyPair>, ParsedPublicKey),
}

impl Key {
    /// A secret without a `kid`.
    pub fn hs256(secret: &Secret, typs: &[Typ]) -> Self {
        Self::new(
            Alg::Hs256,
            None,
            typs,
            Pair::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret.expose()))),
        )
    }

    pub fn from_jwk(jwk: &PrivateJwk) -> Result<Self, InvalidKey> {
        let (alg, material) = jwk.open()?;
        let parsed = |algorithm: &'static dyn VerificationAlgorithm, public: &[u8]| {
            ParsedPublicKey::new(algorithm, public).map_err(|_| InvalidKey::Inconsistent)
        };
        let pair = match material {
            Material::Secret(secret) => Pair::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &secret))),
            Material::Ec(pair) => {
                let public = parsed(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref())?;
                Pair::Ec(pair, public)
            }
            Material::Ed(pair) => {
                let public = parsed(&ED25519, pair.public_key().as_ref())?;
                Pair::Ed(pair, public)
            }
            Material::Rsa(pair) => {
                let algorithm =
                    if alg == Alg::Ps256 { &RSA_PSS_2048_8192_SHA256 } else { &RSA_PKCS1_2048_8192_SHA256 };
                let public = parsed(algorithm, pair.public_key().as_ref())?;
                Pair::Rsa(pair, public)
            }
        };
        Ok(match jwk.signs {
            Signs::Access => Self::new(alg, Some(jwk.thumbprint()), &Typ::ACCESS, pair),
            Signs::Refresh => Self::new(alg, None, &Typ::REFRESH, pair),
        })
    }

    fn new(alg: Alg, kid: Option<String>, typs: &[Typ], pair: Pair) -> Self {
        let named = kid.as_ref().map(|kid| format!(r#","kid":"{kid}""#)).unwrap_or_default();
        let header = |typ: &Typ| {
            let json = format!(r#"{{"typ":"{}","alg":"{}"{named}}}"#, typ.as_str(), alg.as_str());
            (*typ, URL_SAFE_NO_PAD.encode_to_string(json) + ".")
        };
        Self { headers: typs.iter().map(header).collect(), alg, kid, pair }
    }

    /// The compact form of `payload`, signed.
    pub fn seal(&self, typ: Typ, payload: &[u8]) -> String {
        let header = self.headers.iter().find(|(it, _)| *it == typ).map_or("", |(_, header)| header);
        let mut token = String::with_capacity(header.len() + payload.len() * 4 / 3 + 48);
        token.push_str(header);
        URL_SAFE_NO_PAD.encode_append(payload, &mut token);
        let message_len = token.len();
        token.push('.');
        self.sign(message_len, &mut token);
        token
    }

    /// Appends the signature of the first `message_len` bytes.
    fn sign(&self, message_len: usize, token: &mut String) {
        let message = &token.as_bytes()[..message_len];
        match &self.pair {
            Pair::Hmac(key) => {
                let tag = hmac::sign(key, message);
                URL_SAFE_NO_PAD.encode_append(tag, token);
            }
            Pair::Ec(pair, _) => {
                let signature = pair.sign(&SystemRandom::new(), message).expect(SIGNS);
                URL_SAFE_NO_PAD.encode_append(signature, token);
            }
            Pair::Ed(pair, _) => {
                let signature = pair.sign(message);
                URL_SAFE_NO_PAD.encode_append(signature, token);
            }
            Pair::Rsa(pair, _) => {
                let encoding =
                    if self.alg == Alg::Ps256 { &RSA_PSS_SHA256 as &_ } else { &RSA_PKCS1_SHA256 as &_ };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature).expect(SIGNS);
                URL_SAFE_NO_PAD.encode_append(signature, token);
            }
        }
    }

    /// The `typ` of a token whose header is, to the letter, one that this key writes.
    pub fn wrote(&self, header: &str) -> Option<Typ> {
        let same = |(_, own): &&(Typ, String)| own.len() == header.len() + 1 && own.starts_with(header);
        self.headers.iter().find(same).map(|(typ, _)| *typ)
    }

    pub fn typ(&self, text: &str) -> Option<Typ> {
        self.headers.iter().map(|(typ, _)| *typ).find(|typ| typ.as_str() == text)
    }

    /// The payload, once the signature holds.
    pub fn open(&self, parts: &Parts<'_>) -> Result<Vec<u8>, Rejected> {
        let (message, signature) = (parts.message.as_bytes(), parts.signature()?);
        let verified = match &self.pair {
            Pair::Hmac(key) => hmac::verify(key, message, &signature),
            Pair::Ec(_, public) | Pair::Ed(_, public) | Pair::Rsa(_, public) => {
                public.verify_sig(message, &signature)
            }
        };
        verified.map_err(|_| Rejected::Signature)?;
        parts.payload()
    }
}

const SIGNS: &str = "a key that was checked when it was read signs";
