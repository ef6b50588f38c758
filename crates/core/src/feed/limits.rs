//! The bounds of the feed in numbers. A denylist has these, unless a test sets smaller ones.

/// The most ends that a lock covers, and the most events that a stream passes on at once.
pub const ENDS_AT_ONCE: usize = 256;

/// An end with a subject of up to 36 bytes takes one place on a denylist. Longer subjects take more: 255 bytes take
/// 3.5 places.
pub const PLACE_BYTES: usize = 100;

/// A denylist with so many ends, or with their places taken, has a warning. It takes up some 100 MB.
pub const MANY_ENDS: usize = 1_000_000;

/// The most ends on a denylist, and its places: some 400 MB, whatever the subjects. Further ends are not stored, and until the last of these is older than the
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
    /// With so many places taken there is a warning.
    pub many: usize,
    /// The places for ends.
    pub most: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { many: MANY_ENDS, most: MOST_ENDS }
    }
}
