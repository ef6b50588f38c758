//! The streams of the feed in Redis. **A changed name is a data migration.**

/// The numbers of the partitions in a Cluster. There the feed has several, so that the end of a session can be published on
/// the server with the session, whatever the others do. The slots of these numbers lie evenly: each primary of a Cluster
/// that gives equal ranges to up to 15 primaries has at least one.
pub const PARTITION_NUMBERS: [u16; 16] =
    [596, 486, 92, 906, 580, 490, 800, 910, 940, 850, 431, 186, 956, 846, 427, 59];

/// The stream of a standalone server, with the prefix of all keys.
///
/// ```
/// assert_eq!(token_gateway_core::feed::stream_keys::stream("tg"), "tg:revocations");
/// ```
pub fn stream(prefix: &str) -> String {
    format!("{prefix}:revocations")
}

/// The streams of a Cluster, one for each partition.
///
/// ```
/// assert_eq!(token_gateway_core::feed::stream_keys::partitions("tg")[0], "tg:{feed-596}:revocations");
/// ```
pub fn partitions(prefix: &str) -> Vec<String> {
    PARTITION_NUMBERS.iter().map(|number| format!("{prefix}:{{feed-{number}}}:revocations")).collect()
}
