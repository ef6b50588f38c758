//! Keys as JSON Web Keys (RFC 7517, RFC 7518 section 6): read strictly, made, and shown without their private members.

use std::fmt;

use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk;
use pkcs8::PrivateKeyInfo;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use token_gateway_core::token::{Alg, Secret, UnknownAlg};

/// The kind of tokens that a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signs {
    #[default]
    Access,
    /// Always HS256, and never published.
    Refresh,
}

impl Signs {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }
}

/// Why a key cannot be used: the member at fault and a right value, never the wrong one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    #[error(transparent)]
    Alg(#[from] UnknownAlg),
    #[error("'kty' must be {0}, because 'alg' is {1}")]
    Kty(&'static str, &'static str),
    #[error("'crv' must be {0}")]
    Crv(&'static str),
    #[error("'use' must be sig")]
    Use,
    #[error("'{0}' is missing or no base64url without padding; a private key is needed")]
    Member(&'static str),
    #[error("'{0}' must have {1} bytes")]
    Length(&'static str, usize),
    #[error(
        "RSA keys need at least 2048 and at most 8192 bits; make one with `token-gateway keys new --alg RS256`"
    )]
    RsaSize,
    #[error("'k' needs at least 32 bytes; make one with `token-gateway keys new --alg HS256`")]
    ShortSecret,
    #[error("its members do not belong together")]
    Inconsistent,
    #[error("'kid' must be its RFC 7638 thumbprint, '{0}'; leave it out to have it computed")]
    Kid(String),
    #[error("a key that signs refresh tokens must have the 'alg' HS256")]
    RefreshAlg,
}

/// A private member. It has no `Debug`.
#[derive(Clone)]
pub(super) struct Private(SecretString);

impl Private {
    fn encode(bytes: &[u8]) -> Option<Self> {
        Some(Self(URL_SAFE_NO_PAD.encode_to_string(bytes).into()))
    }
}

impl Serialize for Private {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl<'de> Deserialize<'de> for Private {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

/// A key as it stands in the key set file.
#[derive(Clone, Serialize, Deserialize)]
pub struct PrivateJwk {
    kty: String,
    alg: String,
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    public_key_use: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    /// Ours: the kind of tokens it signs.
    #[serde(default)]
    pub signs: Signs,
    /// Ours: the start of signing, in seconds since the epoch. Publication does not wait for it.
    #[serde(default)]
    pub signs_from: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d: Option<Private>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<Private>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    q: Option<Private>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dp: Option<Private>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dq: Option<Private>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    qi: Option<Private>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    k: Option<Private>,
    /// Members of other tools, kept as they are (RFC 7517 section 4).
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl fmt::Debug for PrivateJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateJwk({} {:?} ***)", self.alg, self.kid)
    }
}

/// The private part of a key, ready to sign.
pub(super) enum Material {
    Secret(Vec<u8>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl PrivateJwk {
    fn empty(alg: Alg, signs: Signs, signs_from: u64) -> Self {
        Self {
            kty: kty(alg).to_owned(),
            alg: alg.as_str().to_owned(),
            public_key_use: Some("sig".to_owned()),
            kid: None,
            signs,
            signs_from,
            crv: None,
            x: None,
            y: None,
            n: None,
            e: None,
            d: None,
            p: None,
            q: None,
            dp: None,
            dq: None,
            qi: None,
            k: None,
            other: Map::new(),
        }
    }

    /// A fresh key; RSA with 2048 bits.
    pub fn generate(alg: Alg, signs: Signs, signs_from: u64) -> Self {
        let mut jwk = Self::empty(alg, signs, signs_from);
        match alg {
            Alg::Hs256 => {
                let mut secret = [0; 32];
                rand::fill(&mut secret).expect(RANDOM);
                jwk.k = Private::encode(&secret);
            }
            Alg::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect(RANDOM);
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                let private: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().expect(RANDOM);
                jwk.crv = Some("P-256".to_owned());
                (jwk.x, jwk.y) = (public(x), public(y));
                jwk.d = Private::encode(private.as_ref());
            }
            Alg::EdDsa => {
                let mut seed = [0; 32];
                rand::fill(&mut seed).expect(RANDOM);
                let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 bytes are a seed");
                jwk.crv = Some("Ed25519".to_owned());
                jwk.x = public(pair.public_key().as_ref());
                jwk.d = Private::encode(&seed);
            }
            Alg::Rs256 | Alg::Ps256 => jwk.set_rsa(&RsaKeyPair::generate(KeySize::Rsa2048).expect(RANDOM)),
        }
        jwk.kid = Some(jwk.thumbprint());
        jwk
    }

    fn set_rsa(&mut self, pair: &RsaKeyPair) {
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("a fresh key can be written");
        let info = PrivateKeyInfo::try_from(der.as_ref()).expect("PKCS #8 as just written");
        let rsa = pkcs1::RsaPrivateKey::try_from(info.private_key).expect("PKCS #1 as just written");
        let bytes = |number: pkcs1::UintRef<'_>| number.as_bytes().to_vec();
        (self.n, self.e) = (public(&bytes(rsa.modulus)), public(&bytes(rsa.public_exponent)));
        self.d = Private::encode(&bytes(rsa.private_exponent));
        (self.p, self.q) = (Private::encode(&bytes(rsa.prime1)), Private::encode(&bytes(rsa.prime2)));
        (self.dp, self.dq) = (Private::encode(&bytes(rsa.exponent1)), Private::encode(&bytes(rsa.exponent2)));
        self.qi = Private::encode(&bytes(rsa.coefficient));
    }

    /// Checks all members, its own `kid` included.
    pub(super) fn open(&self) -> Result<(Alg, Material), InvalidKey> {
        let alg: Alg = self.alg.parse()?;
        if self.kty != kty(alg) {
            return Err(InvalidKey::Kty(kty(alg), alg.as_str()));
        }
        if self.signs == Signs::Refresh && alg != Alg::Hs256 {
            return Err(InvalidKey::RefreshAlg);
        }
        if self.public_key_use.as_deref().is_some_and(|it| it != "sig") {
            return Err(InvalidKey::Use);
        }
        let material = match alg {
            Alg::Hs256 => self.open_secret()?,
            Alg::Es256 => self.open_ec()?,
            Alg::EdDsa => self.open_ed()?,
            Alg::Rs256 | Alg::Ps256 => self.open_rsa()?,
        };
        let thumbprint = self.thumbprint();
        match &self.kid {
            Some(kid) if *kid != thumbprint => Err(InvalidKey::Kid(thumbprint)),
            _ => Ok((alg, material)),
        }
    }

    fn open_secret(&self) -> Result<Material, InvalidKey> {
        let secret = private("k", self.k.as_ref())?;
        if secret.len() < 32 { Err(InvalidKey::ShortSecret) } else { Ok(Material::Secret(secret)) }
    }

    fn open_ec(&self) -> Result<Material, InvalidKey> {
        self.check_curve("P-256")?;
        let (x, y) = (exactly(32, "x", decoded("x", self.x.as_deref()))?, decoded("y", self.y.as_deref()));
        let (y, d) = (exactly(32, "y", y)?, exactly(32, "d", private("d", self.d.as_ref()))?);
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &d, &point);
        pair.map(Material::Ec).map_err(|_| InvalidKey::Inconsistent)
    }

    fn open_ed(&self) -> Result<Material, InvalidKey> {
        self.check_curve("Ed25519")?;
        let x = exactly(32, "x", decoded("x", self.x.as_deref()))?;
        let d = exactly(32, "d", private("d", self.d.as_ref()))?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(&d, &x);
        pair.map(Material::Ed).map_err(|_| InvalidKey::Inconsistent)
    }

    fn open_rsa(&self) -> Result<Material, InvalidKey> {
        let n = decoded("n", self.n.as_deref())?;
        if !(256..=1024).contains(&n.len()) || n[0] == 0 || n.len() == 256 && n[0] < 0x80 {
            return Err(InvalidKey::RsaSize);
        }
        let components = aws_lc_rs::rsa::KeyPairComponents {
            public_key: aws_lc_rs::rsa::PublicKeyComponents { n, e: decoded("e", self.e.as_deref())? },
            d: private("d", self.d.as_ref())?,
            p: private("p", self.p.as_ref())?,
            q: private("q", self.q.as_ref())?,
            dP: private("dp", self.dp.as_ref())?,
            dQ: private("dq", self.dq.as_ref())?,
            qInv: private("qi", self.qi.as_ref())?,
        };
        let pair = RsaKeyPair::from_components(&components);
        pair.map(|pair| Material::Rsa(Box::new(pair))).map_err(|_| InvalidKey::Inconsistent)
    }

    fn check_curve(&self, curve: &'static str) -> Result<(), InvalidKey> {
        if self.crv.as_deref() == Some(curve) { Ok(()) } else { Err(InvalidKey::Crv(curve)) }
    }

    /// Its id: the RFC 7638 thumbprint.
    pub fn thumbprint(&self) -> String {
        let thumbprint = self.bare().thumbprint(jwk::ThumbprintHash::SHA256);
        thumbprint.expect("bare() makes only keys that have one")
    }

    pub fn alg(&self) -> &str {
        &self.alg
    }

    /// The secret of a symmetric key.
    pub(super) fn secret(&self) -> Option<Secret> {
        private("k", self.k.as_ref()).ok().map(Secret::from_bytes)
    }

    /// The public members, for verifiers. `None` for a secret, because secrets are never published.
    pub(super) fn public(&self) -> Option<jwk::Jwk> {
        let mut public = self.bare();
        if matches!(public.algorithm, jwk::AlgorithmParameters::OctetKey(_)) {
            return None;
        }
        public.common = jwk::CommonParameters {
            public_key_use: Some(jwk::PublicKeyUse::Signature),
            key_algorithm: self.alg.parse().ok(),
            key_id: Some(self.thumbprint()),
            ..Default::default()
        };
        Some(public)
    }

    /// The members that make up a thumbprint.
    fn bare(&self) -> jwk::Jwk {
        let text = |member: &Option<String>| member.clone().unwrap_or_default();
        let algorithm = match self.kty.as_str() {
            "EC" => jwk::AlgorithmParameters::EllipticCurve(jwk::EllipticCurveKeyParameters {
                key_type: jwk::EllipticCurveKeyType::EC,
                curve: jwk::EllipticCurve::P256,
                x: text(&self.x),
                y: text(&self.y),
            }),
            "OKP" => jwk::AlgorithmParameters::OctetKeyPair(jwk::OctetKeyPairParameters {
                key_type: jwk::OctetKeyPairType::OctetKeyPair,
                curve: jwk::EllipticCurve::Ed25519,
                x: text(&self.x),
            }),
            "RSA" => jwk::AlgorithmParameters::RSA(jwk::RSAKeyParameters {
                key_type: jwk::RSAKeyType::RSA,
                n: text(&self.n),
                e: text(&self.e),
            }),
            _ => jwk::AlgorithmParameters::OctetKey(jwk::OctetKeyParameters {
                key_type: jwk::OctetKeyType::Octet,
                value: self.k.as_ref().map(|k| k.0.expose_secret().to_owned()).unwrap_or_default(),
            }),
        };
        jwk::Jwk { common: jwk::CommonParameters::default(), algorithm }
    }
}

/// The member `kty` of its keys.
fn kty(alg: Alg) -> &'static str {
    match alg {
        Alg::Hs256 => "oct",
        Alg::Es256 => "EC",
        Alg::EdDsa => "OKP",
        Alg::Rs256 | Alg::Ps256 => "RSA",
    }
}

const RANDOM: &str = "the operating system gives random bytes";

fn public(bytes: &[u8]) -> Option<String> {
    Some(URL_SAFE_NO_PAD.encode_to_string(bytes))
}

fn decoded(name: &'static str, member: Option<&str>) -> Result<Vec<u8>, InvalidKey> {
    let bytes = member.and_then(|text| URL_SAFE_NO_PAD.decode_to_vec(text).ok());
    bytes.filter(|bytes| !bytes.is_empty()).ok_or(InvalidKey::Member(name))
}

fn private(name: &'static str, member: Option<&Private>) -> Result<Vec<u8>, InvalidKey> {
    decoded(name, member.map(|private| private.0.expose_secret()))
}

fn exactly(
    length: usize,
    name: &'static str,
    bytes: Result<Vec<u8>, InvalidKey>,
) -> Result<Vec<u8>, InvalidKey> {
    bytes.and_then(
        |bytes| if bytes.len() == length { Ok(bytes) } else { Err(InvalidKey::Length(name, length)) },
    )
}
