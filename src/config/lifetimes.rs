//! The lifetimes of tokens. Nodes share them with the commands on keys and sessions.

use std::time::Duration;

use clap::Args;

use super::number::seconds;

/// Lifetimes beyond ten years are typing errors.
pub const MAX_LIFETIME_SECONDS: u64 = 315_360_000;

/// The lifetime of access tokens.
#[derive(Debug, Args)]
pub struct AccessTtl {
    /// Seconds an access token lives
    #[arg(long, env = "ACCESS_TTL_SECONDS", default_value_t = 900, value_parser = seconds(1..=MAX_LIFETIME_SECONDS, 900))]
    pub access_ttl_seconds: u64,
}

/// The lifetime of refresh tokens.
#[derive(Debug, Args)]
pub struct RefreshTtl {
    /// Seconds a refresh token, and a session without a refresh, lives
    #[arg(long, env = "REFRESH_TTL_SECONDS", default_value_t = 604_800, value_parser = seconds(1..=MAX_LIFETIME_SECONDS, 604_800))]
    pub refresh_ttl_seconds: u64,
}

/// The absolute lifetime of sessions, for a command that looks at them.
#[derive(Debug, Args)]
pub struct KnownMaxAge {
    /// Seconds a session lives at most, as the nodes are set; 0 = no limit [default: the ends as stored]
    #[arg(long, env = "SESSION_MAX_AGE_SECONDS", value_parser = seconds(0..=MAX_LIFETIME_SECONDS, 7_776_000))]
    session_max_age_seconds: Option<u64>,
}

impl KnownMaxAge {
    pub fn get(&self) -> Option<Duration> {
        max_age(self.session_max_age_seconds.unwrap_or(0))
    }
}

/// The absolute lifetime of sessions; `None` for 0 seconds.
pub fn max_age(seconds: u64) -> Option<Duration> {
    (seconds > 0).then_some(Duration::from_secs(seconds))
}
