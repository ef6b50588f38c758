//! A key that signs, prepared once, with its halves for signing and checking. Shared by all workers.

use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use base64_simd::URL_SAFE_NO_PAD;
use token_gateway_core::token::{Alg, Secret, Typ, VerifyingKey};

use super::jwk::{InvalidKey, Material, PrivateJwk, Signs};

pub(super) struct SigningKey {
    verifying: Arc<VerifyingKey>,
    signer: Signer,
}

enum Signer {
    Hmac(Box<hmac::Key>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl SigningKey {
    /// A secret without a `kid`.
    pub fn hs256(secret: &Secret, typs: &[Typ]) -> Self {
        Self::hmac(VerifyingKey::hs256(typs, secret), secret.expose())
    }

    fn hmac(verifying: VerifyingKey, secret: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self { verifying: Arc::new(verifying), signer: Signer::Hmac(Box::new(key)) }
    }

    pub fn from_jwk(jwk: &PrivateJwk) -> Result<Self, InvalidKey> {
        let (alg, material) = jwk.material()?;
        let (kid, typs) = match jwk.signs {
            Signs::Access => (Some(jwk.thumbprint()), &Typ::ACCESS[..]),
            Signs::Refresh => (None, &Typ::REFRESH[..]),
        };
        let (public, signer) = match material {
            Material::Secret(secret) => {
                return Ok(Self::hmac(VerifyingKey::hmac(kid, typs, &secret), &secret));
            }
            Material::Ec(pair) => (pair.public_key().as_ref().to_vec(), Signer::Ec(pair)),
            Material::Ed(pair) => (pair.public_key().as_ref().to_vec(), Signer::Ed(pair)),
            Material::Rsa(pair) => (pair.public_key().as_ref().to_vec(), Signer::Rsa(pair)),
        };
        let verifying =
            VerifyingKey::public(alg, kid, typs, &public).map_err(|_| InvalidKey::Inconsistent)?;
        Ok(Self { verifying: Arc::new(verifying), signer })
    }

    pub fn verifying(&self) -> &Arc<VerifyingKey> {
        &self.verifying
    }

    /// The compact form of `payload`, signed.
    pub fn seal(&self, typ: Typ, payload: &[u8]) -> String {
        let header = self.verifying.header(typ);
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
        match &self.signer {
            Signer::Hmac(key) => {
                let tag = hmac::sign(key, message);
                URL_SAFE_NO_PAD.encode_append(tag, token);
            }
            Signer::Ec(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message).expect(KEY_WAS_CHECKED);
                URL_SAFE_NO_PAD.encode_append(signature, token);
            }
            Signer::Ed(pair) => {
                let signature = pair.sign(message);
                URL_SAFE_NO_PAD.encode_append(signature, token);
            }
            Signer::Rsa(pair) => {
                let encoding = if self.verifying.alg == Alg::Ps256 {
                    &RSA_PSS_SHA256 as &_
                } else {
                    &RSA_PKCS1_SHA256 as &_
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature).expect(KEY_WAS_CHECKED);
                URL_SAFE_NO_PAD.encode_append(signature, token);
            }
        }
    }
}

const KEY_WAS_CHECKED: &str = "a key that was checked when it was read signs";
