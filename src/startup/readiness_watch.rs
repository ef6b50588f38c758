//! A node logs its outages: one line when it becomes unready, one a minute while it lasts, and one when it is ready again.
//! The same for a lasting failure of some of its calls.
//!
//! While all is well, Redis is asked for its memory alone, every ten seconds. After a failure that no success follows,
//! `/readyz`'s question decides, and is repeated once a second until the outage is over.

mod scarce_memory;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use token_gateway_core::outage::{Change, Outage};
use tokio::time::sleep;

use self::scarce_memory::{ScarceMemory, Supply};
use crate::gateway::readiness::FEED_LAGS;
use crate::gateway::{Gateway, GatewayError};
use crate::store::redis::{RedisSettings, inspect};

/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// One look of so many asks for the memory.
const LOOKS_PER_MEMORY: u32 = 10;

/// A failure this old without a success since is no blip.
const BLIP: Duration = Duration::from_millis(500);

/// A node that was unready is ready again after so many good looks in a row: a server that flaps is one outage.
const READY_LOOKS: u32 = 2;

/// The reader of the feed may pause for so many looks after an outage. Meanwhile a lag of the feed is the tail of it.
const SETTLING_LOOKS: u32 = 35;

/// A node that serves in part for so many looks has a log line, and after so many good ones another. Servers seldom go,
/// or come back, all at once, and a full one now and then takes a login.
const PARTIAL_LOOKS: u32 = 5;

/// A node's outages, as its log knows them.
#[derive(Default)]
pub struct ReadinessLog {
    whole: Outage,
    part: Outage,
    /// The good looks in a row.
    ready_looks: u32,
    /// The looks until a lag of the feed counts again.
    settling: u32,
    /// The looks in a row that found a part of the node's calls failing.
    partial_looks: u32,
    /// The good looks in a row of a node that serves in part.
    whole_looks: u32,
    /// The calls that failed last.
    failing: String,
    memory: ScarceMemory,
}

/// Looks for outages, for as long as it is polled.
pub async fn watch(gateway: Arc<Gateway>, redis: RedisSettings, mut log: ReadinessLog) {
    let mut failed_looks = 0;
    for look in 1_u32.. {
        pause(&redis, &log).await;
        if look.is_multiple_of(LOOKS_PER_MEMORY)
            && let Some(scarce) = gateway.scarce_memory().await
        {
            log.note_memory(&scarce);
        }
        let has_failed = redis.link.health.failure_within(LOOK_INTERVAL).is_some();
        failed_looks = if has_failed { failed_looks + 1 } else { 0 };
        let is_old = redis.link.health.is_failing() && redis.link.health.failure_within(BLIP).is_none();
        let is_pressed = redis.link.error_replies.any_of_pressure();
        if failed_looks == 1 && !is_old && !is_pressed && !log.is_open() {
            continue; // a blip, or the beginning of an outage
        }
        let mut unready = None;
        if failed_looks > 0 || is_old || is_pressed || log.is_open() {
            let ready = gateway.ready().await;
            log.note(ready.as_deref(), &redis, Instant::now());
            unready = ready.err().map(|error| error.to_string());
        }
        log_refused(&redis, &log, unready.as_deref());
    }
}

/// The time between two looks. The first refusal of a full server has its line meanwhile, unless the node is unready.
async fn pause(redis: &RedisSettings, log: &ReadinessLog) {
    let mut over = pin!(sleep(LOOK_INTERVAL));
    loop {
        tokio::select! {
            () = &mut over => return,
            () = redis.link.error_replies.full(), if !log.whole.is_present() => log_refused(redis, log, None),
        }
    }
}

