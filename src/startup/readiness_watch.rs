//! A node logs its outages: one line when it becomes unready, one a minute while it lasts, and one when it is ready again.
//! The same for a lasting failure of some of its calls.
//!
//! While all is well, nothing is asked of Redis. After a failure that no success follows, `/readyz`'s question decides, and
//! is repeated once a second until the outage is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use token_gateway_core::outage::{Change, Outage};
use tokio::time::sleep;

use crate::gateway::{FEED_LAGS, Gateway, GatewayError};
use crate::store::redis::{RedisSettings, inspect};

/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A failure this old without a success since is no blip.
const BLIP: Duration = Duration::from_millis(500);

/// A node that serves in part for so many looks has a log line. Servers seldom go, or come back, all at once.
const PARTIAL_LOOKS: u32 = 5;

/// A node's outages, as its log knows them.
#[derive(Default)]
pub struct ReadinessLog {
    whole: Outage,
    part: Outage,
    /// The looks in a row that found a part of the node's calls failing.
    partial_looks: u32,
}

/// Looks for outages, for as long as it is polled.
pub async fn watch(gateway: Arc<Gateway>, redis: RedisSettings, mut log: ReadinessLog) {
    let mut failed_looks = 0;
    loop {
        sleep(LOOK_INTERVAL).await;
        let has_failed = redis.link.health.failure_within(LOOK_INTERVAL).is_some();
        failed_looks = if has_failed { failed_looks + 1 } else { 0 };
        let is_old = redis.link.health.is_failing() && redis.link.health.failure_within(BLIP).is_none();
        if failed_looks == 1 && !is_old && !log.is_open() {
            continue; // a blip, or the beginning of an outage
        }
        let mut unready = None;
        if failed_looks > 0 || is_old || log.is_open() {
            let ready = gateway.ready().await;
            log.note(ready.as_deref(), &redis, Instant::now());
            unready = ready.err().map(|error| error.to_string());
        }
        log_refused(&redis, unready.as_deref());
    }
}

/// Logs the calls that Redis refuses. While the node is unready, its own line tells of most of them.
fn log_refused(redis: &RedisSettings, unready: Option<&str>) {
    let due = redis.link.error_replies.due_lines(Instant::now(), |reply| {
        unready.is_some_and(|unready| !reply.is_of_rights() || unready.contains(&reply.to_string()))
    });
    for due in due {
        log::warn!(error:% = due.reply, count = due.count; "{due}");
    }
}

impl ReadinessLog {
    /// A node that starts before Redis can be used.
    pub fn starts_unready(&mut self, error: &GatewayError) {
        self.whole.note(true, Instant::now());
        log::warn!(error:%; "starting, but not ready: {error}");
    }

    fn is_open(&self) -> bool {
        self.whole.is_present() || self.part.is_present() || self.partial_looks > 0
    }

    /// Notes an answer to `/readyz`'s question.
    fn note(&mut self, ready: Result<&[String], &GatewayError>, redis: &RedisSettings, now: Instant) {
        match (self.whole.note(ready.is_err(), now), &ready) {
            (Some(Change::Began), Err(error)) => log::warn!(error:%; "not ready: {error}"),
            (Some(Change::Lasts(lasted)), Err(error)) => {
                log::warn!(seconds = lasted.seconds(), error:%; "still not ready, for {lasted}: {error}")
            }
            (Some(Change::Over(lasted)), _) => {
                log::info!(seconds = lasted.seconds(); "ready again after {lasted}")
            }
            _ => {}
        }
        match ready {
            Ok(dangers) => self.note_part(failing_part(dangers, redis), now),
            Err(_) => (self.part, self.partial_looks) = (Outage::default(), 0),
        }
    }

    fn note_part(&mut self, part: Option<String>, now: Instant) {
        self.partial_looks = if part.is_some() { self.partial_looks + 1 } else { 0 };
        let has_lasted = self.partial_looks >= PARTIAL_LOOKS;
        let fails = part.is_some() && (has_lasted || self.part.is_present());
        let part = part.unwrap_or_default();
        match self.part.note(fails, now) {
            Some(Change::Began) => log::warn!(error = part; "partly ready: {part}"),
            Some(Change::Lasts(lasted)) => {
                log::warn!(seconds = lasted.seconds(), error = part; "still partly ready, for {lasted}: {part}")
            }
            Some(Change::Over(lasted)) => {
                log::info!(seconds = lasted.seconds(); "ready in all parts again after {lasted}")
            }
            None => {}
        }
    }
}

/// The calls that fail though the node is ready, in words.
fn failing_part(dangers: &[String], redis: &RedisSettings) -> Option<String> {
    let is_named = |danger: &&String| inspect::is_of_outage(danger) || danger.starts_with(FEED_LAGS);
    let mut named = dangers.iter().filter(is_named);
    match (named.next(), named.count()) {
        (Some(first), 0) => Some(first.clone()),
        (Some(first), more) => Some(format!("{first} (and {more} more: see /readyz of ADMIN_ADDR)")),
        (None, _) => {
            let failure =
                redis.link.health.failure_within(LOOK_INTERVAL).filter(|error| error.is_unavailable());
            failure.map(|error| format!("some calls fail: {}", error.cause()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    /// The node's outage as seen at each of these seconds.
    #[test]
    fn an_outage_is_absorbed_into_one_whatever_its_parts_do() {
        let redis = RedisSettings::new("redis://localhost");
        let (mut log, began) = (ReadinessLog::default(), Instant::now());
        let error = GatewayError::Store(StoreError::Unavailable("gone".to_owned()));
        let partial = ["the users of one primary get 503: gone".to_owned()];
        let mut at = |second: u64, ready: Result<&[String], &GatewayError>| {
            log.note(ready, &redis, began + Duration::from_secs(second));
            (log.whole.is_present(), log.part.is_present())
        };
        assert_eq!(at(0, Ok(&partial)), (false, false), "not yet a part that lasts");
        assert_eq!(at(1, Err(&error)), (true, false));
        assert_eq!(at(2, Ok(&partial)), (false, false), "ready again");
        (3..6).for_each(|second| assert!(!at(second, Ok(&partial)).1, "{second}"));
        assert_eq!(at(6, Ok(&partial)), (false, true), "it lasts");
        assert_eq!(at(7, Ok(&[])), (false, false));
    }
}
