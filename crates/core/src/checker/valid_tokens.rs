//! Tokens found valid before: their signature is not checked twice.

use quick_cache::sync::Cache;

use super::Access;
use crate::token::{Fingerprint, Parts, VerifyingKey};

/// The most tokens that are kept.
const VALID_TOKENS_CAPACITY: usize = 10_000;

/// A bounded number of valid tokens, never the token itself.
pub(super) struct ValidTokens(Cache<ValidToken, Access>);

/// A token under a key. Another key may judge the same token differently.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ValidToken {
    key: u64,
    token: Fingerprint,
}

impl ValidToken {
    pub fn new(key: &VerifyingKey, parts: &Parts<'_>) -> Self {
        Self { key: key.id, token: parts.fingerprint() }
    }
}

impl ValidTokens {
    pub fn new() -> Self {
        Self(Cache::new(VALID_TOKENS_CAPACITY))
    }

    pub fn get(&self, entry: &ValidToken) -> Option<Access> {
        self.0.get(entry)
    }

    pub fn insert(&self, entry: ValidToken, access: Access) {
        self.0.insert(entry, access);
    }

    pub fn forget(&self, entry: &ValidToken) {
        self.0.remove(entry);
    }

    pub fn retain(&self, is_good: impl Fn(&Access) -> bool) {
        self.0.retain(|_, access| is_good(access));
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
