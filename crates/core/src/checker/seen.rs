//! Tokens found valid before: their signature is not checked twice.

use quick_cache::sync::Cache;

use super::Access;
use crate::token::verifying::Digest;

/// A bounded number of tokens, each under the id of its key and a digest, never the token itself. The id is there
/// because another key may judge the same token differently.
pub(super) struct Seen(Cache<(u64, Digest), Access>);

impl Seen {
    pub fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }

    pub fn get(&self, known: &(u64, Digest)) -> Option<Access> {
        self.0.get(known)
    }

    pub fn insert(&self, known: (u64, Digest), access: Access) {
        self.0.insert(known, access);
    }

    pub fn forget(&self, known: &(u64, Digest)) {
        self.0.remove(known);
    }

    pub fn retain(&self, is_good: impl Fn(&Access) -> bool) {
        self.0.retain(|_, access| is_good(access));
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
