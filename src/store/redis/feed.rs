//! Following the feed of ended sessions: `XRANGE` for what it holds, then `XREAD BLOCK` for what comes.
//!
//! Each part of the feed is followed over a connection of its own, to the master where it lies. After every
//! reconnection it is read anew from its beginning: behind the new connection may be another server, which may lack
//! what the former one had, and whose ids may be lower.

use std::pin::pin;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use tokio::time::{sleep, timeout};

use super::RedisStore;
use super::connection::{send, unavailable};
use crate::clock::Timestamp;
use crate::session::Subject;
use crate::store::{Announced, Ended, Error, Listener};

/// How long Redis holds a question back when there is nothing new, in milliseconds.
const BLOCK: u64 = 1000;

/// How much longer than that an answer may take, before the connection counts as dead.
const PATIENCE: Duration = Duration::from_secs(1);

/// Entries per answer.
const BATCH: usize = 1000;

/// An entry as Redis tells it: its id, and names and values in turn, which may be anything.
type Entry = (String, Vec<(Vec<u8>, Vec<u8>)>);

pub(super) async fn follow(store: &RedisStore, listener: &(dyn Listener + Sync)) {
    listener.opened(store.feeds.len());
    join_all((0..store.feeds.len()).map(|part| follow_part(store, part, listener))).await;
}

async fn follow_part(store: &RedisStore, part: usize, listener: &(dyn Listener + Sync)) {
    loop {
        for pause in pauses() {
            let mut followed = false;
            let Err(error) = read(store, part, listener, &mut followed).await else { break };
            log::warn!("cannot follow the feed '{}', trying on: {error}", store.feeds[part]);
            store.connections.look_again();
            sleep(pause).await;
            if followed {
                break;
            }
        }
    }
}

fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_millis(500))
        .with_jitter()
        .without_max_times()
        .build()
}

/// Returns when the part lies behind another connection now.
async fn read(
    store: &RedisStore,
    part: usize,
    listener: &(dyn Listener + Sync),
    followed: &mut bool,
) -> Result<(), Error> {
    let key = &store.feeds[part];
    let (mut connection, replaced) = store.connections.exclusive(key).await?;
    let mut replaced = pin!(replaced);
    let (held, mut last) = whole(&mut connection, key).await?;
    listener.whole(part, held);
    *followed = true;
    loop {
        let mut command = redis::cmd("XREAD");
        command.arg("BLOCK").arg(BLOCK).arg("COUNT").arg(BATCH).arg("STREAMS").arg(key).arg(&last);
        let answer: Option<Vec<(String, Vec<Entry>)>> = tokio::select! {
            answer = ask(&mut connection, &command) => answer?,
            () = &mut replaced => return Ok(()),
        };
        let entries: Vec<_> = answer.into_iter().flatten().flat_map(|(_, entries)| entries).collect();
        if let Some((id, _)) = entries.last() {
            last.clone_from(id);
        }
        listener.appended(part, entries.iter().filter_map(announced).collect());
    }
}

/// All that the part holds, and the id of its last entry.
async fn whole(connection: &mut MultiplexedConnection, key: &str) -> Result<(Vec<Announced>, String), Error> {
    let (mut held, mut last) = (Vec::new(), "0-0".to_owned());
    loop {
        let mut command = redis::cmd("XRANGE");
        command.arg(key).arg(format!("({last}")).arg("+").arg("COUNT").arg(BATCH);
        let entries: Vec<Entry> = ask(connection, &command).await?;
        held.extend(entries.iter().filter_map(announced));
        match entries.last() {
            Some((id, _)) => last.clone_from(id),
            None => return Ok((held, last)),
        }
    }
}

async fn ask<T: FromRedisValue>(connection: &mut MultiplexedConnection, command: &Cmd) -> Result<T, Error> {
    let patience = Duration::from_millis(BLOCK) + PATIENCE;
    let answer = timeout(patience, send(connection, command)).await;
    let answer = answer.map_err(|_| Error::Unavailable(format!("no answer within {patience:?}")))?;
    answer.and_then(|value| Ok(redis::from_redis_value(value)?)).map_err(|error| unavailable(&error))
}

/// What an entry says; `None` for one that somebody else has put there.
fn announced((id, fields): &Entry) -> Option<Announced> {
    let value = |name: &str| {
        let (_, value) = fields.iter().find(|(field, _)| field == name.as_bytes())?;
        std::str::from_utf8(value).ok()
    };
    let (millis, _) = id.split_once('-')?;
    let ended = Ended { session: value("sid")?.parse().ok()?, reason: value("reason")?.parse().ok()? };
    let at = Timestamp(millis.parse::<u64>().ok()?.checked_mul(1000)?);
    Some(Announced { subject: Subject::from_encoded(value("sub")?)?, ended, at })
}
