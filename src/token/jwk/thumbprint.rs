//! The thumbprint of a key (RFC 7638), which is its `kid`.

use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, EllipticCurveKeyType,
    Jwk, OctetKeyPairParameters, OctetKeyPairType, OctetKeyParameters, OctetKeyType, RSAKeyParameters,
    RSAKeyType, ThumbprintHash,
};

use super::shape::Shape;

impl Shape {
    pub fn thumbprint(&self) -> String {
        let bare = Jwk { common: CommonParameters::default(), algorithm: self.parameters() };
        bare.thumbprint(ThumbprintHash::SHA256).expect("keys of all four shapes have one")
    }

    /// The members that make up a thumbprint. They are the public ones, except those of a secret.
    pub fn parameters(&self) -> AlgorithmParameters {
        match self {
            Self::Oct { k } => AlgorithmParameters::OctetKey(OctetKeyParameters {
                key_type: OctetKeyType::Octet,
                value: k.encoded(),
            }),
            Self::Ec { x, y, .. } => AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                key_type: EllipticCurveKeyType::EC,
                curve: EllipticCurve::P256,
                x: x.encoded(),
                y: y.encoded(),
            }),
            Self::Okp { x, .. } => AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x: x.encoded(),
            }),
            Self::Rsa { n, e, .. } => AlgorithmParameters::RSA(RSAKeyParameters {
                key_type: RSAKeyType::RSA,
                n: n.encoded(),
                e: e.encoded(),
            }),
        }
    }
}
