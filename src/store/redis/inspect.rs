//! The checks of `token-gateway check`: whether this Redis can carry the gateway's promises.

mod default_user;

use redis::Pipeline;
use redis::aio::MultiplexedConnection;
use token_gateway_redis_link::address::Topology;
use token_gateway_redis_link::{Primaries, optional_text, unavailable};

use super::keys::{Keys, LAYOUT_VERSION};
use super::settings::RedisSettings;
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

/// One result of a check, and how to mend a fault.
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

/// The demands on a deployment, from its settings.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Replicas to acknowledge an ended session.
    wait_replicas: usize,
    /// Another server should take over from a lost primary.
    successor: bool,
}

impl Wanted {
    pub fn of(settings: &RedisSettings) -> Result<Self, Error> {
        let successor = !matches!(settings.link.parse()?.topology, Topology::Standalone(_));
        Ok(Self { wait_replicas: settings.link.wait_replicas, successor })
    }
}

/// Smallest `hash-max-listpack-value`, in bytes, that keeps a session with claims compact.
const LISTPACK_VALUE: u64 = 2048;

/// Asks each primary about itself. Needs `INFO`. Facts known only from `CONFIG GET` are left open where it is denied.
pub async fn inspect(settings: &RedisSettings) -> Result<Vec<Finding>, Error> {
    let (mut primaries, wanted) = (Primaries::open(&settings.link).await?, Wanted::of(settings)?);
    let keys = Keys::new(&settings.prefix);
    let (layout, several) = (keys.layout(), primaries.all.len() > 1);
    let found: Option<String> = redis::cmd("GET")
        .arg(&layout)
        .query_async(primaries.owner(&layout)?)
        .await
        .map_err(|error| unavailable(&error))?;
    let mut findings = vec![layout_version(found.as_deref())];
    for (address, connection) in &mut primaries.all {
        for mut finding in of_server(connection, &keys, wanted).await? {
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
    keys: &Keys,
    wanted: Wanted,
) -> Result<Vec<Finding>, Error> {
    let questions = questions(keys);
    let answers = connection.send_packed_commands(&questions, 0, questions.len()).await;
    let answers =
        answers.and_then(|answers| answers.into_iter().map(optional_text).collect::<Result<Vec<_>, _>>());
    let answers = answers.map_err(|error| unavailable(&error))?;
    let Some(info) = answers.first().cloned().flatten() else {
        return Err(Error::Unavailable("Redis lets this user not ask for INFO; grant it +info".to_owned()));
    };
    let info = Info(info);
    let mut findings = of_info(&info, &answers[1..], wanted);
    findings.extend(listpack(connection).await);
    if info.get("cluster_enabled") == "1" {
        findings.extend(coverage(connection).await);
    }
    Ok(findings)
}

/// The questions to each primary, asked in one round trip. The answer to `INFO` comes first.
pub fn questions(keys: &Keys) -> Pipeline {
    let mut all = redis::pipe();
    all.cmd("INFO");
    default_user::questions(keys).for_each(|question| _ = all.add_command(question));
    all
}

/// Dangers to the promises, found in the answers; none without an answer to `INFO`.
pub fn dangers(answers: &[Option<String>], wanted: Wanted) -> Vec<String> {
    let Some((Some(info), rest)) = answers.split_first() else { return Vec::new() };
    let info = Info(info.clone());
    if info.get("redis_version").is_empty() {
        return Vec::new();
    }
    let amiss = of_info(&info, rest, wanted).into_iter().filter(|finding| finding.severity != Severity::Ok);
    amiss.map(|finding| format!("{}: {}", finding.subject, finding.message)).collect()
}

fn of_info(info: &Info, of_default_user: &[Option<String>], wanted: Wanted) -> Vec<Finding> {
    let mut findings = vec![
        version(info),
        role(info),
        eviction(info),
        persistence(info),
        default_user::finding(info, of_default_user),
        replicas(info, wanted),
    ];
    findings.extend(min_replicas(info));
    findings
}

/// An answer to `INFO`.
struct Info(String);

impl Info {
    /// The value of a field; empty where it is missing.
    fn get(&self, name: &str) -> &str {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map_or("", str::trim)
    }

    fn replicas(&self) -> usize {
        self.get("connected_slaves").parse().unwrap_or(0)
    }
}

fn version(info: &Info) -> Finding {
    let (redis, valkey) = (info.get("redis_version"), info.get("valkey_version"));
    let (name, found, needed) =
        if valkey.is_empty() { ("Redis", redis, (7, 0, 0)) } else { ("Valkey", valkey, (7, 2, 0)) };
    if version_of(found) >= needed {
        Finding::new(Severity::Ok, "version", format!("{name} {found}"))
    } else {
        let message = format!("{name} {found} is too old; run {name} {}.{} or newer", needed.0, needed.1);
        Finding::new(Severity::Problem, "version", message)
    }
}

/// The first three numbers of a version; 0 for each missing one.
fn version_of(text: &str) -> (u32, u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
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

/// Whether there are as many replicas as the settings count on.
fn replicas(info: &Info, wanted: Wanted) -> Finding {
    let (connected, waits) = (info.replicas(), wanted.wait_replicas);
    if connected < waits {
        let message = format!(
            "{connected}, but REDIS_WAIT_REPLICAS is {waits}: every logout is optional_text 503; \
             attach replicas, or lower REDIS_WAIT_REPLICAS"
        );
        Finding::new(Severity::Problem, "replicas", message)
    } else if connected == 0 && wanted.successor {
        let message = "0: nobody takes over when this master is lost; attach a replica, better two";
        Finding::new(Severity::Warning, "replicas", message)
    } else {
        Finding::new(Severity::Ok, "replicas", connected.to_string())
    }
}

/// Whether a primary without its replicas stops taking writes. With fewer than two replicas there is no finding: after
/// a failover, the new primary would wait for one that is not there.
fn min_replicas(info: &Info) -> Option<Finding> {
    const NAME: &str = "min-replicas-to-write";
    // In `INFO` only where both settings are more than 0.
    if !info.get("min_slaves_good_slaves").is_empty() {
        return Some(Finding::new(Severity::Ok, NAME, "in force"));
    }
    let message = "not in force: a master that was cut off goes on acknowledging what a failover throws away; \
                   set min-replicas-to-write 1 and min-replicas-max-lag 10";
    (info.replicas() > 1).then(|| Finding::new(Severity::Warning, NAME, message))
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

/// The answer to `CONFIG GET`; `None` where it is denied.
async fn setting(connection: &mut MultiplexedConnection, name: &str) -> Option<String> {
    let answer: Result<Vec<String>, _> =
        redis::cmd("CONFIG").arg("GET").arg(name).query_async(connection).await;
    answer.ok()?.into_iter().nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n\
                         connected_slaves:0\r\n";

    const ALONE: Wanted = Wanted { wait_replicas: 0, successor: false };

    fn told(change: (&str, &str), wanted: Wanted) -> Vec<String> {
        of(&SOUND.replace(change.0, change.1), wanted)
    }

    /// The dangers of a server whose user `default` may do everything.
    fn of(info: &str, wanted: Wanted) -> Vec<String> {
        dangers(&[info, "OK", "OK"].map(|answer| Some(answer.to_owned())), wanted)
    }

    #[test]
    fn a_default_user_that_lacks_rights_is_named_with_the_rule_that_mends_it() {
        let refused = Some("User default has no permissions to run the 'hset' command".to_owned());
        let said = |info: &str, answers: &[Option<String>]| {
            let finding = default_user::finding(&Info(info.to_owned()), answers);
            (finding.severity, finding.message)
        };
        let valkey = |version: &str| format!("{SOUND}valkey_version:{version}\r\n");
        let without_file = SOUND.replace("aof_enabled:1", "aof_enabled:0");
        for (info, severity) in [
            (SOUND, Severity::Problem),
            (&valkey("9.1.1"), Severity::Problem),
            (&valkey("9.1.2"), Severity::Warning),
            (&valkey("10.0.0"), Severity::Warning),
            (&without_file, Severity::Warning),
        ] {
            let (found, message) = said(info, &[Some("OK".to_owned()), refused.clone()]);
            assert_eq!(found, severity, "{info}");
            assert!(message.contains("`user default off ~* &* +@all`"), "{message}");
        }
        for (info, severity) in
            [(SOUND, Severity::Warning), (&valkey("9.1.2"), Severity::Ok), (&without_file, Severity::Ok)]
        {
            let (found, message) = said(info, &[None]);
            assert_eq!(
                (found, message.contains("+acl|dryrun")),
                (severity, severity != Severity::Ok),
                "{info}"
            );
        }
    }

    #[test]
    fn a_sound_server_is_no_danger_nor_is_one_that_tells_nothing() {
        assert_eq!((of(SOUND, ALONE), of("", ALONE), dangers(&[None], ALONE)), (vec![], vec![], vec![]));
    }

    #[test]
    fn a_server_that_is_too_old_is_named_with_what_to_run() {
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:";
        for (found, said) in [
            ("redis_version:6.2.14", "version: Redis 6.2.14 is too old; run Redis 7.0 or newer"),
            (&format!("{valkey}7.1.0"), "version: Valkey 7.1.0 is too old; run Valkey 7.2 or newer"),
        ] {
            assert_eq!(told(("redis_version:7.0.15", found), ALONE), [said]);
        }
        for found in ["redis_version:7.2.0", "redis_version:10.0.1", &format!("{valkey}8.0.1")] {
            assert_eq!(told(("redis_version:7.0.15", found), ALONE), [""; 0], "{found}");
        }
    }

    #[test]
    fn a_server_that_is_no_master_is_named() {
        let [said] = &told(("role:master", "role:slave"), ALONE)[..] else { panic!("one danger") };
        assert!(said.starts_with("role: ") && said.contains("'slave'"), "{said}");
    }

    #[test]
    fn a_master_with_several_replicas_should_want_one_of_them_and_a_single_one_is_no_reason() {
        let with = |count: &str| told(("connected_slaves:0", count), ALONE);
        assert_eq!((with("connected_slaves:0"), with("connected_slaves:1")), (vec![], vec![]));
        let [said] = &with("connected_slaves:2")[..] else { panic!("one danger") };
        assert!(said.starts_with("min-replicas-to-write: not in force"), "{said}");
        assert_eq!(with("connected_slaves:2\r\nmin_slaves_good_slaves:2"), [""; 0]);
    }

    #[test]
    fn a_master_without_replicas_is_a_danger_where_one_is_counted_on() {
        let successor = Wanted { successor: true, ..ALONE };
        for (wanted, said) in [
            (successor, "replicas: 0: nobody takes over"),
            (Wanted { wait_replicas: 1, ..successor }, "replicas: 0, but REDIS_WAIT_REPLICAS is 1"),
        ] {
            let [found] = &of(SOUND, wanted)[..] else { panic!("one danger") };
            assert!(found.starts_with(said), "{found}");
        }
        assert_eq!(told(("connected_slaves:0", "connected_slaves:1"), successor), [""; 0]);
    }
}
