//! What `token-gateway check` looks at: whether this Redis can carry the gateway's promises.

use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;

use super::RedisSettings;
use super::keys::{Keys, LAYOUT_VERSION};
use crate::store::Error;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Ok,
    /// It works, but something is slower, larger or less durable than it should be.
    Warning,
    /// A promise of the gateway does not hold.
    Problem,
}

/// One thing looked at: what was found, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub subject: &'static str,
    pub message: String,
}

impl Finding {
    pub fn new(severity: Severity, subject: &'static str, message: impl Into<String>) -> Self {
        Self { severity, subject, message: message.into() }
    }
}

/// Smallest `hash-max-listpack-value`, in bytes, that keeps a session with claims compact.
const LISTPACK_VALUE: u64 = 2048;

/// Asks Redis about itself. Needs `INFO`; what only `CONFIG GET` tells is left open where that is denied.
pub async fn inspect(settings: &RedisSettings) -> Result<Vec<Finding>, Error> {
    let unavailable = |error: redis::RedisError| Error::Unavailable(error.to_string());
    let client = settings.server().and_then(redis::Client::open).map_err(unavailable)?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(1)))
        .set_response_timeout(Some(settings.timeout));
    let mut connection =
        client.get_multiplexed_async_connection_with_config(&config).await.map_err(unavailable)?;
    let info: redis::InfoDict = redis::cmd("INFO").query_async(&mut connection).await.map_err(unavailable)?;
    let layout: Option<String> = redis::cmd("GET")
        .arg(Keys::new(&settings.prefix).layout())
        .query_async(&mut connection)
        .await
        .map_err(unavailable)?;
    let text = |name: &str| info.get::<String>(name).unwrap_or_default();
    let mut findings = vec![
        version(&text("redis_version"), &text("valkey_version")),
        role(&text("role")),
        eviction(&text("maxmemory_policy")),
        persistence(&text("aof_enabled")),
        layout_version(layout.as_deref()),
    ];
    findings.extend(listpack(&mut connection).await);
    Ok(findings)
}

/// What `INFO memory` tells that endangers the promises; nothing where it tells nothing.
pub fn dangers(info: &str) -> Vec<String> {
    let policy = info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"));
    let finding = policy.map(|policy| eviction(policy.trim()));
    finding.into_iter().filter(|it| it.severity != Severity::Ok).map(|it| it.message).collect()
}

fn version(redis: &str, valkey: &str) -> Finding {
    let (name, found, needed) =
        if valkey.is_empty() { ("Redis", redis, (7, 0)) } else { ("Valkey", valkey, (7, 2)) };
    let mut parts = found.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let have = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if have >= needed {
        Finding::new(Severity::Ok, "version", format!("{name} {found}"))
    } else {
        let message = format!("{name} {found} is too old; run {name} {}.{} or newer", needed.0, needed.1);
        Finding::new(Severity::Problem, "version", message)
    }
}

fn role(role: &str) -> Finding {
    if role == "master" {
        return Finding::new(Severity::Ok, "role", "master");
    }
    let message = format!("this server's role is '{role}'; let REDIS_URL point at the master");
    Finding::new(Severity::Problem, "role", message)
}

fn eviction(policy: &str) -> Finding {
    if policy == "noeviction" {
        return Finding::new(Severity::Ok, "maxmemory-policy", "noeviction");
    }
    let message = format!(
        "maxmemory-policy '{policy}' silently throws sessions and logouts away; set it to noeviction"
    );
    Finding::new(Severity::Problem, "maxmemory-policy", message)
}

fn persistence(aof_enabled: &str) -> Finding {
    if aof_enabled == "1" {
        return Finding::new(Severity::Ok, "appendonly", "yes");
    }
    let message = "off: a restart of Redis loses what happened since its last snapshot; set appendonly yes";
    Finding::new(Severity::Warning, "appendonly", message)
}

fn layout_version(found: Option<&str>) -> Finding {
    match found {
        None => Finding::new(Severity::Ok, "layout", "none yet; the first node writes it"),
        Some(version) if version == LAYOUT_VERSION.to_string() => {
            Finding::new(Severity::Ok, "layout", format!("version {version}"))
        }
        Some(version) => {
            let message =
                format!("version '{version}', but this release knows {LAYOUT_VERSION}; see migrations-notes");
            Finding::new(Severity::Problem, "layout", message)
        }
    }
}

async fn listpack(connection: &mut MultiplexedConnection) -> Option<Finding> {
    const NAME: &str = "hash-max-listpack-value";
    let answer: Result<Vec<String>, _> =
        redis::cmd("CONFIG").arg("GET").arg(NAME).query_async(connection).await;
    let value: u64 = answer.ok()?.get(1)?.parse().ok()?;
    Some(if value >= LISTPACK_VALUE {
        Finding::new(Severity::Ok, NAME, value.to_string())
    } else {
        let message =
            format!("{value}: claims above that double the memory of a session; set it to {LISTPACK_VALUE}");
        Finding::new(Severity::Warning, NAME, message)
    })
}
