//! Keys as a gateway publishes them: a JWK Set (RFC 7517 section 5).

use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use pkcs1::der::Encode;
use pkcs1::{RsaPublicKey, UintRef};

use super::VerifyingKey;
use crate::token::header::{Alg, Typ};
use crate::token::unusable_jwk::UnusableJwk;

impl VerifyingKey {
    /// The keys of a JWK Set for checking our tokens; `None` if the text is no JWK Set.
    pub fn read_set(json: &[u8]) -> Option<Vec<Self>> {
        let set: JwkSet = serde_json::from_slice(json).ok()?;
        Some(set.keys.iter().filter_map(|jwk| Self::from_jwk(jwk).ok()).collect())
    }

    fn from_jwk(jwk: &Jwk) -> Result<Self, UnusableJwk> {
        if jwk.common.public_key_use.as_ref().is_some_and(|it| *it != PublicKeyUse::Signature) {
            return Err(UnusableJwk::Algorithm);
        }
        let kid = jwk.common.key_id.clone().ok_or(UnusableJwk::Nameless)?;
        let (alg, public) = public_key(jwk)?;
        Self::public(alg, Some(kid), &Typ::ACCESS, &public)
    }
}

/// The algorithm of a key, and the key in the form of [`VerifyingKey::public`].
fn public_key(jwk: &Jwk) -> Result<(Alg, Vec<u8>), UnusableJwk> {
    match (&jwk.algorithm, jwk.common.key_algorithm) {
        (AlgorithmParameters::EllipticCurve(ec), None | Some(KeyAlgorithm::ES256))
            if ec.curve == EllipticCurve::P256 =>
        {
            Ok((Alg::Es256, [vec![4], decoded(&ec.x)?, decoded(&ec.y)?].concat()))
        }
        (AlgorithmParameters::OctetKeyPair(okp), None | Some(KeyAlgorithm::EdDSA))
            if okp.curve == EllipticCurve::Ed25519 =>
        {
            Ok((Alg::EdDsa, decoded(&okp.x)?))
        }
        (AlgorithmParameters::RSA(rsa), Some(alg @ (KeyAlgorithm::RS256 | KeyAlgorithm::PS256))) => {
            let alg = if alg == KeyAlgorithm::PS256 { Alg::Ps256 } else { Alg::Rs256 };
            Ok((alg, rsa_public_key(&decoded(&rsa.n)?, &decoded(&rsa.e)?)?))
        }
        _ => Err(UnusableJwk::Algorithm),
    }
}

fn decoded(member: &str) -> Result<Vec<u8>, UnusableJwk> {
    URL_SAFE_NO_PAD.decode_to_vec(member).map_err(|_| UnusableJwk::Malformed)
}

fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Result<Vec<u8>, UnusableJwk> {
    let uint = |bytes| UintRef::new(bytes).map_err(|_| UnusableJwk::Malformed);
    let key = RsaPublicKey { modulus: uint(modulus)?, public_exponent: uint(exponent)? };
    let mut der = vec![0; modulus.len() + exponent.len() + 32]; // with room for the DER framing
    let len = key.encode_to_slice(&mut der).map_err(|_| UnusableJwk::Malformed)?.len();
    der.truncate(len);
    Ok(der)
}
