//! Settings: their sources, their limits, and the plain data made of them.
//!
//! Each setting is an environment variable. It is also a flag unless it is a secret, because a flag shows in `ps`. A
//! flag wins. Empty means unset. A secret can also come as a file, named by `<NAME>_FILE`. A wrong value stops the
//! start with one line. The line names the setting, and never repeats a secret.

mod addresses;
mod api_docs;
mod arrival;
pub mod catalog;
mod exposed_files;
pub mod file_access;
pub mod groups;
mod invalid_value;
mod lifetimes;
mod missing_value;
mod number;
mod secrets;
mod setting;
mod settings_error;
mod signing_keys;
mod store_flags;
mod tls_files;
mod verify_flags;
mod wrong_value;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use ipnet::{IpNet, Ipv4Net};
use token_gateway_core::checker::Rules;
use token_gateway_core::token::{Alg, Secret};

pub use self::addresses::{issuer, issuer_doubt, socket_address};
pub use self::api_docs::ApiDocs;
use self::api_docs::ApiDocsFlag;
pub use self::arrival::wrong_values;
pub use self::exposed_files::SecretFiles;
use self::invalid_value::entry;
pub use self::invalid_value::{InvalidValue, check_value};
pub use self::lifetimes::KnownMaxAge;
use self::lifetimes::{MAX_LIFETIME_SECONDS, RefreshTtl, max_age};
pub use self::number::{count, port, seconds};
use self::secrets::{check_secrets, secret};
pub use self::secrets::{
    line_end_warnings, random_password, random_secret, redis_url_help, secret_names, secrets_help,
    variable_is_set,
};
pub use self::setting::parted;
use self::settings_error::Required;
pub use self::settings_error::SettingsError;
use self::signing_keys::{KeyFlags, LoadedKeys};
pub use self::signing_keys::{KeySetSource, KeySetStamp, KeySettings, KeySource, alg_parser, read_key_set};
use self::store_flags::{EndFlags, RedisFlags, StoreKind};
pub use self::store_flags::{OperatorEndFlags, OperatorFlags};
use self::verify_flags::VerifyFlags;
pub use self::wrong_value::wrong_value;
use crate::gateway::GatewaySettings;
use crate::gateway::service_keys::{NewServiceKey, ServiceKeys};
pub use crate::shown_value::{may_hold_secret, place};
use crate::store::redis::RedisSettings;
use crate::store::{Policy, ReuseScope};
use crate::telemetry::logging::{LogFilter, LogFormat};
use crate::token::key_set::KeySet;
use crate::token::{Keyring, TokenSettings};

/// A refresh's store call takes less than this, unless it is held up; see `Policy::held_up`.
const REFRESH_HELD_UP: Duration = Duration::from_millis(5);

/// The longest time between failing readiness and the close of the listener; at most a tenth of the grace. The server
/// looks only once a second whether its last request has ended, and an idle node must be gone 3 s after SIGTERM.
const UNREADY_BEFORE_CLOSE: Duration = Duration::from_millis(1500);

impl ValueEnum for ReuseScope {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Subject, Self::Session]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

