//! A server whose memory is used up.

use super::Redis;

/// The memory that is free before the filler comes, in bytes. The filler takes it twice, so that what sessions free
/// meanwhile does not end the want of memory.
const FREE: u64 = 1024 * 1024;

const FILL: &str = "return redis.call('SET', KEYS[1], string.rep('x', ARGV[1]))";

impl Redis {
    /// Uses up the memory with one large value under `key`. The server refuses then whatever needs more.
    pub fn fill(&self, key: &str) {
        self.limit_memory(self.used_memory() + FREE);
        self.ask::<String>(&["EVAL", FILL, "1", key, &(2 * FREE).to_string()]);
    }

    /// Uses nine tenths of the memory, with megabytes to spare. Returns the limit.
    pub fn fill_nearly(&self, key: &str) -> u64 {
        self.ask::<String>(&["EVAL", FILL, "1", key, &(32 * FREE).to_string()]);
        let limit = self.used_memory() * 10 / 9;
        self.limit_memory(limit);
        limit
    }

    /// Takes the filler away.
    pub fn make_room(&self, key: &str) {
        self.ask::<u64>(&["DEL", key]);
    }

    pub fn limit_memory(&self, bytes: u64) {
        self.ask::<String>(&["CONFIG", "SET", "maxmemory", &bytes.to_string()]);
    }

    pub fn used_memory(&self) -> u64 {
        self.info("used_memory").expect("it answers").trim().parse().expect("a number")
    }
}
