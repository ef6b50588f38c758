//! Settings: where they come from, what they may be, and the plain data they become.
//!
//! Each setting is an environment variable, and a flag unless it is a secret (a flag shows in `ps`). A flag
//! wins. Empty means unset. A secret also comes as a file, named by `<NAME>_FILE`. A wrong value stops the
//! start with one line that names the setting, and never repeats a secret.

mod secrets;
mod store;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use self::secrets::secret;
pub use self::secrets::{REDIS_URL_HELP, SECRETS_HELP, random as random_secret, random_password};
use self::store::{EndFlags, RedisFlags};
pub use self::store::{Ending, Outside};
use crate::gateway::GatewaySettings;
use crate::gateway::service_keys::{NewServiceKey, ServiceKeys};
use crate::store::redis::RedisSettings;
use crate::store::{Policy, ReuseScope};
use crate::telemetry::logging::{LogFormat, check_filter};
use crate::token::{Secret, TokenSettings};

/// Ten years in seconds: lifetimes beyond it are typing errors.
const TEN_YEARS: u64 = 315_360_000;

/// The longest that readiness fails before the listener closes; at most a tenth of the grace.
const UNREADY_FIRST: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StoreKind {
    Redis,
    Embedded,
}

impl ValueEnum for ReuseScope {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Subject, Self::Session]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

/// The settings that are no secrets, as flags and environment variables.
#[derive(Debug, Args)]
pub struct Flags {
    /// Listening address; port 0 picks one and the log line says which [default: 127.0.0.1:8080]
    #[arg(long, env = "BIND_ADDR")]
    bind_addr: Option<SocketAddr>,
    /// Without BIND_ADDR: listen on 0.0.0.0:PORT
    #[arg(long, env = "PORT")]
    port: Option<u16>,
    /// Address of /metrics and of /readyz in full [default: none; in dev a free port on loopback]
    #[arg(long, env = "ADMIN_ADDR")]
    admin_addr: Option<SocketAddr>,
    /// HTTP worker threads [default: one per core]
    #[arg(long, env = "WORKERS", value_parser = clap::value_parser!(u64).range(1..=1024))]
    workers: Option<u64>,
    /// Where sessions live; the embedded store forgets all at exit [default: redis; in dev embedded unless REDIS_URL is set]
    #[arg(long, env = "STORE")]
    store: Option<StoreKind>,
    #[command(flatten)]
    redis: RedisFlags,
    /// Store calls in flight; beyond it a request waits at most 100 ms, then 503
    #[arg(long, env = "REDIS_MAX_IN_FLIGHT", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    redis_max_in_flight: u64,
    /// `iss` of all tokens: an http(s) URL without query and fragment [required; in dev its own address]
    #[arg(long, env = "ISSUER", value_parser = issuer)]
    issuer: Option<String>,
    /// `aud` of access tokens where the session names none
    #[arg(long, env = "AUDIENCE", default_value = "api", value_parser = audience)]
    audience: String,
    /// Path of a private JWK Set; not supported by this release
    #[arg(long, env = "SIGNING_KEYS")]
    signing_keys: Option<String>,
    #[command(flatten)]
    ends: EndFlags,
    /// Seconds a refresh token, and a session that is not refreshed, lives
    #[arg(long, env = "REFRESH_TTL_SECONDS", default_value_t = 604_800, value_parser = clap::value_parser!(u64).range(1..=TEN_YEARS))]
    refresh_ttl_seconds: u64,
    /// Seconds a session lives however often it is refreshed; 0 = no limit
    #[arg(long, env = "SESSION_MAX_AGE_SECONDS", default_value_t = 7_776_000, value_parser = clap::value_parser!(u64).range(0..=TEN_YEARS))]
    session_max_age_seconds: u64,
    /// Seconds (0-60) for which a superseded refresh token still gets the same successor; a thief who comes within them is not seen
    #[arg(long, env = "REFRESH_GRACE_SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=60))]
    refresh_grace_seconds: u64,
    /// What ends when a superseded refresh token comes back
    #[arg(long, env = "REUSE_SCOPE", default_value = "subject")]
    reuse_scope: ReuseScope,
    /// Live sessions of one subject (1-1000); a further one ends the least recently refreshed
    #[arg(long, env = "MAX_SESSIONS_PER_SUBJECT", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1000))]
    max_sessions_per_subject: u64,
    /// Seconds that requests in flight have to finish when the node is told to stop
    #[arg(long, env = "SHUTDOWN_GRACE_SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=3600))]
    shutdown_grace_seconds: u64,
    /// Which log lines: a level, or target=level pairs; `access=off` silences access lines
    #[arg(long, env = "RUST_LOG", default_value = "info", value_parser = filter)]
    rust_log: String,
    /// Log lines for people or for machines
    #[arg(long, env = "LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
}

