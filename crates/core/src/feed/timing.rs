//! All times of the feed. They depend on each other; the test at the end says how.

use std::time::Duration;

/// The longest that Redis holds back its answer to a reader without new events. The moment of the question is the watermark.
pub const READ_BLOCK: Duration = Duration::from_millis(400);

/// How much longer an answer of Redis may take, before the connection counts as dead.
pub const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// A subscriber gets its watermark moved at least this often, even without a new event.
pub const WATERMARK_INTERVAL: Duration = Duration::from_secs(1);

/// An end of a node itself must come back through the feed within this time. Otherwise it may have been lost, and is repaired.
pub const PUBLISHED_WITHIN: Duration = Duration::from_millis(1500);

/// Within this time the gateways, too, have connected to a server with losses, and repaired them. A reader trusts such a
/// server afterwards.
pub const REPAIRED_WITHIN: Duration = Duration::from_millis(1500);

/// A start may wait this long for the snapshots of all partitions.
pub const FIRST_SNAPSHOTS: Duration = Duration::from_secs(5);

/// A first reading that takes longer has log lines.
pub const LONG_FIRST_READING: Duration = Duration::from_secs(3);

/// A node warns of a longer lag: it may not repair what a failover has lost.
pub const LAG_WARNING: Duration = Duration::from_secs(5);

/// A node with a longer lag is not fresh, and ends its streams.
pub const NODE_LAG_LIMIT: Duration = Duration::from_secs(3);

/// How often a node sends an event `fresh`.
pub const FEED_HEARTBEAT: Duration = Duration::from_millis(500);

/// Without an event `fresh` for this long, a subscriber opens its stream again. Another node may then serve it.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(4);

/// A stream with more lag is given up for a new one: somewhere on the way it was held up.
pub const STREAM_LAG_LIMIT: Duration = Duration::from_secs(6);

/// Time limit for opening a stream.
pub const STREAM_OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// A verifier with more lag does not know of a logout, unless set otherwise.
pub const STALE_AFTER: Duration = Duration::from_secs(10);

/// The clocks of the primaries of a Cluster differ by less. A resumed stream begins so much before its `Last-Event-ID`.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Redis trims entries in lots, and by its own clock. The first entry left may be younger than the retention, by less than
/// this.
pub const TRIM_SLACK: Duration = Duration::from_secs(60);

/// The feed outlives every access token by this much.
pub const RETENTION_MARGIN: Duration = Duration::from_secs(900);

/// How long a denylist keeps an entry, unless set otherwise: the default lifetime of an access token, and the margin.
pub const DEFAULT_RETENTION: Duration = Duration::from_secs(900).saturating_add(RETENTION_MARGIN);

/// No denylist keeps its entries for less.
pub const LEAST_RETENTION: Duration = Duration::from_secs(60);

/// A server with a shorter uptime may have lost its latest entries.
pub const YOUNG_UPTIME: Duration = Duration::from_secs(5);

/// The first pause of a subscriber between two tries to connect.
pub const FIRST_RECONNECT_PAUSE: Duration = Duration::from_millis(50);

/// Its longest pause, where it reads from Redis.
pub const LONGEST_READER_PAUSE: Duration = Duration::from_secs(1);

/// Its longest pause, where it reads over HTTP.
pub const LONGEST_STREAM_PAUSE: Duration = Duration::from_secs(1);

/// Its longest pause while it is refused: a right is missing, or a password is wrong.
pub const LONGEST_REFUSED_PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_fit_each_other() {
        let less =
            |one: Duration, other: Duration, why: &str| assert!(one < other, "{why}: {one:?} < {other:?}");
        less(READ_BLOCK, WATERMARK_INTERVAL, "a quiet reader moves the watermark in time");
        less(
            READ_BLOCK + READ_TIMEOUT,
            NODE_LAG_LIMIT,
            "a dead connection is replaced before the node is stale",
        );
        less(
            READ_BLOCK + READ_TIMEOUT,
            PUBLISHED_WITHIN,
            "one lost answer of Redis is not taken for a lost end",
        );
        less(REPAIRED_WITHIN, NODE_LAG_LIMIT, "a reader may wait for repairs without the node being stale");
        assert!(PUBLISHED_WITHIN <= REPAIRED_WITHIN, "readers wait until nodes have begun to repair");
        less(
            REPAIRED_WITHIN + READ_BLOCK,
            Duration::from_secs(2),
            "a verifier is fresh two seconds after Redis, with a short pause of its link",
        );
        less(REPAIRED_WITHIN + READ_BLOCK, FIRST_SNAPSHOTS, "a start outlasts the repairs of a young server");
        less(REPAIRED_WITHIN + READ_BLOCK, LONG_FIRST_READING, "a young server is no reason for a line");
        less(LONG_FIRST_READING, FIRST_SNAPSHOTS, "the log tells before a token is answered with 503");
        less(NODE_LAG_LIMIT, LAG_WARNING, "a stale node warns after its streams have ended");
        less(2 * FEED_HEARTBEAT, NODE_LAG_LIMIT, "a heartbeat may be lost");
        less(
            NODE_LAG_LIMIT + FEED_HEARTBEAT,
            SILENCE_LIMIT,
            "a node ends its stream before its subscriber does",
        );
        less(
            NODE_LAG_LIMIT + FEED_HEARTBEAT,
            STREAM_LAG_LIMIT,
            "a fresh node is never too far behind by itself",
        );
        less(SILENCE_LIMIT, STREAM_LAG_LIMIT, "silence is noticed before lag");
        less(STREAM_LAG_LIMIT, STALE_AFTER, "a subscriber can change its stream before it is stale");
        less(SILENCE_LIMIT + STREAM_OPEN_TIMEOUT, STALE_AFTER, "it can also open another one in time");
        assert!(CLOCK_SKEW + TRIM_SLACK < RETENTION_MARGIN, "a resumed stream is never trimmed");
        less(STALE_AFTER, RETENTION_MARGIN, "a verifier that comes back finds the events it has missed");
        less(STALE_AFTER, LEAST_RETENTION, "an entry is kept until a stale verifier is noticed");
        less(LONGEST_READER_PAUSE, NODE_LAG_LIMIT, "a pause alone makes no node stale");
        less(
            LONGEST_STREAM_PAUSE + SILENCE_LIMIT,
            STALE_AFTER,
            "a pause and a silent node make no verifier stale",
        );
        less(NODE_LAG_LIMIT, YOUNG_UPTIME, "a restart is noticed before the server counts as grown up");
    }
}
