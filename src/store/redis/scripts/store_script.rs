//! A Lua script of the gateway.

use token_gateway_redis_link as redis_link;

/// A script, and the words of its header.
pub struct StoreScript {
    pub name: &'static str,
    /// The words it may return, in the order of its header.
    pub words: &'static [&'static str],
    pub lua: redis_link::Script,
}

impl StoreScript {
    pub const fn new(name: &'static str, words: &'static [&'static str], source: &'static str) -> Self {
        Self { name, words, lua: redis_link::Script::new(source) }
    }
}
