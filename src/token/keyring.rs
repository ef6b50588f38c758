//! The keys of a node at work: the signing keys, the keys for checking, and the published ones.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use token_gateway_core::token::{
    Alg, Parts, Secret, TokenRefusal, Typ, VerifyingKey, find_access_key, open_refresh_token,
};

use super::jwk::{PublicSet, Signs};
use super::key_set::{InvalidKeySet, KeySet};
use super::signing_key::SigningKey;

/// Secrets from settings, beside a key set file or without one.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// `SIGNING_SECRET`: signs access tokens until a key of the set does.
    pub signing: Option<Secret>,
    /// `REFRESH_SECRET`: signs refresh tokens until a key of the set does.
    pub refresh: Option<Secret>,
    /// `REFRESH_SECRET_PREVIOUS`: accepted, but never signs.
    pub refresh_previous: Option<Secret>,
}

/// A key, and the start of its signing.
struct Scheduled {
    key: SigningKey,
    signs_from: u64,
}

/// The `signs_from` of a key for checks only.
const NEVER_SIGNS: u64 = u64::MAX;

pub struct Keyring {
    /// Sorted by `signs_from`, the latest first; so is `refresh`.
    access: Vec<Scheduled>,
    refresh: Vec<Scheduled>,
    jwks: String,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} for access, {} for refresh tokens)", self.access.len(), self.refresh.len())
    }
}

/// Why settings and key set do not make a keyring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyring {
    #[error("SIGNING_KEYS: {0}")]
    Set(#[from] InvalidKeySet),
    #[error("SIGNING_SECRET: is missing; set it or SIGNING_KEYS, a file that `token-gateway keys new` makes")]
    NoAccessKey,
    #[error("REFRESH_SECRET: is missing; `token-gateway init` writes a complete .env")]
    NoRefreshKey,
    #[error("SIGNING_SECRET and REFRESH_SECRET: are missing; `token-gateway init` writes a complete .env")]
    NoKey,
    #[error(
        "{0}: must differ from SIGNING_SECRET and the other keys of SIGNING_KEYS, which verifiers may hold"
    )]
    Shared(&'static str),
}

impl InvalidKeyring {
    /// Whether a key for access tokens is missing, and one for refresh tokens.
    pub fn missing(&self) -> (bool, bool) {
        (matches!(self, Self::NoAccessKey | Self::NoKey), matches!(self, Self::NoRefreshKey | Self::NoKey))
    }
}

impl Keyring {
    pub fn new(secrets: &Secrets, set: &KeySet) -> Result<Self, InvalidKeyring> {
        check_apart(secrets, set)?;
        let mut access = scheduled(set, Signs::Access)?;
        access.extend(from_secret(secrets.signing.as_ref(), &Typ::ACCESS, 0));
        let mut refresh = scheduled(set, Signs::Refresh)?;
        refresh.extend(from_secret(secrets.refresh.as_ref(), &Typ::REFRESH, 0));
        match (access.is_empty(), refresh.is_empty()) {
            (true, true) => return Err(InvalidKeyring::NoKey),
            (true, false) => return Err(InvalidKeyring::NoAccessKey),
            (false, true) => return Err(InvalidKeyring::NoRefreshKey),
            (false, false) => {}
        }
        refresh.extend(from_secret(secrets.refresh_previous.as_ref(), &Typ::REFRESH, NEVER_SIGNS));
        for keys in [&mut access, &mut refresh] {
            keys.sort_by_key(|it| std::cmp::Reverse(it.signs_from));
        }
        let public = set.keys.iter().filter(|jwk| jwk.signs == Signs::Access);
        let public = PublicSet { keys: public.filter_map(|jwk| jwk.public()).collect() };
        let jwks = serde_json::to_string(&public).expect("maps with string keys serialize");
        Ok(Self { access, refresh, jwks })
    }

    /// The published keys, for verifiers: a JWK Set.
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// The number of published keys.
    pub fn published(&self) -> usize {
        self.access.iter().filter(|it| it.key.verifying().alg != Alg::Hs256).count()
    }