/// Logs the calls that Redis refuses. While the node is unready, or a server is full, another line tells of most of them.
fn log_refused(redis: &RedisSettings, log: &ReadinessLog, unready: Option<&str>) {
    let due = redis.link.error_replies.due_lines(Instant::now(), |reply| {
        unready.is_some_and(|unready| !reply.is_of_rights() || unready.contains(&reply.to_string()))
            || reply.may_pass() && log.tells_of_refused_writes()
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

    /// The warnings of a node that starts: they have lines already.
    pub fn starts_with(&mut self, warnings: &[String]) {
        self.memory.note(warnings.iter().filter(|warning| inspect::is_of_scarce_memory(warning)).count());
    }

    fn tells_of_refused_writes(&self) -> bool {
        self.part.is_present() && inspect::is_of_refused_writes(&self.failing)
    }

    fn is_open(&self) -> bool {
        self.whole.is_present() || self.part.is_present() || self.partial_looks > 0 || self.settling > 0
    }

    /// Notes an answer to `/readyz`'s question.
    fn note(&mut self, ready: Result<&[String], &GatewayError>, redis: &RedisSettings, now: Instant) {
        self.ready_looks = if ready.is_ok() { self.ready_looks + 1 } else { 0 };
        self.settling = self.settling.saturating_sub(1);
        let flaps = self.whole.is_present() && self.ready_looks < READY_LOOKS;
        match (self.whole.note(ready.is_err() || flaps, now), &ready) {
            (Some(Change::Began), Err(error)) => log::warn!(error:%; "not ready: {error}"),
            (Some(Change::Lasts(lasted)), Err(error)) => {
                log::warn!(seconds = lasted.seconds(), error:%; "still not ready, for {lasted}: {error}")
            }
            (Some(Change::Over(lasted)), _) => {
                self.settling = SETTLING_LOOKS;
                log::info!(seconds = lasted.seconds(); "ready again after {lasted}")
            }
            _ => {}
        }
        match ready {
            Ok(dangers) if !flaps => {
                self.note_part(failing_part(dangers, self.settling > 0, redis), now);
            }
            _ => (self.part, self.partial_looks) = (Outage::default(), 0),
        }
    }

    fn note_memory(&mut self, scarce: &[String]) {
        match self.memory.note(scarce.len()) {
            Some(Supply::Scarce) => scarce.iter().for_each(|warning| log::warn!(warning; "{warning}")),
            Some(Supply::Plenty) => log::info!("Redis has memory to spare again"),
            None => {}
        }
    }

    fn note_part(&mut self, part: Option<String>, now: Instant) {
        match part {
            Some(part) => {
                (self.partial_looks, self.whole_looks, self.failing) = (self.partial_looks + 1, 0, part)
            }
            None => (self.partial_looks, self.whole_looks) = (0, self.whole_looks + 1),
        }
        let lasts = self.part.is_present() && self.whole_looks < PARTIAL_LOOKS;
        let part = &self.failing;
        match self.part.note(lasts || self.partial_looks >= PARTIAL_LOOKS, now) {
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

/// The calls that fail though the node is ready, in words. Just after an outage the feed may lag.
fn failing_part(dangers: &[String], settles: bool, redis: &RedisSettings) -> Option<String> {
    let lags = |danger: &String| danger.starts_with(FEED_LAGS) && !settles;
    let is_named = |danger: &&String| inspect::is_of_outage(danger) || lags(danger);
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
    use std::sync::Mutex;

    use log::{LevelFilter, Log, Metadata, Record};

    use super::*;
    use crate::store::StoreError;

    /// Keeps the lines of this module. No other test of the crate sets a logger.
    struct Lines(Mutex<Vec<String>>);

    static LINES: Lines = Lines(Mutex::new(Vec::new()));

    impl Log for Lines {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == module_path!().trim_end_matches("::tests")
        }

        fn log(&self, record: &Record<'_>) {
            if self.enabled(record.metadata()) {
                self.0.lock().expect("no panic meanwhile").push(record.args().to_string());
            }
        }

        fn flush(&self) {}
    }

    /// A look at each of these seconds, and the line that it leaves.
    #[test]
    fn an_outage_is_one_line_at_each_end_and_one_a_minute_whatever_its_parts_do() {
        log::set_logger(&LINES).expect("the first logger");
        log::set_max_level(LevelFilter::Info);
        let redis = RedisSettings::new("redis://localhost");
        let (mut log, began) = (ReadinessLog::default(), Instant::now());
        let error = GatewayError::Store(StoreError::Unavailable("gone".to_owned()));
        let partial = ["the users of one primary get 503: gone".to_owned()];
        let mut at = |second: u64, ready: Result<&[String], &GatewayError>| {
            log.note(ready, &redis, began + Duration::from_secs(second));
            LINES.0.lock().expect("no panic meanwhile").drain(..).collect::<Vec<_>>()
        };
        let none = Vec::<String>::new();
        assert_eq!(at(0, Ok(&partial)), none, "not yet a part that lasts");
        assert_eq!(at(1, Err(&error)), ["not ready: store unavailable: gone"]);
        assert_eq!(at(2, Ok(&partial)), none, "a server that flaps");
        for second in 3..=60 {
            assert_eq!(at(second, Err(&error)), none, "{second}");
        }
        assert_eq!(at(61, Err(&error)), ["still not ready, for 60 s: store unavailable: gone"]);
        assert_eq!(at(121, Err(&error)), ["still not ready, for 2 min: store unavailable: gone"]);
        assert_eq!(at(122, Ok(&partial)), none);
        assert_eq!(at(123, Ok(&partial)), ["ready again after 2 min"]);
        (124..127).for_each(|second| assert_eq!(at(second, Ok(&partial)), none, "{second}"));
        assert_eq!(at(127, Ok(&partial)), [format!("partly ready: {}", partial[0])], "it lasts");
        assert_eq!(at(187, Ok(&partial)), [format!("still partly ready, for 60 s: {}", partial[0])]);
        (188..192).for_each(|second| assert_eq!(at(second, Ok(&[])), none, "{second}: it may come back"));
        assert_eq!(at(192, Ok(&[])), ["ready in all parts again after 65 s"]);
        let lag = [format!("{FEED_LAGS} 70 s")];
        let settling = 193 + u64::from(SETTLING_LOOKS) - 11; // looks since then
        for second in 193..settling {
            assert_eq!(at(second, Ok(&lag)), none, "{second}: the tail of the outage");
        }
        let lines: Vec<_> = (settling..settling + 9).flat_map(|second| at(second, Ok(&lag))).collect();
        assert_eq!(lines, [format!("partly ready: {}", lag[0])]);
    }
}