/// The settings without the secrets, as flags and environment variables.
#[derive(Debug, Args)]
pub struct Flags {
    /// Listening address; port 0 picks one, named by the log line [default: 127.0.0.1:8080]
    #[arg(long, env = "BIND_ADDR", value_parser = socket_address)]
    bind_addr: Option<SocketAddr>,
    /// Without BIND_ADDR: listen on 0.0.0.0:PORT
    #[arg(long, env = "PORT", value_parser = port)]
    port: Option<u16>,
    /// Address of /metrics and of /readyz in full [default: none; in dev a free port on loopback]
    #[arg(long, env = "ADMIN_ADDR", value_parser = socket_address)]
    admin_addr: Option<SocketAddr>,
    #[command(flatten)]
    api_docs: ApiDocsFlag,
    /// Proxies, as addresses or CIDRs, comma-separated, whose X-Forwarded-For names the address of a client. The alarm of a theft shows it: personal data
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_parser = trusted_proxy)]
    trusted_proxies: Vec<IpNet>,
    /// HTTP worker threads [default: one per core]
    #[arg(long, env = "WORKERS", value_parser = count(1..=1024, 4))]
    workers: Option<u64>,
    /// Where sessions live; the embedded store forgets all at exit [default: redis; in dev embedded without REDIS_URL]
    #[arg(long, env = "STORE")]
    store: Option<StoreKind>,
    #[command(flatten)]
    redis: RedisFlags,
    /// Store calls in flight; beyond it a request waits at most 100 ms, then 503. Half of them is for refreshes and logouts
    /// alone. Each worker has at least two
    #[arg(long, env = "REDIS_MAX_IN_FLIGHT", default_value_t = 1024, value_parser = count(1..=1_000_000, 1024))]
    redis_max_in_flight: u64,
    /// `iss` of all tokens: an http(s) URL without query and fragment [required; in dev its own address]
    #[arg(long, env = "ISSUER", value_parser = issuer)]
    issuer: Option<String>,
    /// `aud` of access tokens where the session names none
    #[arg(long, env = "AUDIENCE", default_value = "api", value_parser = audience)]
    audience: String,
    /// Audiences, comma-separated, whose verifiers want the header `typ: JWT` instead of `at+jwt`
    #[arg(long, env = "TYP_JWT_AUDIENCES", value_delimiter = ',', value_parser = listed_audience)]
    typ_jwt_audiences: Vec<String>,
    /// Audiences, comma-separated, whose access tokens may list and end the sessions of their user at /v1/me [default: the one in AUDIENCE]
    #[arg(long, env = "ME_AUDIENCES", value_delimiter = ',', value_parser = listed_audience)]
    me_audiences: Vec<String>,
    #[command(flatten)]
    keys: KeyFlags,
    #[command(flatten)]
    ends: EndFlags,
    #[command(flatten)]
    verify: VerifyFlags,
    #[command(flatten)]
    refresh: RefreshTtl,
    /// Seconds a session lives however often it is refreshed; 0 = no limit. A lower value holds for older sessions, too; a
    /// higher one extends none
    #[arg(long, env = "SESSION_MAX_AGE_SECONDS", default_value_t = 7_776_000, value_parser = seconds(0..=MAX_LIFETIME_SECONDS, 7_776_000))]
    session_max_age_seconds: u64,
    /// Seconds (0-60) after a rotation in which the token just superseded gets the same successor, too, until it is used; a
    /// thief within them is not seen
    #[arg(long, env = "REFRESH_GRACE_SECONDS", default_value_t = 0, value_parser = seconds(0..=60, 5))]
    refresh_grace_seconds: u64,
    /// The sessions that end when a superseded refresh token comes back
    #[arg(long, env = "REUSE_SCOPE", default_value = "subject")]
    reuse_scope: ReuseScope,
    /// Live sessions of one subject (1-1000); a further one ends the least recently refreshed. Above 64 sessions, the
    /// one among 64 drawn at random
    #[arg(long, env = "MAX_SESSIONS_PER_SUBJECT", default_value_t = 100, value_parser = count(1..=1000, 100))]
    max_sessions_per_subject: u64,
    /// Seconds for requests in flight to finish when the node is told to stop
    #[arg(long, env = "SHUTDOWN_GRACE_SECONDS", default_value_t = 20, value_parser = seconds(0..=3600, 20))]
    shutdown_grace_seconds: u64,
    /// Log lines to write: a level (off, error, warn, info, debug, trace) and target=level pairs, comma-separated; `info,access=off` silences access lines, `info,token_gateway::gateway::theft=off` the alarm of a theft, which holds personal data
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    rust_log: LogFilter,
    /// Log lines for people or for machines
    #[arg(long, env = "LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
}

/// The complete settings of a node.
#[derive(Debug, Clone)]
pub struct Settings {
    pub workers: usize,
    pub admin: Option<SocketAddr>,
    pub api_docs: ApiDocs,
    /// Their `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    pub store: StoreSettings,
    pub policy: Policy,
    pub tokens: TokenSettings,
    pub keys: KeySource,
    /// The keys of `keys` at the time the settings were read.
    pub keyring: Arc<Keyring>,
    pub keys_stamp: KeySetStamp,
    pub services: Arc<ServiceKeys>,
    pub gateway: GatewaySettings,
    pub secret_files: SecretFiles,
    /// How `/verify` decides.
    pub verify: Rules,
    pub shutdown_grace: Duration,
    /// Readiness fails this long before the listener closes, so load balancers look elsewhere first.
    pub unready_first: Duration,
}

#[derive(Debug, Clone)]
pub enum StoreSettings {
    Redis(RedisSettings),
    Embedded,
}

/// The settings of `dev`, with the service key for this run.
pub struct DevSettings {
    pub settings: Settings,
    pub key: String,
    /// The names of the services in `SERVICE_KEYS`, whose keys work, too.
    pub services: Vec<String>,
}