    /// The algorithms of the published keys: verifiers check them without a secret.
    pub fn public_algs(&self) -> Vec<&'static str> {
        let keys = self.access.iter().map(|it| it.key.verifying().alg).filter(|alg| *alg != Alg::Hs256);
        let algs: BTreeSet<_> = keys.map(Alg::as_str).collect();
        algs.into_iter().collect()
    }

    /// The `kid` of the signing key of access tokens at `now`, in seconds since the epoch; `None` for a secret.
    pub fn active_kid(&self, now: u64) -> Option<&str> {
        signer(&self.access, now).verifying().kid.as_deref()
    }

    pub(super) fn access_signer(&self, now: u64) -> &SigningKey {
        signer(&self.access, now)
    }

    pub(super) fn refresh_signer(&self, now: u64) -> &SigningKey {
        signer(&self.refresh, now)
    }

    /// The key of an access token, and its `typ`.
    pub(crate) fn find_access_key(
        &self,
        parts: &Parts<'_>,
    ) -> Result<(&Arc<VerifyingKey>, Typ), TokenRefusal> {
        find_access_key(self.access.iter().map(|it| it.key.verifying()), parts)
    }

    /// The payload of an access token, and its `typ`.
    pub(super) fn access_payload(&self, token: &str) -> Result<(Vec<u8>, Typ), TokenRefusal> {
        let parts = Parts::split(token)?;
        let (key, typ) = self.find_access_key(&parts)?;
        Ok((key.open(&parts)?, typ))
    }

    /// The payload of a refresh token, under any of the keys.
    pub(super) fn refresh_payload(&self, token: &str) -> Result<Vec<u8>, TokenRefusal> {
        let parts = Parts::split(token)?;
        open_refresh_token(self.refresh.iter().map(|it| it.key.verifying()), &parts)
    }
}

/// The newest key due at `now`; if none is due, the first to become due.
fn signer(keys: &[Scheduled], now: u64) -> &SigningKey {
    let due = keys.iter().find(|it| it.signs_from <= now);
    let first = || keys.last().expect("a keyring without a key is not made");
    &due.unwrap_or_else(first).key
}

fn scheduled(set: &KeySet, signs: Signs) -> Result<Vec<Scheduled>, InvalidKeySet> {
    let mut keys = Vec::new();
    for (n, jwk) in set.keys.iter().enumerate().filter(|(_, jwk)| jwk.signs == signs) {
        let key = SigningKey::from_jwk(jwk).map_err(|error| InvalidKeySet::Key(n, error))?;
        keys.push(Scheduled { key, signs_from: jwk.signs_from });
    }
    Ok(keys)
}

fn from_secret(secret: Option<&Secret>, typs: &[Typ], signs_from: u64) -> Option<Scheduled> {
    secret.map(|secret| Scheduled { key: SigningKey::hs256(secret, typs), signs_from })
}

/// A verifier of access tokens must not be able to sign refresh tokens.
fn check_apart(secrets: &Secrets, set: &KeySet) -> Result<(), InvalidKeyring> {
    let of = |signs| set.keys.iter().filter(move |jwk| jwk.signs == signs).filter_map(|jwk| jwk.secret());
    let access: Vec<Secret> = of(Signs::Access).chain(secrets.signing.clone()).collect();
    let named = [
        ("REFRESH_SECRET", secrets.refresh.clone()),
        ("REFRESH_SECRET_PREVIOUS", secrets.refresh_previous.clone()),
    ];
    let named = named.into_iter().filter_map(|(name, secret)| Some((name, secret?)));
    let refresh = named
        .chain(of(Signs::Refresh).map(|secret| ("SIGNING_KEYS: a key that signs refresh tokens", secret)));
    for (name, secret) in refresh {
        if access.contains(&secret) {
            return Err(InvalidKeyring::Shared(name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::jwk::PrivateJwk;
    use super::*;

    #[test]
    fn an_algorithm_is_named_once_however_often_keys_of_it_return() {
        let mut set = KeySet::default();
        for (alg, from) in
            [(Alg::Es256, 1), (Alg::EdDsa, 2), (Alg::Es256, 3), (Alg::Hs256, 4), (Alg::Ed25519, 5)]
        {
            set.keys.push(PrivateJwk::generate(alg, Signs::Access, from));
        }
        let refresh = Secret::parse("refresh-secret-of-the-tests-0123456789").ok();
        let keyring = Keyring::new(&Secrets { refresh, ..Secrets::default() }, &set).unwrap();
        assert_eq!(keyring.public_algs(), ["ES256", "Ed25519", "EdDSA"]);
    }
}
