//! A reader of the revocation feed: `XRANGE` for its present events, then `XREAD BLOCK` for new ones.
//!
//! Each partition of the feed is read over a connection of its own, from its primary. After every reconnection it is
//! read anew from its beginning. Behind the new connection may be another server; it may lack events of the former one,
//! and its ids may be lower. The gateways publish such events again within moments, from their denylists. A subscriber
//! therefore waits a little before it trusts such a partition.

mod feed_log;
mod tries;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, InfoDict, RedisError};
use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::{EndedSession, Listener, RevocationEvent, timing};
use token_gateway_core::session::{Reason, Subject};
use tokio::time::{sleep, timeout};

use self::feed_log::FeedLog;
use self::tries::Tries;
use crate::sent::Sent;
use crate::wire::error_of;
use crate::{Diagnosis, LinkError, Links, send};

/// The most entries of one answer.
const ENTRIES_PER_ANSWER: usize = 1000;

/// An entry from Redis: its id, then names and values in turn, with any content.
type StreamEntry = (String, Vec<(Vec<u8>, Vec<u8>)>);

/// One stream in the answer to `XREAD`: its key, and entries.
type Stream = (String, Vec<StreamEntry>);

/// An entry's id: milliseconds and a number. (Redis: "Entry IDs" of streams)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct EntryId(u64, u64);

/// Reads the feed under `keys`, and passes it to `listener`, for as long as the future is polled. There is one key for
/// each partition. Entries are needed for `retention`.
pub async fn subscribe(
    links: &Links,
    keys: &[String],
    retention: Duration,
    listener: &(dyn Listener + Sync),
) {
    listener.opened(keys.len());
    let log = FeedLog::new(links.logs_outages());
    let partitions = keys.iter().enumerate().map(|(number, key)| Partition {
        links,
        number,
        key,
        retention,
        listener,
        tries: Tries::new(&log, number, key),
        is_open: false,
        run_id: String::new(),
        first: EntryId::default(),
        last: EntryId::default(),
        trusted_from: Instant::now(),
    });
    join_all(partitions.map(Partition::read_on)).await;
}

/// A partition of the feed, and its last known state.
struct Partition<'a> {
    links: &'a Links,
    number: usize,
    key: &'a str,
    retention: Duration,
    listener: &'a (dyn Listener + Sync),
    tries: Tries<'a>,
    /// Whether the last try got as far as a connection.
    is_open: bool,
    /// The `run_id` of the server last read from.
    run_id: String,
    /// The id of the first entry that the server holds; zero for an empty stream.
    first: EntryId,
    /// The id of the last entry read.
    last: EntryId,
    /// From this moment on, possible losses are repaired.
    trusted_from: Instant,
}

/// A snapshot of a partition. Its events have been passed on.
struct Snapshot {
    first: EntryId,
    last: EntryId,
    /// Whether the last entry read before is still there, or may be gone for its age.
    continues: bool,
}

/// The answer to a wait for new entries.
struct Update {
    /// The id of the first entry that the server holds; zero for an empty stream.
    first: EntryId,
    entries: Vec<StreamEntry>,
}