impl Flags {
    pub fn address(&self) -> SocketAddr {
        match (self.bind_addr, self.port) {
            (Some(address), _) => address,
            (None, Some(port)) => (Ipv4Addr::UNSPECIFIED, port).into(),
            (None, None) => (Ipv4Addr::LOCALHOST, 8080).into(),
        }
    }

    pub fn log(&self) -> (&LogFilter, LogFormat) {
        (&self.rust_log, self.log_format)
    }

    /// The settings of `serve`.
    pub fn settings(&self) -> Result<Settings, SettingsError> {
        let mut wrong = check_secrets();
        let issuer = wrong.demand(Required::Issuer, self.issuer.clone());
        let keys = self.keys.load(&mut wrong);
        let services = wrong.note(secret("SERVICE_KEYS"));
        let services = services.and_then(|text| wrong.demand(Required::ServiceKeys, text));
        let services = services.and_then(|text| wrong.note_of("SERVICE_KEYS", text.parse()));
        let store = match self.store.unwrap_or(StoreKind::Redis) {
            StoreKind::Redis => wrong.note(self.redis()).map(StoreSettings::Redis),
            StoreKind::Embedded => Some(StoreSettings::Embedded),
        };
        self.check_together(issuer.as_deref(), &mut wrong);
        let parts = issuer.zip(store).zip(services).zip(keys);
        let (((issuer, store), services), keys) = wrong.unless_wrong(parts)?;
        Ok(self.assemble(issuer, store, services, keys))
    }

    /// The settings of `dev`: missing ones are made up, and a service key is added to those of `SERVICE_KEYS`.
    pub fn dev_settings(&self, address: SocketAddr) -> Result<DevSettings> {
        check_secrets().unless_wrong(Some(()))?;
        let issuer = self.issuer.clone().unwrap_or_else(|| format!("http://{address}"));
        let embedded = StoreKind::Embedded;
        let kind =
            self.store.unwrap_or(if secret("REDIS_URL")?.is_some() { StoreKind::Redis } else { embedded });
        let store = match kind {
            StoreKind::Redis => StoreSettings::Redis(self.redis()?),
            StoreKind::Embedded => StoreSettings::Embedded,
        };
        let fresh = NewServiceKey::generate("dev", &[])?;
        let parsed = |keys: &str| {
            let keys: Result<ServiceKeys, _> = keys.parse();
            keys.map_err(|error| anyhow!("SERVICE_KEYS: {error}"))
        };
        let own = secret("SERVICE_KEYS")?;
        let services = parsed(&[own.as_deref().unwrap_or_default(), &fresh.entry].join(","))?;
        let own = own.map(|own| parsed(&own)).transpose()?;
        let mut keys = self.keys.source()?;
        if keys.secrets.refresh.is_none() {
            keys.secrets.refresh = Some(Secret::parse(&random_secret())?);
        }
        if keys.secrets.signing.is_none() && matches!(keys.set, KeySetSource::None) {
            keys.set = KeySetSource::Made(KeySet::generate(Alg::Es256));
        }
        let mut wrong = SettingsError::default();
        self.check_together(Some(&issuer), &mut wrong);
        wrong.unless_wrong(Some(()))?;
        let (keyring, stamp) = keys.load()?;
        let mut settings =
            self.assemble(issuer, store, services, LoadedKeys { source: keys, keyring, stamp });
        settings.admin = settings.admin.or(Some((Ipv4Addr::LOCALHOST, 0).into()));
        settings.api_docs = self.api_docs.or(ApiDocs::Public);
        settings.unready_first = Duration::ZERO; // there is no load balancer
        let services = own.iter().flat_map(ServiceKeys::names).map(str::to_owned).collect();
        Ok(DevSettings { settings, key: fresh.key, services })
    }

    /// Whether sessions live in the process itself.
    pub fn is_embedded(&self) -> bool {
        self.store == Some(StoreKind::Embedded)
    }

    /// The settings of Redis, even if other settings are missing.
    pub fn redis(&self) -> Result<RedisSettings> {
        let mut redis = self.redis.settings()?;
        redis.link.max_in_flight = usize::try_from(self.redis_max_in_flight)?;
        redis.link.wait_replicas = self.ends.wait_replicas()?;
        Ok(redis)
    }

