//! Keys as JSON Web Keys (RFC 7517, RFC 7518 section 6): read strictly, made, and shown without their private members.
//!
//! - `members`: a key as it stands in the file.
//! - `shape`: the members of its type, checked.
//! - `generate`: fresh keys. `thumbprint`: their names.

mod generate;
mod invalid_key;
mod members;
mod shape;
mod signs;
mod thumbprint;

use std::fmt;

use jsonwebtoken::jwk::{CommonParameters, Jwk, PublicKeyUse};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use token_gateway_core::token::{Alg, Secret};

pub use self::invalid_key::InvalidKey;
use self::members::CommonMembers;
pub(super) use self::members::Members;
pub(super) use self::shape::Material;
use self::shape::Shape;
pub use self::signs::Signs;

/// A private key, all members checked.
#[derive(Clone, Serialize)]
pub struct PrivateJwk {
    kty: &'static str,
    #[serde(serialize_with = "write_alg")]
    alg: Alg,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    public_key_use: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    /// Ours: the kind of tokens it signs.
    pub signs: Signs,
    /// Ours: the start of signing, in seconds since the epoch. Publication does not wait for it.
    pub signs_from: u64,
    #[serde(flatten)]
    shape: Shape,
    /// Members of other tools, kept as they are (RFC 7517 section 4).
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// A key as it is published. Its `alg` stands here, because the type of the library has no name for Ed25519 of RFC 9864.
#[derive(Serialize)]
pub(super) struct PublicJwk {
    alg: &'static str,
    #[serde(flatten)]
    jwk: Jwk,
}

/// The published keys: a JWK Set (RFC 7517 section 5).
#[derive(Serialize)]
pub(super) struct PublicSet {
    pub keys: Vec<PublicJwk>,
}

impl fmt::Debug for PrivateJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateJwk({} {:?} ***)", self.alg(), self.kid)
    }
}

impl TryFrom<Members> for PrivateJwk {
    type Error = InvalidKey;

    /// Checks all members, the `kid` included.
    fn try_from(Members { common, mut key }: Members) -> Result<Self, InvalidKey> {
        let alg = check_common(&common)?;
        let shape = Shape::take(alg, &mut key)?;
        shape.material()?;
        let thumbprint = shape.thumbprint();
        if common.kid.as_ref().is_some_and(|kid| *kid != thumbprint) {
            return Err(InvalidKey::Kid(thumbprint));
        }
        let CommonMembers { public_key_use, kid, signs, signs_from, mut other, .. } = common;
        other.extend(key.rest());
        Ok(Self { kty: kty(alg), alg, public_key_use, kid, signs, signs_from, shape, other })
    }
}

fn check_common(common: &CommonMembers) -> Result<Alg, InvalidKey> {
    if common.alg.is_empty() {
        return Err(InvalidKey::NoAlg);
    }
    let alg: Alg = common.alg.parse()?;
    if common.kty != kty(alg) {
        return Err(InvalidKey::Kty(kty(alg), alg.as_str()));
    }
    if common.signs == Signs::Refresh && alg != Alg::Hs256 {
        return Err(InvalidKey::RefreshAlg);
    }
    if common.public_key_use.as_deref().is_some_and(|it| it != "sig") {
        return Err(InvalidKey::Use);
    }
    Ok(alg)
}

impl PrivateJwk {
    /// A fresh key; RSA with 2048 bits.
    pub fn generate(alg: Alg, signs: Signs, signs_from: u64) -> Self {
        let shape = Shape::generate(alg);
        Self {
            kty: kty(alg),
            alg,
            public_key_use: Some("sig".to_owned()),
            kid: Some(shape.thumbprint()),
            signs,
            signs_from,
            shape,
            other: Map::new(),
        }
    }

    /// Its id: the RFC 7638 thumbprint.
    pub fn thumbprint(&self) -> String {
        self.shape.thumbprint()
    }

    pub fn alg(&self) -> &'static str {
        self.alg.as_str()
    }

    /// The key, ready to sign, and its algorithm.
    pub(super) fn material(&self) -> Result<(Alg, Material), InvalidKey> {
        Ok((self.alg, self.shape.material()?))
    }

    /// The secret of a symmetric key.
    pub(super) fn secret(&self) -> Option<Secret> {
        match &self.shape {
            Shape::Oct { k } => Some(Secret::from_bytes(k.expose().to_vec())),
            _ => None,
        }
    }

    /// The public members, for verifiers. `None` for a secret, because secrets are never published.
    pub(super) fn public(&self) -> Option<PublicJwk> {
        if matches!(self.shape, Shape::Oct { .. }) {
            return None;
        }
        let common = CommonParameters {
            public_key_use: Some(PublicKeyUse::Signature),
            key_id: Some(self.thumbprint()),
            ..Default::default()
        };
        Some(PublicJwk { alg: self.alg(), jwk: Jwk { common, algorithm: self.shape.parameters() } })
    }
}

/// The member `kty` of its keys.
fn kty(alg: Alg) -> &'static str {
    match alg {
        Alg::Hs256 => "oct",
        Alg::Es256 => "EC",
        Alg::EdDsa | Alg::Ed25519 => "OKP",
        Alg::Rs256 | Alg::Ps256 => "RSA",
    }
}

fn write_alg<S: Serializer>(alg: &Alg, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(alg.as_str())
}