/// All that a node needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    pub workers: usize,
    pub admin: Option<SocketAddr>,
    pub store: StoreSettings,
    pub policy: Policy,
    pub tokens: TokenSettings,
    pub services: Arc<ServiceKeys>,
    pub gateway: GatewaySettings,
    pub shutdown_grace: Duration,
    /// Readiness fails for so long before the listener closes, so that load balancers look elsewhere first.
    pub unready_first: Duration,
}

#[derive(Debug, Clone)]
pub enum StoreSettings {
    Redis(RedisSettings),
    Embedded,
}

impl Flags {
    pub fn address(&self) -> SocketAddr {
        match (self.bind_addr, self.port) {
            (Some(address), _) => address,
            (None, Some(port)) => (Ipv4Addr::UNSPECIFIED, port).into(),
            (None, None) => (Ipv4Addr::LOCALHOST, 8080).into(),
        }
    }

    pub fn log(&self) -> (&str, LogFormat) {
        (&self.rust_log, self.log_format)
    }

    /// The settings of `serve`.
    pub fn settings(&self) -> Result<Settings> {
        if self.signing_keys.is_some() {
            bail!("SIGNING_KEYS: key sets are not supported by this release; set SIGNING_SECRET instead");
        }
        let issuer =
            self.issuer.clone().context("ISSUER: is missing; set it to this gateway's public URL")?;
        let store = match self.store.unwrap_or(StoreKind::Redis) {
            StoreKind::Redis => StoreSettings::Redis(self.redis()?),
            StoreKind::Embedded => StoreSettings::Embedded,
        };
        let services = required("SERVICE_KEYS")?.parse().map_err(|error| anyhow!("SERVICE_KEYS: {error}"))?;
        self.assemble(
            issuer,
            store,
            services,
            parse_secret("SIGNING_SECRET", &required("SIGNING_SECRET")?)?,
            parse_secret("REFRESH_SECRET", &required("REFRESH_SECRET")?)?,
        )
    }

    /// The settings of `dev`: what is missing is made up, and a service key comes with them.
    pub fn dev_settings(&self, address: SocketAddr) -> Result<(Settings, NewServiceKey)> {
        let issuer = self.issuer.clone().unwrap_or_else(|| format!("http://{address}"));
        let embedded = StoreKind::Embedded;
        let kind =
            self.store.unwrap_or(if secret("REDIS_URL")?.is_some() { StoreKind::Redis } else { embedded });
        let store = match kind {
            StoreKind::Redis => StoreSettings::Redis(self.redis()?),
            StoreKind::Embedded => StoreSettings::Embedded,
        };
        let key = NewServiceKey::generate("dev", &[])?;
        let keys = [secret("SERVICE_KEYS")?.unwrap_or_default(), key.entry.clone()].join(",");
        let services = keys.parse().map_err(|error| anyhow!("SERVICE_KEYS: {error}"))?;
        let given_or_random = |name| match secret(name)? {
            Some(text) => parse_secret(name, &text),
            None => parse_secret(name, &random_secret()),
        };
        let (signing, refresh) = (given_or_random("SIGNING_SECRET")?, given_or_random("REFRESH_SECRET")?);
        let mut settings = self.assemble(issuer, store, services, signing, refresh)?;
        settings.admin = settings.admin.or(Some((Ipv4Addr::LOCALHOST, 0).into()));
        settings.unready_first = Duration::ZERO; // there is no load balancer
        Ok((settings, key))
    }

