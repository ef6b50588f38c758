//! The clock of `keys`. Redis's time decides which key signs, so with `REDIS_URL` it dates the keys, too. Without an
//! answer nothing is done: the time is not known then.

use std::time::Instant;

use anyhow::{Result, anyhow};
use serde::Serialize;
use token_gateway_core::clock::Timestamp;

use crate::cli::process::on_runtime;
use crate::cli::usage::as_usage;
use crate::config::KeySettings;
use crate::store::redis::store_time;
use crate::view::rfc3339_seconds;

/// A clock, read once.
pub struct KeysClock {
    source: ClockSource,
    time: Timestamp,
    read_at: Instant,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum ClockSource {
    Redis,
    Machine,
}

/// A report, with the clock and the time that it goes by.
#[derive(Serialize)]
pub struct Dated<T> {
    #[serde(flatten)]
    report: T,
    clock: ClockSource,
    now: String,
}

impl KeysClock {
    pub fn read(settings: &KeySettings) -> Result<Self> {
        let (source, time) = match as_usage(settings.redis())? {
            None => (ClockSource::Machine, Timestamp::from_system_clock()),
            Some(redis) => (ClockSource::Redis, on_runtime(store_time::ask(&redis)).map_err(|error| {
                anyhow!(
                    "REDIS_URL: Redis's time is unknown, so nothing was done: {error}; mend that, or take REDIS_URL \
                     away to go by this machine's clock"
                )
            })?),
        };
        Ok(Self { source, time, read_at: Instant::now() })
    }

    /// Seconds since the epoch.
    pub fn now(&self) -> u64 {
        self.time.plus(self.read_at.elapsed()).seconds()
    }

    /// For JSON.
    pub fn dated<T: Serialize>(&self, report: T) -> Dated<T> {
        Dated { report, clock: self.source, now: rfc3339_seconds(self.time.seconds()) }
    }

    /// For people, a line.
    pub fn line(&self) -> String {
        format!("{}: {}\n", self.name(), rfc3339_seconds(self.time.seconds()))
    }

    /// For people, before an error.
    pub fn reading(&self) -> String {
        format!("{}, {}", self.name(), rfc3339_seconds(self.time.seconds()))
    }

    fn name(&self) -> &'static str {
        match self.source {
            ClockSource::Redis => "by Redis's clock",
            ClockSource::Machine => "by this machine's clock",
        }
    }
}
