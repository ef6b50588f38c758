//! Keys as a gateway publishes them: a JWK Set (RFC 7517 section 5).

use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use pkcs1::der::Encode;
use pkcs1::{RsaPublicKey, UintRef};
use serde::Deserialize;
use serde_json::Value;

use super::VerifyingKey;
use crate::token::header::{Alg, Typ};
use crate::token::unusable_jwk::UnusableJwk;

/// A set whose keys are not read yet.
#[derive(Deserialize)]
struct UnreadSet {
    keys: Vec<Value>,
}

impl VerifyingKey {
    /// The keys of a JWK Set for checking our tokens; `None` if the text is no JWK Set. Each key is read on its own, so
    /// one that cannot be understood spoils no other (RFC 7517 section 5).
    pub fn read_set(json: &[u8]) -> Option<Vec<Self>> {
        let set: UnreadSet = serde_json::from_slice(json).ok()?;
        Some(set.keys.iter().filter_map(|key| Self::from_jwk(key).ok()).collect())
    }

    fn from_jwk(key: &Value) -> Result<Self, UnusableJwk> {
        let jwk = Jwk::deserialize(key).map_err(|_| UnusableJwk::Malformed)?;
        if jwk.common.public_key_use.as_ref().is_some_and(|it| *it != PublicKeyUse::Signature) {
            return Err(UnusableJwk::Algorithm);
        }
        let (alg, public) = public_key(&jwk.algorithm, named_alg(key)?)?;
        let kid = jwk.common.key_id.ok_or(UnusableJwk::Nameless)?;
        Self::public(alg, Some(kid), &Typ::ACCESS, &public)
    }
}

/// The member `alg`. The library has no name for Ed25519 of RFC 9864.
fn named_alg(key: &Value) -> Result<Option<Alg>, UnusableJwk> {
    match &key["alg"] {
        Value::Null => Ok(None),
        Value::String(name) => name.parse().map(Some).map_err(|_| UnusableJwk::Algorithm),
        _ => Err(UnusableJwk::Malformed),
    }
}

/// The algorithm of a key, and the key in the form of [`VerifyingKey::public`].
fn public_key(key: &AlgorithmParameters, named: Option<Alg>) -> Result<(Alg, Vec<u8>), UnusableJwk> {
    match (key, named) {
        (AlgorithmParameters::EllipticCurve(ec), None | Some(Alg::Es256))
            if ec.curve == EllipticCurve::P256 =>
        {
            Ok((Alg::Es256, [vec![4], decoded(&ec.x)?, decoded(&ec.y)?].concat()))
        }
        (AlgorithmParameters::OctetKeyPair(okp), None | Some(Alg::EdDsa | Alg::Ed25519))
            if okp.curve == EllipticCurve::Ed25519 =>
        {
            Ok((named.unwrap_or(Alg::EdDsa), decoded(&okp.x)?))
        }
        (AlgorithmParameters::RSA(rsa), Some(alg @ (Alg::Rs256 | Alg::Ps256))) => {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ed25519(alg: Option<&str>, kid: &str) -> Value {
        let x = URL_SAFE_NO_PAD.encode_to_string([9; 32]);
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": alg })
    }

    fn read(keys: &[Value]) -> Vec<(String, Alg)> {
        let set = json!({ "keys": keys }).to_string();
        let read = VerifyingKey::read_set(set.as_bytes()).expect("a JWK Set");
        read.into_iter().map(|key| (key.kid.expect("a kid"), key.alg)).collect()
    }

    #[test]
    fn the_member_alg_says_which_name_of_ed25519_the_tokens_of_a_key_have() {
        let keys = [Some("EdDSA"), Some("Ed25519"), None].map(|alg| ed25519(alg, alg.unwrap_or("none")));
        let expected = [("EdDSA", Alg::EdDsa), ("Ed25519", Alg::Ed25519), ("none", Alg::EdDsa)];
        assert_eq!(read(&keys), expected.map(|(kid, alg)| (kid.to_owned(), alg)));
    }

    /// RFC 7517 section 5.
    #[test]
    fn a_key_that_cannot_be_understood_spoils_no_other() {
        let strange = [
            json!({ "kty": "AKP", "alg": "ML-DSA-44", "kid": "pq", "pub": "AAAA" }),
            json!({ "kty": "OKP", "crv": "Ed448", "x": "AAAA", "alg": "Ed448", "kid": "448" }),
            json!({ "kty": "EC", "crv": "P-521", "x": "AAAA", "y": "AAAA", "alg": "ES512", "kid": "521" }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": 5, "alg": "EdDSA", "kid": "number" }),
            json!({ "kty": "RSA", "kid": "empty" }),
            json!({ "kid": 5 }),
            json!("no key"),
            json!(null),
            ed25519(Some("Ed448"), "another-alg"),
            ed25519(Some(""), "no-alg"),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "AAAA", "alg": 5, "kid": "alg" }),
        ];
        for strange in strange {
            let keys = [strange.clone(), ed25519(Some("EdDSA"), "good")];
            assert_eq!(read(&keys), [("good".to_owned(), Alg::EdDsa)], "{strange}");
        }
        for no_set in ["", "[]", "{}", r#"{"keys": 5}"#, r#"{"keys": {}}"#] {
            assert!(VerifyingKey::read_set(no_set.as_bytes()).is_none(), "{no_set}");
        }
    }
}