    /// How Redis is reached, whatever else is missing.
    pub fn redis(&self) -> Result<RedisSettings> {
        let wait_replicas = self.ends.wait_replicas()?;
        Ok(RedisSettings {
            max_in_flight: usize::try_from(self.redis_max_in_flight)?,
            wait_replicas,
            ..self.redis.settings()?
        })
    }

    fn assemble(
        &self,
        issuer: String,
        store: StoreSettings,
        services: ServiceKeys,
        signing_secret: Secret,
        refresh_secret: Secret,
    ) -> Result<Settings> {
        let previous = secret("REFRESH_SECRET_PREVIOUS")?;
        let refresh_secret_previous =
            previous.map(|text| parse_secret("REFRESH_SECRET_PREVIOUS", &text)).transpose()?;
        if signing_secret == refresh_secret {
            bail!("REFRESH_SECRET: must differ from SIGNING_SECRET, which verifiers may hold");
        }
        if refresh_secret_previous.as_ref() == Some(&signing_secret) {
            bail!("REFRESH_SECRET_PREVIOUS: must differ from SIGNING_SECRET, which verifiers may hold");
        }
        if self.audience == issuer {
            bail!("AUDIENCE: must differ from ISSUER, which is the audience of refresh tokens");
        }
        self.ends.check(&self.redis)?;
        if self.ends.access_ttl_seconds > self.refresh_ttl_seconds {
            bail!("ACCESS_TTL_SECONDS: must not exceed REFRESH_TTL_SECONDS");
        }
        let seconds = Duration::from_secs;
        Ok(Settings {
            workers: match self.workers {
                Some(workers) => usize::try_from(workers)?,
                None => std::thread::available_parallelism().map_or(1, usize::from),
            },
            admin: self.admin_addr,
            store,
            policy: self.policy(),
            tokens: TokenSettings {
                issuer: issuer.clone(),
                signing_secret,
                refresh_secret,
                refresh_secret_previous,
                access_ttl: seconds(self.ends.access_ttl_seconds),
                refresh_ttl: seconds(self.refresh_ttl_seconds),
            },
            services: Arc::new(services),
            gateway: GatewaySettings {
                issuer,
                audience: self.audience.clone(),
                store_timeout: self.redis.timeout(),
            },
            shutdown_grace: seconds(self.shutdown_grace_seconds),
            unready_first: UNREADY_FIRST.min(seconds(self.shutdown_grace_seconds) / 10),
        })
    }

    fn policy(&self) -> Policy {
        let seconds = Duration::from_secs;
        Policy {
            refresh_ttl: seconds(self.refresh_ttl_seconds),
            session_max_age: Some(self.session_max_age_seconds).filter(|age| *age > 0).map(seconds),
            refresh_grace: seconds(self.refresh_grace_seconds),
            reuse_scope: self.reuse_scope,
            max_sessions: usize::try_from(self.max_sessions_per_subject).unwrap_or(usize::MAX),
            tombstone_ttl: self.ends.tombstone_ttl(),
            feed_retention: self.ends.feed_retention(),
        }
    }
}

fn required(name: &str) -> Result<String> {
    secret(name)?.with_context(|| format!("{name}: is missing; `token-gateway init` writes a complete .env"))
}

fn parse_secret(name: &str, text: &str) -> Result<Secret> {
    Secret::parse(text).map_err(|error| anyhow!("{name}: {error}"))
}

/// An issuer identifier (RFC 8414 section 2); plain http is for development.
pub fn issuer(text: &str) -> Result<String, &'static str> {
    let plain = text.bytes().all(|b| b.is_ascii_graphic());
    let url =
        url::Url::parse(text).ok().filter(|_| plain).filter(|url| matches!(url.scheme(), "http" | "https"));
    match url {
        Some(url) if url.has_host() && url.query().is_none() && url.fragment().is_none() => {
            Ok(text.to_owned())
        }
        _ => Err("must be an http(s) URL without query and fragment"),
    }
}

fn audience(text: &str) -> Result<String, &'static str> {
    if (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 255 visible ASCII characters")
    }
}

fn filter(text: &str) -> Result<String, String> {
    check_filter(text).map(|()| text.to_owned())
}
