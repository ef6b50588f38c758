//! All rights that a node needs, in one table.

use crate::store::redis::layout::KeyKind;

/// A command of scripts or connections.
pub struct Right {
    /// The command, and its subcommand where it has one.
    pub command: &'static str,
    pub need: Need,
    /// The kinds of keys that it is sent with.
    pub keys: &'static [KeyKind],
    /// Its words, with `KEY` in the place of the key.
    pub words: &'static [&'static str],
    /// The loss without it.
    pub lost: &'static str,
}

/// Where the gateway needs a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Always,
    /// With `REDIS_WAIT_REPLICAS`.
    Replicas,
    Cluster,
    /// With a database other than 0.
    Database,
}

/// The place of the key among the words.
pub const KEY: &str = "KEY";

const ALL_KEYS: &[KeyKind] = &[KeyKind::Session, KeyKind::Sessions, KeyKind::Feed, KeyKind::Layout];
const SESSION: &[KeyKind] = &[KeyKind::Session];
const SESSIONS: &[KeyKind] = &[KeyKind::Sessions];
const OF_SUBJECT: &[KeyKind] = &[KeyKind::Session, KeyKind::Sessions];
const FEED: &[KeyKind] = &[KeyKind::Feed];
const LAYOUT: &[KeyKind] = &[KeyKind::Layout];

const ALL_LOST: &str = "every call of a node is 503";
const CONNECTS_LOST: &str = "no node can connect, and then every call is 503";
const CHANGES_LOST: &str = "every login, refresh and logout is 503";
const READS_LOST: &str =
    "each list of sessions, each introspection, and each read or change of claims of a session is 503";
const OF_SUBJECTS_LOST: &str =
    "every login, and each list, logout and change of claims of all sessions of a user is 503";
const SLOTS_LOST: &str = "once no primary tells of the slots, every call of a node is 503";
const ENDS_LOST: &str = "every logout is 503";
const LOGINS_LOST: &str = "every login is 503";
const MANY_LOST: &str = "every login of a user with more than 64 sessions is 503";
const SETS_LOST: &str = "every login and each logout of one session is 503";
const FEED_LOST: &str = "no node reads the feed, and /verify is 503";

const fn right(
    command: &'static str,
    keys: &'static [KeyKind],
    words: &'static [&'static str],
    lost: &'static str,
) -> Right {
    Right { command, need: Need::Always, keys, words, lost }
}

const fn needed(need: Need, right: Right) -> Right {
    Right { need, ..right }
}

/// Every command of the gateway. Tests compare it with the scripts, with `ops/redis/users.acl` and with `docs/operate/redis-users.md`.
pub const RIGHTS: [Right; 24] = [
    right("EVAL", ALL_KEYS, &["EVAL", "", "1", KEY], CONNECTS_LOST),
    right("EVALSHA", ALL_KEYS, &["EVALSHA", "", "1", KEY], ALL_LOST),
    right("TIME", &[], &["TIME"], ALL_LOST),
    right("INFO", &[], &["INFO"], FEED_LOST),
    right("GET", LAYOUT, &["GET", KEY], CONNECTS_LOST),
    right("SET", LAYOUT, &["SET", KEY, "1"], "no node can begin on an empty Redis"),
    right("HMGET", SESSION, &["HMGET", KEY, "state"], "every call on sessions is 503"),
    right("HGET", SESSION, &["HGET", KEY, "state"], ENDS_LOST),
    right(
        "HSET",
        SESSION,
        &["HSET", KEY, "state", "live"],
        "every login, refresh, logout and change of claims is 503",
    ),
    right("HDEL", SESSION, &["HDEL", KEY, "scope"], ENDS_LOST),
    right("PEXPIRE", OF_SUBJECT, &["PEXPIRE", KEY, "1"], CHANGES_LOST),
    right("PEXPIRETIME", SESSION, &["PEXPIRETIME", KEY], READS_LOST),
    right("SADD", SESSIONS, &["SADD", KEY, "1"], SETS_LOST),
    right("SCARD", SESSIONS, &["SCARD", KEY], LOGINS_LOST),
    right("SRANDMEMBER", SESSIONS, &["SRANDMEMBER", KEY, "1"], MANY_LOST),
    right("SREM", SESSIONS, &["SREM", KEY, "1"], ENDS_LOST),
    right("SMEMBERS", SESSIONS, &["SMEMBERS", KEY], OF_SUBJECTS_LOST),
    right("XADD", FEED, &["XADD", KEY, "*", "sid", "1"], ENDS_LOST),
    right("XRANGE", FEED, &["XRANGE", KEY, "-", "+"], FEED_LOST),
    right("XREAD", FEED, &["XREAD", "STREAMS", KEY, "0"], FEED_LOST),
    needed(Need::Replicas, right("WAIT", &[], &["WAIT", "1", "1"], ENDS_LOST)),
    needed(Need::Cluster, right("ASKING", &[], &["ASKING"], "users of a slot on the move get 503")),
    needed(Need::Cluster, right("CLUSTER|NODES", &[], &["CLUSTER", "NODES"], SLOTS_LOST)),
    needed(Need::Database, right("SELECT", &[], &["SELECT", "1"], ALL_LOST)),
];
