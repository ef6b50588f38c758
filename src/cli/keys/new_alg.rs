//! A key with an algorithm that is new in the published set. RFC 7517 section 5 lets verifiers ignore such a key, and some
//! refuse the whole set instead. docs/reference/algorithms.md names them.

use token_gateway_core::token::Alg;

use crate::token::jwk::Signs;
use crate::token::key_set::KeySet;

/// Whether verifiers find this algorithm in the set for the first time, beside keys that they know.
pub fn is_new(set: &KeySet, signs: Signs, alg: Alg) -> bool {
    let access = set.keys.iter().filter(|jwk| jwk.signs == Signs::Access).map(|jwk| jwk.alg());
    let published: Vec<_> = access.filter(|other| *other != Alg::Hs256.as_str()).collect();
    let is_published = signs == Signs::Access && alg != Alg::Hs256;
    is_published && !published.is_empty() && !published.contains(&alg.as_str())
}

/// Nodes built before 0.1.0 refuse the file, not only the key.
const OLDER_NODES: &str = "Gateway nodes built before 0.1.0 refuse the whole key set file for a key with Ed25519: upgrade every node first.";

/// Whether gateways find Ed25519 in the file for the first time.
pub fn is_first_ed25519(set: &KeySet, alg: Alg) -> bool {
    alg == Alg::Ed25519 && !set.keys.iter().any(|jwk| jwk.alg() == alg.as_str())
}

/// The warning of a key in the file of gateways that may be older, a line.
pub fn warning_of_nodes() -> String {
    format!("warning: {OLDER_NODES} docs/reference/algorithms.md says more\n")
}

/// The warning for people, a line.
pub fn warning(alg: Alg, kid: &str, from: &str) -> String {
    let other_name = if alg == Alg::Ed25519 {
        format!(
            " Others know the same signature as EdDSA alone (RFC 8037), fast-jwt and PyJWT among them. {OLDER_NODES}"
        )
    } else {
        String::new()
    };
    format!(
        "warning: {alg} is new in the published set. Some verifiers refuse a whole JWK Set for one unknown algorithm, and with \
         it every token: PyJWT before 2.5, jsonwebtoken for Rust to 9.3.1, php-jwt.{other_name} Try your verifiers now, before \
         the key signs at {from}; `token-gateway keys retire {kid}` takes the key back until then. docs/reference/algorithms.md says more\n",
        alg = alg.as_str()
    )
}
