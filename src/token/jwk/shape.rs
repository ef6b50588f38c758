//! The four shapes of a private key, one for each `kty`. A shape holds its own members, decoded.

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use base64_simd::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Serialize, Serializer};
use token_gateway_core::token::Alg;

use super::InvalidKey;
use super::members::KeyMembers;

/// A public member.
#[derive(Clone)]
pub(super) struct Public(Vec<u8>);

impl Public {
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    pub fn encoded(&self) -> String {
        URL_SAFE_NO_PAD.encode_to_string(&self.0)
    }
}

impl Serialize for Public {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.encoded())
    }
}

/// A private member. It has no `Debug`, and its memory is wiped on drop.
#[derive(Clone)]
pub(super) struct Private(SecretSlice<u8>);

impl Private {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }

    pub fn encoded(&self) -> String {
        URL_SAFE_NO_PAD.encode_to_string(self.expose())
    }
}

impl Serialize for Private {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.encoded())
    }
}

/// The members that describe a key (RFC 7518 section 6, RFC 8037 section 2).
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Shape {
    Oct { k: Private },
    Ec { crv: &'static str, x: Public, y: Public, d: Private },
    Okp { crv: &'static str, x: Public, d: Private },
    Rsa { n: Public, e: Public, d: Private, p: Private, q: Private, dp: Private, dq: Private, qi: Private },
}

pub(super) const P256: &str = "P-256";
pub(super) const ED25519: &str = "Ed25519";

/// The private part of a key, ready to sign.
pub(in crate::token) enum Material {
    Secret(Vec<u8>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl Shape {
    /// Takes the members of a shape out, each in its right form. [`material`](Self::material) checks whether they
    /// belong together.
    pub fn take(alg: Alg, members: &mut KeyMembers) -> Result<Self, InvalidKey> {
        match alg {
            Alg::Hs256 => Self::take_oct(members),
            Alg::Es256 => Self::take_ec(members),
            Alg::EdDsa | Alg::Ed25519 => Self::take_okp(members),
            Alg::Rs256 | Alg::Ps256 => Self::take_rsa(members),
        }
    }

    fn take_oct(members: &mut KeyMembers) -> Result<Self, InvalidKey> {
        let k = members.take("k")?;
        if k.len() < 32 { Err(InvalidKey::ShortSecret) } else { Ok(Self::Oct { k: Private::new(k) }) }
    }

    fn take_ec(members: &mut KeyMembers) -> Result<Self, InvalidKey> {
        let crv = take_curve(P256, members)?;
        let [x, y] = ["x", "y"].map(|name| members.take_sized(name, 32));
        let (x, y) = (Public(x?), Public(y?));
        Ok(Self::Ec { crv, x, y, d: Private::new(members.take_sized("d", 32)?) })
    }

    fn take_okp(members: &mut KeyMembers) -> Result<Self, InvalidKey> {
        let crv = take_curve(ED25519, members)?;
        let x = Public(members.take_sized("x", 32)?);
        Ok(Self::Okp { crv, x, d: Private::new(members.take_sized("d", 32)?) })
    }

    fn take_rsa(members: &mut KeyMembers) -> Result<Self, InvalidKey> {
        let n = members.take("n")?;
        if !(256..=1024).contains(&n.len()) || n[0] == 0 || n.len() == 256 && n[0] < 0x80 {
            return Err(InvalidKey::RsaSize);
        }
        let e = Public(members.take("e")?);
        let mut private = |name| members.take(name).map(Private::new);
        Ok(Self::Rsa {
            n: Public(n),
            e,
            d: private("d")?,
            p: private("p")?,
            q: private("q")?,
            dp: private("dp")?,
            dq: private("dq")?,
            qi: private("qi")?,
        })
    }

    /// The key, ready to sign. Fails where the members do not belong together.
    pub fn material(&self) -> Result<Material, InvalidKey> {
        let material = match self {
            Self::Oct { k } => Ok(Material::Secret(k.expose().to_vec())),
            Self::Ec { x, y, d, .. } => ec_pair(x, y, d).map(Material::Ec),
            Self::Okp { x, d, .. } => {
                Ed25519KeyPair::from_seed_and_public_key(d.expose(), &x.0).map(Material::Ed)
            }
            Self::Rsa { n, e, d, p, q, dp, dq, qi } => {
                let public_key = PublicKeyComponents { n: n.0.as_slice(), e: e.0.as_slice() };
                let [d, p, q, dp, dq, qi] = [d, p, q, dp, dq, qi].map(Private::expose);
                let components = KeyPairComponents { public_key, d, p, q, dP: dp, dQ: dq, qInv: qi };
                RsaKeyPair::from_components(&components).map(|pair| Material::Rsa(Box::new(pair)))
            }
        };
        material.map_err(|_| InvalidKey::Inconsistent)
    }
}

fn take_curve(curve: &'static str, members: &mut KeyMembers) -> Result<&'static str, InvalidKey> {
    if members.take_text("crv").as_deref() == Some(curve) { Ok(curve) } else { Err(InvalidKey::Crv(curve)) }
}

fn ec_pair(x: &Public, y: &Public, d: &Private) -> Result<EcdsaKeyPair, KeyRejected> {
    let point = [&[4], x.0.as_slice(), y.0.as_slice()].concat();
    EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, d.expose(), &point)
}