impl Partition<'_> {
    async fn read_on(mut self) {
        loop {
            let Err(error) = self.connect_and_read().await else { continue };
            if let LinkError::Replied(reply) = &error {
                self.links.error_replies().note(reply);
            }
            self.links.health().failed(&error);
            let pause = self.tries.failed(&error, self.is_open);
            self.links.refresh_slots();
            tokio::select! {
                () = sleep(pause) => {}
                () = self.links.wait_until_connected_anew(self.key) => {}
            }
        }
    }

    /// Returns when the partition lies behind another connection now.
    async fn connect_and_read(&mut self) -> Result<(), LinkError> {
        self.is_open = false;
        let (connection, server, replaced) = self.links.exclusive(self.key).await?;
        self.is_open = true;
        let mut source = Source { connection, server };
        tokio::select! {
            read = self.read(&mut source) => read,
            () = replaced => Ok(()),
        }
    }

    /// Returns with an error only.
    async fn read(&mut self, source: &mut Source) -> Result<(), LinkError> {
        self.read_snapshot(source).await?;
        loop {
            let asked = Instant::now(); // the answer may have waited for this process to read it
            let update = self.wait(source).await?;
            self.tries.succeeded();
            let events = events_of(&update.entries);
            if self.was_trimmed(update.first) {
                self.listener.events(self.number, events, None);
                self.read_snapshot(source).await?;
            } else {
                let is_last = update.entries.len() < ENTRIES_PER_ANSWER;
                let watermark = Some(asked).filter(|_| is_last && self.is_trusted());
                self.listener.events(self.number, events, watermark);
                self.advance(&update);
            }
        }
    }

    fn advance(&mut self, update: &Update) {
        self.last = update.entries.last().and_then(EntryId::of).unwrap_or(self.last);
        // An empty feed takes its first entry from here, or nobody would notice when all of it is gone again.
        self.first =
            if update.first == EntryId::default() { first_id(&update.entries) } else { update.first };
    }

    /// The entries after the last one read: at once, or within `READ_BLOCK`. A partition that is trusted earlier is asked
    /// again then.
    async fn wait(&self, source: &mut Source) -> Result<Update, LinkError> {
        let until_trusted = self.trusted_from.saturating_duration_since(Instant::now());
        let block =
            if self.is_trusted() { timing::READ_BLOCK } else { timing::READ_BLOCK.min(until_trusted) };
        let block = block.as_millis() as u64 + 1; // 0 would be for ever
        let mut both = redis::pipe();
        both.cmd("XRANGE").arg(self.key).arg("-").arg("+").arg("COUNT").arg(1);
        both.cmd("XREAD").arg("BLOCK").arg(block).arg("COUNT").arg(ENTRIES_PER_ANSWER);
        both.arg("STREAMS").arg(self.key).arg(self.last.to_string());
        let (first, streams): (Vec<StreamEntry>, Option<Vec<Stream>>) =
            in_time(both.query_async(&mut source.connection), &source.server, |error| self.sent_with(error))
                .await?;
        let entries = streams.into_iter().flatten().flat_map(|(_, entries)| entries);
        Ok(Update { first: first_id(&first), entries: entries.collect() })
    }

    /// The question of [`wait`](Self::wait) that failed.
    fn sent_with(&self, error: &RedisError) -> Sent {
        let failed = error.clone().into_server_errors();
        let is_first = failed.is_some_and(|failed| failed.first().is_some_and(|(index, _)| *index == 0));
        Sent::new(if is_first { "XRANGE" } else { "XREAD" }, self.key)
    }

    /// Whether the former first entry is gone, and not for its age: the first one now is too young for a trim by age.
    fn was_trimmed(&self, first: EntryId) -> bool {
        self.first != EntryId::default()
            && self.first != first
            && (first == EntryId::default()
                || first.0 > self.needed_from() + timing::TRIM_SLACK.as_millis() as u64)
    }

    async fn read_snapshot(&mut self, source: &mut Source) -> Result<(), LinkError> {
        let asked = Instant::now();
        let server = Server::ask(source).await?;
        let snapshot = self.snapshot(source).await?;
        if self.may_lack_events(&server, &snapshot) {
            self.trusted_from = Instant::now() + timing::REPAIRED_WITHIN;
        }
        (self.run_id, self.first, self.last) = (server.run_id, snapshot.first, snapshot.last);
        let watermark = Some(asked).filter(|_| self.is_trusted());
        self.listener.snapshot_ends(self.number, watermark);
        Ok(())
    }

    /// Whether the partition may lack events once published there.
    fn may_lack_events(&self, server: &Server, snapshot: &Snapshot) -> bool {
        if server.is_young {
            return true;
        }
        if self.run_id.is_empty() {
            return server.was_promoted || !self.spans_retention(snapshot);
        }
        self.run_id != server.run_id || !snapshot.continues
    }

    fn spans_retention(&self, snapshot: &Snapshot) -> bool {
        snapshot.first != EntryId::default() && snapshot.first.0 <= self.needed_from()
    }

    fn is_trusted(&self) -> bool {
        Instant::now() >= self.trusted_from
    }

    /// Reads a snapshot, and passes each answer's events on before it asks for more.
    async fn snapshot(&self, source: &mut Source) -> Result<Snapshot, LinkError> {
        self.listener.snapshot_begins(self.number);
        let mut snapshot = Snapshot {
            first: EntryId::default(),
            last: EntryId::default(),
            continues: self.last.0 < self.needed_from(), // it may be gone for its age
        };
        loop {
            let entries = self.entries_after(snapshot.last, source).await?;
            let Some(last) = entries.last().and_then(EntryId::of) else { return Ok(snapshot) };
            if snapshot.first == EntryId::default() {
                snapshot.first = first_id(&entries);
            }
            snapshot.continues |= entries.iter().filter_map(EntryId::of).any(|id| id == self.last);
            self.listener.events(self.number, events_of(&entries), None);
            snapshot.last = last;
        }
    }

    async fn entries_after(&self, last: EntryId, source: &mut Source) -> Result<Vec<StreamEntry>, LinkError> {
        let mut command = redis::cmd("XRANGE");
        command.arg(self.key).arg(format!("({last}")).arg("+").arg("COUNT").arg(ENTRIES_PER_ANSWER);
        ask(source, &command, || Sent::new("XRANGE", self.key)).await
    }

    /// Entries of this millisecond and later are still needed.
    fn needed_from(&self) -> u64 {
        Timestamp::from_system_clock().minus(self.retention).0 / 1000
    }
}

