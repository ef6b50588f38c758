//! The lifetimes of tokens. Nodes share them with the commands on keys and sessions.

use clap::Args;

/// Lifetimes beyond ten years are typing errors.
pub const MAX_LIFETIME_SECONDS: u64 = 315_360_000;

/// The lifetime of access tokens.
#[derive(Debug, Args)]
pub struct AccessTtl {
    /// Seconds an access token lives
    #[arg(long, env = "ACCESS_TTL_SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=MAX_LIFETIME_SECONDS))]
    pub access_ttl_seconds: u64,
}

/// The lifetime of refresh tokens.
#[derive(Debug, Args)]
pub struct RefreshTtl {
    /// Seconds a refresh token, and a session that is not refreshed, lives
    #[arg(long, env = "REFRESH_TTL_SECONDS", default_value_t = 604_800, value_parser = clap::value_parser!(u64).range(1..=MAX_LIFETIME_SECONDS))]
    pub refresh_ttl_seconds: u64,
}
