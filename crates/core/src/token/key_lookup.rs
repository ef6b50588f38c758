//! The key of a token, by its header.

use std::sync::Arc;

use super::header::{Alg, Typ};
use super::jws::Parts;
use super::refusal::TokenRefusal;
use super::verifying_key::VerifyingKey;

/// The key of an access token, and its `typ`: that of its `kid`, or, for a token without one, the secret; the algorithm
/// is the key's, not the token's. Nothing is checked yet.
///
/// # Errors
///
/// [`TokenRefusal::UnknownKey`] for a `kid` of no key; [`TokenRefusal::WrongKind`] for another `alg` or `typ` than the
/// key's.
pub fn find_access_key<'a>(
    keys: impl Iterator<Item = &'a Arc<VerifyingKey>> + Clone,
    parts: &Parts<'_>,
) -> Result<(&'a Arc<VerifyingKey>, Typ), TokenRefusal> {
    if let Some(found) = keys.clone().find_map(|key| Some((key, key.wrote(parts.header)?))) {
        return Ok(found);
    }
    let header = parts.header()?;
    // Without any `kid` the secret is the only key. Other services may sign with it, too, under a `kid` of their
    // choice.
    let nameless = keys.clone().all(|key| key.kid.is_none());
    let kid = header.kid.as_ref().filter(|_| !nameless);
    let key = keys.clone().find(|key| key.kid.as_ref() == kid).ok_or(TokenRefusal::UnknownKey)?;
    if header.alg != key.alg.as_str() {
        return Err(TokenRefusal::WrongKind);
    }
    let typ = key.typ(&header.typ).ok_or(TokenRefusal::WrongKind)?;
    Ok((key, typ))
}

/// The payload of a refresh token. It names no key, so each is tried.
///
/// # Errors
///
/// [`TokenRefusal::WrongKind`] for a header of another kind; [`TokenRefusal::Signature`] where no key matches.
pub fn open_refresh<'a>(
    keys: impl Iterator<Item = &'a Arc<VerifyingKey>> + Clone,
    parts: &Parts<'_>,
) -> Result<Vec<u8>, TokenRefusal> {
    let is_ours = keys.clone().next().is_some_and(|newest| newest.wrote(parts.header).is_some());
    if !is_ours {
        let header = parts.header()?;
        if header.alg != Alg::Hs256.as_str() || header.typ != Typ::RtJwt.as_str() {
            return Err(TokenRefusal::WrongKind);
        }
    }
    let opened = keys.map(|key| key.open(parts));
    let mut decided = opened.filter(|opened| !matches!(opened, Err(TokenRefusal::Signature)));
    decided.next().unwrap_or(Err(TokenRefusal::Signature))
}