    /// Checks settings that must fit each other.
    fn check_together(&self, issuer: Option<&str>, wrong: &mut SettingsError) {
        if Some(self.audience.as_str()) == issuer {
            wrong.note(refused("AUDIENCE: must differ from ISSUER, which is the audience of refresh tokens"));
        }
        if issuer.is_some_and(|issuer| self.me_audiences.iter().any(|audience| audience == issuer)) {
            wrong
                .note(refused("ME_AUDIENCES: must not hold ISSUER, which is the audience of refresh tokens"));
        }
        wrong.note(self.ends.check(&self.redis));
        let (access, refresh) = (self.ends.access.access_ttl_seconds, self.refresh.refresh_ttl_seconds);
        if access > refresh {
            wrong.note(refused(format!(
                "ACCESS_TTL_SECONDS: {access} must not exceed REFRESH_TTL_SECONDS, which is {refresh}; lower it, or raise the other"
            )));
        }
    }

    fn assemble(
        &self,
        issuer: String,
        store: StoreSettings,
        services: ServiceKeys,
        keys: LoadedKeys,
    ) -> Settings {
        let seconds = Duration::from_secs;
        Settings {
            workers: match self.workers {
                Some(workers) => usize::try_from(workers).unwrap_or(usize::MAX),
                None => std::thread::available_parallelism().map_or(1, usize::from),
            },
            admin: self.admin_addr,
            api_docs: self.api_docs.or(ApiDocs::Admin),
            trusted_proxies: self.trusted_proxies.clone(),
            store,
            policy: self.policy(),
            tokens: TokenSettings {
                issuer: issuer.clone(),
                access_ttl: seconds(self.ends.access.access_ttl_seconds),
                refresh_ttl: seconds(self.refresh.refresh_ttl_seconds),
                jwt_audiences: self.typ_jwt_audiences.clone(),
            },
            keys: keys.source,
            keyring: Arc::new(keys.keyring),
            keys_stamp: keys.stamp,
            services: Arc::new(services),
            secret_files: SecretFiles::with([self.keys.secret_file(), self.redis.secret_file()]),
            verify: Rules {
                issuer: issuer.clone(),
                audiences: vec![self.audience.clone()],
                takes_typ_jwt: self.typ_jwt_audiences.contains(&self.audience),
                max_stale: self.verify.max_stale(),
                goes_on_when_stale: self.verify.accepts_when_stale(),
            },
            gateway: GatewaySettings {
                issuer,
                audience: self.audience.clone(),
                me_audiences: self.me_audiences(),
                store_timeout: self.redis.timeout(),
                jwks_max_age: self.keys.jwks_max_age(),
            },
            shutdown_grace: seconds(self.shutdown_grace_seconds),
            unready_first: UNREADY_BEFORE_CLOSE.min(seconds(self.shutdown_grace_seconds) / 10),
        }
    }

    fn me_audiences(&self) -> Vec<String> {
        if self.me_audiences.is_empty() { vec![self.audience.clone()] } else { self.me_audiences.clone() }
    }

    fn policy(&self) -> Policy {
        let seconds = Duration::from_secs;
        Policy {
            refresh_ttl: seconds(self.refresh.refresh_ttl_seconds),
            session_max_age: max_age(self.session_max_age_seconds),
            refresh_grace: seconds(self.refresh_grace_seconds),
            reuse_scope: self.reuse_scope,
            held_up: REFRESH_HELD_UP,
            max_sessions: usize::try_from(self.max_sessions_per_subject).unwrap_or(usize::MAX),
            tombstone_ttl: self.ends.tombstone_ttl(),
            feed_retention: self.ends.feed_retention(),
        }
    }
}

fn refused(text: impl Into<String>) -> Result<()> {
    Err(anyhow!(text.into()))
}

fn audience(text: &str) -> Result<String, &'static str> {
    if (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 255 visible ASCII characters")
    }
}

fn listed_audience(text: &str) -> Result<String, &'static str> {
    audience(entry(text))
}

/// A network, or one address. IPv4 inside of IPv6 counts as IPv4, as addresses do.
fn trusted_proxy(text: &str) -> Result<IpNet, &'static str> {
    let text = entry(text);
    let address = || text.parse::<IpAddr>().map(|address| address.to_canonical().into()).ok();
    let network: IpNet = text
        .parse()
        .ok()
        .or_else(address)
        .ok_or("must be addresses or CIDRs, comma-separated, such as 10.0.0.0/8")?;
    let mapped = match network {
        IpNet::V6(network) => network.addr().to_ipv4_mapped().zip(network.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    let within = mapped.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok());
    Ok(within.map_or(network, IpNet::V4).trunc())
}
