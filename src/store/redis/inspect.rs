//! What `token-gateway check` looks at: whether this Redis can carry the gateway's promises.

use redis::aio::MultiplexedConnection;

use super::RedisSettings;
use super::connection::{Masters, unavailable};
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

/// Asks each master about itself. Needs `INFO`; what only `CONFIG GET` tells is left open where that is denied.
pub async fn inspect(settings: &RedisSettings) -> Result<Vec<Finding>, Error> {
    let mut masters = Masters::open(settings).await?;
    let (layout, several) = (Keys::new(&settings.prefix).layout(), masters.all.len() > 1);
    let found: Option<String> = redis::cmd("GET")
        .arg(&layout)
        .query_async(masters.of(&layout)?)
        .await
        .map_err(|error| unavailable(&error))?;
    let mut findings = vec![layout_version(found.as_deref())];
    for (address, connection) in &mut masters.all {
        for mut finding in of_server(connection, settings).await? {
            if several {
                finding.message = format!("{address}: {}", finding.message);
            }
            findings.push(finding);
        }
    }
    Ok(findings)
}

async fn of_server(
    connection: &mut MultiplexedConnection,
    settings: &RedisSettings,
) -> Result<Vec<Finding>, Error> {
    let answer = redis::cmd("INFO").query_async::<String>(connection).await;
    let info = Info(answer.map_err(|error| unavailable(&error))?);
    let mut findings = vec![version(&info), role(&info), eviction(&info), persistence(&info)];
    findings.extend(replicas(&info, settings.wait_replicas));
    findings.extend(listpack(connection).await);
    if info.get("cluster_enabled") == "1" {
        findings.extend(coverage(connection).await);
    }
    Ok(findings)
}

/// What `INFO` tells that endangers the promises; nothing where it tells nothing.
pub fn dangers(info: &str, wait_replicas: usize) -> Vec<String> {
    let info = Info(info.to_owned());
    if info.get("redis_version").is_empty() {
        return Vec::new();
    }
    let mut findings = vec![version(&info), role(&info), eviction(&info), persistence(&info)];
    findings.extend(replicas(&info, wait_replicas));
    let amiss = findings.into_iter().filter(|finding| finding.severity != Severity::Ok);
    amiss.map(|finding| format!("{}: {}", finding.subject, finding.message)).collect()
}

/// An answer to `INFO`.
struct Info(String);

impl Info {
    /// Empty where it is not told.
    fn get(&self, name: &str) -> &str {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map_or("", str::trim)
    }
}

fn version(info: &Info) -> Finding {
    let (redis, valkey) = (info.get("redis_version"), info.get("valkey_version"));
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

fn role(info: &Info) -> Finding {
    let role = info.get("role");
    if role == "master" {
        return Finding::new(Severity::Ok, "role", "master");
    }
    let message = format!("this server's role is '{role}'; let REDIS_URL point at the master");
    Finding::new(Severity::Problem, "role", message)
}

fn eviction(info: &Info) -> Finding {
    let policy = info.get("maxmemory_policy");
    if policy == "noeviction" {
        return Finding::new(Severity::Ok, "maxmemory-policy", "noeviction");
    }
    let message = format!(
        "maxmemory-policy '{policy}' silently throws sessions and logouts away; set it to noeviction"
    );
    Finding::new(Severity::Problem, "maxmemory-policy", message)
}

fn persistence(info: &Info) -> Finding {
    if info.get("aof_enabled") == "1" {
        return Finding::new(Severity::Ok, "appendonly", "yes");
    }
    let message = "off: a restart of Redis loses what happened since its last snapshot; set appendonly yes";
    Finding::new(Severity::Warning, "appendonly", message)
}

/// How many replicas there are, and whether a master that has lost them stops taking writes.
fn replicas(info: &Info, wait_replicas: usize) -> Vec<Finding> {
    let connected: usize = info.get("connected_slaves").parse().unwrap_or(0);
    let mut findings = Vec::new();
    if connected < wait_replicas {
        let message = format!(
            "{connected}, but REDIS_WAIT_REPLICAS is {wait_replicas}: every logout is answered 503; \
             attach replicas, or lower REDIS_WAIT_REPLICAS"
        );
        findings.push(Finding::new(Severity::Problem, "replicas", message));
    } else {
        findings.push(Finding::new(Severity::Ok, "replicas", connected.to_string()));
    }
    // Only told where it is configured.
    if connected > 0 && info.get("min_slaves_good_slaves").is_empty() {
        let message = "0: a master that was cut off goes on acknowledging what a failover throws away; \
                       set min-replicas-to-write 1 and min-replicas-max-lag 10";
        findings.push(Finding::new(Severity::Warning, "min-replicas-to-write", message));
    }
    findings
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
    let value: u64 = setting(connection, NAME).await?.parse().ok()?;
    Some(if value >= LISTPACK_VALUE {
        Finding::new(Severity::Ok, NAME, value.to_string())
    } else {
        let message =
            format!("{value}: claims above that double the memory of a session; set it to {LISTPACK_VALUE}");
        Finding::new(Severity::Warning, NAME, message)
    })
}

async fn coverage(connection: &mut MultiplexedConnection) -> Option<Finding> {
    const NAME: &str = "cluster-require-full-coverage";
    Some(if setting(connection, NAME).await? == "no" {
        Finding::new(Severity::Ok, NAME, "no")
    } else {
        let message = "yes: while one master is down the users of all others get 503, too; set it to no";
        Finding::new(Severity::Warning, NAME, message)
    })
}

/// What `CONFIG GET` tells; `None` where it is denied.
async fn setting(connection: &mut MultiplexedConnection, name: &str) -> Option<String> {
    let answer: Result<Vec<String>, _> =
        redis::cmd("CONFIG").arg("GET").arg(name).query_async(connection).await;
    answer.ok()?.into_iter().nth(1)
}
