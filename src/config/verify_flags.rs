//! The answers of `/verify` while logouts may be unknown.

use std::time::Duration;

use clap::{Args, ValueEnum};
use token_gateway_core::feed::timing;

use super::number::seconds;

#[derive(Debug, Args)]
pub struct VerifyFlags {
    /// Seconds (2-3600) the revocation feed may lag before it is stale
    #[arg(long, env = "VERIFY_MAX_STALE_SECONDS", default_value_t = timing::STALE_AFTER.as_secs(), value_parser = seconds(2..=3600, 10))]
    verify_max_stale_seconds: u64,
    /// How /verify answers while the feed is stale: refuse (503), or accept although a logout may go unnoticed
    #[arg(long, env = "VERIFY_WHEN_STALE", default_value = "refuse")]
    verify_when_stale: WhenStale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WhenStale {
    Refuse,
    Accept,
}

impl VerifyFlags {
    pub fn max_stale(&self) -> Duration {
        Duration::from_secs(self.verify_max_stale_seconds)
    }

    pub fn accepts_when_stale(&self) -> bool {
        self.verify_when_stale == WhenStale::Accept
    }
}
