//! The attacks of docs/operate/limits.md, each with its clients at full length.

use std::time::Duration;

use token_gateway_testkit::gateway::Descriptors;
use token_gateway_testkit::hostile::Kind;

pub struct Attack {
    /// Clients of each kind; a tenth of them without `--full`.
    pub kinds: &'static [(Kind, usize)],
    pub nodes: usize,
    pub descriptors: Descriptors,
    pub is_behind_nginx: bool,
    /// Accounts of the attackers, and the sessions of each.
    pub accounts: (u64, u64),
    /// Sessions of the subject of the login hammer.
    pub sessions: u64,
    /// Ends that the feed holds.
    pub ends: u64,
    /// The limit of Redis's memory, MiB; none where it is 0.
    pub maxmemory: u64,
    /// The length of the attack with `--full`, and of the rest after it.
    pub length: Duration,
    /// Clients that hold connections, and take no answers: each costs little memory, and close to no processor time.
    pub is_cheap: bool,
}

const ATTACK: Attack = Attack {
    kinds: &[],
    nodes: 1,
    descriptors: Descriptors::AtMost(4096),
    is_behind_nginx: false,
    accounts: (0, 0),
    sessions: 0,
    ends: 0,
    maxmemory: 0,
    length: Duration::from_secs(10),
    is_cheap: false,
};

/// Longer than a node lets a client go on without progress.
const LONG: Duration = Duration::from_secs(20);

pub const PIPELINERS: Attack =
    Attack { kinds: &[(Kind::Pipeliner, 50)], length: LONG, is_cheap: true, ..ATTACK };

pub const UNREAD_ANSWERS: Attack =
    Attack { kinds: &[(Kind::NeverReads, 200)], length: LONG, is_cheap: true, ..ATTACK };

/// More than the node is given file descriptors at first, as by a shell or a service manager.
pub const SLOW_HEADS: Attack = Attack {
    kinds: &[(Kind::SlowHead, 1500)],
    descriptors: Descriptors::AtFirst(1024),
    length: LONG,
    is_cheap: true,
    ..ATTACK
};

pub const UNFINISHED_BODIES: Attack = Attack { kinds: &[(Kind::UnfinishedBody, 1500)], ..SLOW_HEADS };

pub const SUBSCRIBERS: Attack =
    Attack { kinds: &[(Kind::DeafSubscriber, 50)], ends: 100_000, length: LONG, is_cheap: true, ..ATTACK };

pub const LISTS: Attack =
    Attack { kinds: &[(Kind::ListHammer, 256)], nodes: 2, accounts: (64, 100), ..ATTACK };

pub const READINESS: Attack = Attack { kinds: &[(Kind::ReadinessHammer, 256)], ..ATTACK };

pub const LOGINS: Attack = Attack { kinds: &[(Kind::LoginHammer, 64)], sessions: 1000, ..ATTACK };

pub const FULL_REDIS: Attack = Attack { kinds: &[(Kind::Filler, 64)], maxmemory: 48, ..ATTACK };

pub const FILES: Attack = Attack { kinds: &[(Kind::FileFlood, 256)], ..ATTACK };

/// 3,000 connections.
pub const MIXED: Attack = Attack {
    kinds: &[
        (Kind::Pipeliner, 300),
        (Kind::NeverReads, 300),
        (Kind::SlowHead, 300),
        (Kind::UnfinishedBody, 300),
        (Kind::DeafSubscriber, 300),
        (Kind::ListHammer, 300),
        (Kind::ReadinessHammer, 300),
        (Kind::LoginHammer, 300),
        (Kind::Filler, 300),
        (Kind::FileFlood, 300),
    ],
    accounts: (64, 100),
    sessions: 1000,
    ends: 1000,
    maxmemory: 256,
    length: Duration::from_secs(60),
    ..ATTACK
};

pub const MIXED_BEHIND_NGINX: Attack = Attack { nodes: 2, is_behind_nginx: true, ..MIXED };
