//! Settings of the store. Nodes share them with the commands on a store in use.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueEnum};
use secrecy::SecretString;
use token_gateway_core::feed::timing;
use token_gateway_redis_link::LinkSettings;

use super::exposed_files::SecretFile;
use super::lifetimes::{AccessTtl, MAX_LIFETIME_SECONDS};
use super::number::{count, milliseconds, seconds};
use super::secrets::secret;
use super::settings_error::SettingsError;
use super::tls_files::TlsFiles;
use crate::store::Policy;
use crate::store::redis::RedisSettings;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StoreKind {
    Redis,
    Embedded,
}

/// Address and credentials of Redis.
#[derive(Debug, Args)]
pub struct RedisFlags {
    /// Prefix of every Redis key
    #[arg(long, env = "REDIS_PREFIX", default_value = "tg", value_parser = prefix)]
    redis_prefix: String,
    /// Milliseconds: one deadline for the store part of a request
    #[arg(long, env = "REDIS_TIMEOUT_MS", default_value_t = 500, value_parser = milliseconds(1..=60_000, 500))]
    redis_timeout_ms: u64,
    /// File of the CA of Redis's certificate, PEM; the system's CAs where there is none
    #[arg(long, env = "REDIS_TLS_CA")]
    redis_tls_ca: Option<PathBuf>,
    /// File of the certificate shown to Redis, PEM
    #[arg(long, env = "REDIS_TLS_CERT")]
    redis_tls_cert: Option<PathBuf>,
    /// File of the private key of REDIS_TLS_CERT, PEM
    #[arg(long, env = "REDIS_TLS_KEY")]
    redis_tls_key: Option<PathBuf>,
    /// User name for Sentinels, where they want one
    #[arg(long, env = "REDIS_SENTINEL_USERNAME")]
    redis_sentinel_username: Option<String>,
}

impl RedisFlags {
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.redis_timeout_ms)
    }

    /// The settings for one call at a time, with no acknowledgement by replicas. A node overrides both.
    pub fn settings(&self) -> Result<RedisSettings, SettingsError> {
        let mut wrong = SettingsError::default();
        let url = wrong.note(secret("REDIS_URL"));
        let tls = self.tls_files().read(&mut wrong);
        let sentinel_username = self.redis_sentinel_username.clone().filter(|name| !name.is_empty());
        let sentinel_password = wrong.note(secret("REDIS_SENTINEL_PASSWORD"));
        if sentinel_username.is_some() && matches!(sentinel_password, Some(None)) {
            let why = "REDIS_SENTINEL_USERNAME cannot log in without it; set both, or neither";
            wrong.note::<(), _>(Err(anyhow!("REDIS_SENTINEL_PASSWORD: is missing; {why}")));
        }
        let link = url.map(|url| LinkSettings {
            url: SecretString::from(url.unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned())),
            tls: tls.unwrap_or_default(),
            sentinel_username,
            sentinel_password: sentinel_password.flatten().map(SecretString::from),
            timeout: self.timeout(),
            max_in_flight: 1,
            wait_replicas: 0,
            error_replies: Arc::default(),
            logs_outages: true,
            health: Arc::default(),
        });
        if let Some(link) = &link {
            wrong.note(link.check().map_err(|problem| anyhow!(problem)));
        }
        let link = wrong.unless_wrong(link)?;
        Ok(RedisSettings { link, prefix: self.redis_prefix.clone() })
    }

    /// The file of a key.
    pub(super) fn secret_file(&self) -> Option<SecretFile> {
        Some(SecretFile::mounted("REDIS_TLS_KEY", self.redis_tls_key.as_deref()?))
    }

    fn tls_files(&self) -> TlsFiles<'_> {
        TlsFiles {
            ca: self.redis_tls_ca.as_deref(),
            certificate: self.redis_tls_cert.as_deref(),
            key: self.redis_tls_key.as_deref(),
        }
    }
}

/// The settings for ending a session: the lifetime of its records, and the replicas to acknowledge them.
#[derive(Debug, Args)]
pub struct EndFlags {
    /// Replicas to acknowledge an ended session
    #[arg(long, env = "REDIS_WAIT_REPLICAS", default_value_t = 0, value_parser = count(0..=100, 1))]
    redis_wait_replicas: u64,
    #[command(flatten)]
    pub access: AccessTtl,
    /// Seconds the record of an ended session is kept
    #[arg(long, env = "TOMBSTONE_TTL_SECONDS", default_value_t = 86_400, value_parser = seconds(1..=MAX_LIFETIME_SECONDS, 86_400))]
    tombstone_ttl_seconds: u64,
}

impl EndFlags {
    pub fn check(&self, redis: &RedisFlags) -> Result<()> {
        if self.tombstone_ttl() <= redis.timeout() {
            let (seconds, milliseconds) = (self.tombstone_ttl_seconds, redis.redis_timeout_ms);
            bail!(
                "TOMBSTONE_TTL_SECONDS: {seconds} must be longer than REDIS_TIMEOUT_MS, which is {milliseconds}; raise it, such as to 86400"
            );
        }
        Ok(())
    }

    pub fn wait_replicas(&self) -> Result<usize> {
        Ok(usize::try_from(self.redis_wait_replicas)?)
    }

    pub fn tombstone_ttl(&self) -> Duration {
        Duration::from_secs(self.tombstone_ttl_seconds)
    }

    pub fn feed_retention(&self) -> Duration {
        Duration::from_secs(self.access.access_ttl_seconds) + timing::RETENTION_MARGIN
    }
}

/// The settings of a read-only command on a store in use.
#[derive(Debug, Args)]
pub struct OperatorFlags {
    /// Where sessions live: redis; the sessions of an embedded store are inside its own process [default: redis]
    #[arg(long, env = "STORE", hide_possible_values = true)]
    store: Option<StoreKind>,
    #[command(flatten)]
    redis: RedisFlags,
}

impl OperatorFlags {
    pub fn redis(&self) -> Result<RedisSettings> {
        if self.store == Some(StoreKind::Embedded) {
            bail!(
                "STORE: an embedded store keeps its sessions inside its own process; only redis can be looked into"
            );
        }
        Ok(self.redis.settings()?)
    }
}

/// The settings of a command for ending sessions in a store in use.
#[derive(Debug, Args)]
pub struct OperatorEndFlags {
    #[command(flatten)]
    read: OperatorFlags,
    #[command(flatten)]
    ends: EndFlags,
}

impl OperatorEndFlags {
    pub fn settings(&self) -> Result<(RedisSettings, Policy)> {
        self.ends.check(&self.read.redis)?;
        let mut redis = self.read.redis()?;
        redis.link.wait_replicas = self.ends.wait_replicas()?;
        Ok((redis, Policy::only_to_end(self.ends.tombstone_ttl(), self.ends.feed_retention())))
    }
}

fn prefix(text: &str) -> Result<String, &'static str> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-');
    if (1..=32).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 32 of A-Z a-z 0-9 : _ -")
    }
}