/// The connection to read from, and its server.
struct Source {
    connection: MultiplexedConnection,
    server: Arc<crate::Server>,
}

/// A server's signs of possible losses.
struct Server {
    /// It changes with each start.
    run_id: String,
    is_young: bool,
    /// It was a replica before, and may not have had everything.
    was_promoted: bool,
}

impl Server {
    async fn ask(source: &mut Source) -> Result<Self, LinkError> {
        let mut info = redis::cmd("INFO");
        info.arg("server").arg("replication");
        let info: InfoDict = ask(source, &info, || Sent::new("INFO", "")).await?;
        let uptime = info.get("uptime_in_seconds").map(Duration::from_secs);
        Ok(Self {
            run_id: info.get("run_id").unwrap_or_default(),
            is_young: uptime.is_none_or(|uptime| uptime < timing::YOUNG_UPTIME),
            was_promoted: info.get("second_repl_offset").is_none_or(|offset: i64| offset >= 0),
        })
    }
}

impl EntryId {
    fn of(entry: &StreamEntry) -> Option<Self> {
        let (millis, number) = entry.0.split_once('-')?;
        Some(Self(millis.parse().ok()?, number.parse().ok()?))
    }
}

impl std::fmt::Display for EntryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// Zero without an entry.
fn first_id(entries: &[StreamEntry]) -> EntryId {
    entries.first().and_then(EntryId::of).unwrap_or_default()
}

/// The revocation events of entries, without foreign entries.
fn events_of(entries: &[StreamEntry]) -> Vec<RevocationEvent> {
    entries.iter().filter_map(event_of).collect()
}

/// The revocation event of an entry; `None` for a foreign entry.
fn event_of(entry: &StreamEntry) -> Option<RevocationEvent> {
    let value = |name: &str| {
        let (_, value) = entry.1.iter().find(|(field, _)| field == name.as_bytes())?;
        std::str::from_utf8(value).ok()
    };
    let ended = EndedSession {
        session: value("sid")?.parse().ok()?,
        reason: Reason::from_feed(value("reason").unwrap_or_default()),
    };
    let at = Timestamp(EntryId::of(entry)?.0.checked_mul(1000)?);
    Some(RevocationEvent { subject: Subject::from_encoded(value("sub")?)?, ended, at })
}

async fn ask<T: FromRedisValue>(
    source: &mut Source,
    command: &Cmd,
    sent: impl FnOnce() -> Sent,
) -> Result<T, LinkError> {
    let connection = &mut source.connection;
    let answer = async { Ok(redis::from_redis_value(send(connection, command).await?)?) };
    in_time(answer, &source.server, |_| sent()).await
}

/// `sent` tells which command an error answers.
async fn in_time<T>(
    answer: impl Future<Output = Result<T, RedisError>>,
    server: &Arc<crate::Server>,
    sent: impl FnOnce(&RedisError) -> Sent,
) -> Result<T, LinkError> {
    let limit = timing::READ_BLOCK + timing::READ_TIMEOUT;
    let answer = timeout(limit, answer).await;
    let answer = answer.map_err(|_| Diagnosis::late(Some(server.clone()), limit))?;
    answer.map_err(|error| error_of(&error, server, |_| sent(&error)))
}
