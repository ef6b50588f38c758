//! The bounds of the feed in numbers. A denylist has these, unless a test sets smaller ones.

/// The most ends that a lock covers, and the most events that a stream passes on at once.
pub const ENDS_AT_ONCE: usize = 256;

/// A denylist with so many ends has a warning. It takes up some 100 MB.
pub const MANY_ENDS: usize = 1_000_000;

/// The most ends on a denylist, some 400 MB. Further ones are not stored, and until the last of these is older than the
/// retention, no token is accepted.
pub const MOST_ENDS: usize = 4_000_000;

/// The most own ends that are watched for their events at once. Further ones wait for the next snapshot.
pub const MOST_OWN_ENDS: usize = 262_144;

/// The most open streams of a node.
pub const MOST_STREAMS: usize = 1024;

/// The bytes after which a piece of a stream is full. One more event may follow: at most a kilobyte.
pub const STREAM_PIECE_BYTES: usize = 32 * 1024;

/// The bounds of one denylist. A test can set smaller ones.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// With so many ends there is a warning.
    pub many: usize,
    /// No more ends are stored.
    pub most: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { many: MANY_ENDS, most: MOST_ENDS }
    }
}
