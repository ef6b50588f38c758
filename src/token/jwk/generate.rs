//! Fresh keys.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use pkcs8::PrivateKeyInfo;
use token_gateway_core::token::Alg;

use super::shape::{ED25519, P256, Private, Public, Shape};

const RANDOM_BYTES_EXPECTED: &str = "the operating system gives random bytes";

impl Shape {
    /// A fresh key; RSA with 2048 bits.
    pub fn generate(alg: Alg) -> Self {
        match alg {
            Alg::Hs256 => Self::Oct { k: Private::new(random_bytes().to_vec()) },
            Alg::Es256 => fresh_ec(),
            Alg::EdDsa | Alg::Ed25519 => fresh_okp(),
            Alg::Rs256 | Alg::Ps256 => fresh_rsa(),
        }
    }
}

fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).expect(RANDOM_BYTES_EXPECTED);
    bytes
}

fn fresh_ec() -> Shape {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect(RANDOM_BYTES_EXPECTED);
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let private: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().expect(RANDOM_BYTES_EXPECTED);
    let d = Private::new(private.as_ref().to_vec());
    Shape::Ec { crv: P256, x: Public::new(x), y: Public::new(y), d }
}

fn fresh_okp() -> Shape {
    let seed = random_bytes();
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 bytes are a seed");
    let x = Public::new(pair.public_key().as_ref());
    Shape::Okp { crv: ED25519, x, d: Private::new(seed.to_vec()) }
}

fn fresh_rsa() -> Shape {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect(RANDOM_BYTES_EXPECTED);
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("a fresh key can be written");
    let info = PrivateKeyInfo::try_from(der.as_ref()).expect("PKCS #8 as just written");
    let rsa = pkcs1::RsaPrivateKey::try_from(info.private_key).expect("PKCS #1 as just written");
    let public = |number: pkcs1::UintRef<'_>| Public::new(number.as_bytes());
    let private = |number: pkcs1::UintRef<'_>| Private::new(number.as_bytes().to_vec());
    Shape::Rsa {
        n: public(rsa.modulus),
        e: public(rsa.public_exponent),
        d: private(rsa.private_exponent),
        p: private(rsa.prime1),
        q: private(rsa.prime2),
        dp: private(rsa.exponent1),
        dq: private(rsa.exponent2),
        qi: private(rsa.coefficient),
    }
}
