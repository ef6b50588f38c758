//! The checks of `token-gateway check` and `/readyz`: whether this Redis can carry the gateway's promises.

mod capacity;
mod cluster_member;
mod config;
mod default_user;
mod finding;
mod info;
mod primary_findings;
mod readiness;
mod replication;
mod requirements;
mod rights;

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError};
use token_gateway_redis_link::{LinkError, Primaries, Server, eval, optional_text, send, unavailable};

pub use self::capacity::{is_of_refused_writes, is_of_scarce_memory};
use self::cluster_member::Membership;
pub use self::finding::{Finding, Severity};
use self::info::Info;
pub use self::readiness::{dangers_when_unready, is_of_outage, ready, scarce_memory};
pub use self::requirements::Requirements;
use super::layout::{LAYOUT_VERSION, Layout};
use super::redis_settings::RedisSettings;
use crate::store::StoreError;

/// A primary, and the connection to it.
type Primary = (Arc<Server>, MultiplexedConnection);

/// Asks each primary about itself. Facts that the user may not ask for are left open, and the missing rights are named.
pub async fn inspect(settings: &RedisSettings) -> Result<Vec<Finding>, StoreError> {
    let requirements = Requirements::of(&settings.link)?;
    let keys = Layout::new(&settings.prefix);
    let mut primaries = match Primaries::open(&settings.link).await {
        Err(LinkError::Replied(reply)) if reply.command == "SELECT" && reply.is_of_rights() => {
            return rights_in_database_0(settings, &keys, &requirements).await;
        }
        opened => opened?,
    };
    let mut findings: Vec<_> = layout(&mut primaries, &keys).await?.into_iter().collect();
    let several = primaries.all.len() > 1;
    findings.extend(primaries.sentinel_error.as_deref().map(rights::unnamed_replicas));
    for primary in &mut primaries.all {
        let found = findings_of(primary, &keys, &requirements).await?;
        let address = &primary.0.address;
        let named = |finding: Finding| {
            let is_named = several || finding.is_of_another_server();
            finding.at(is_named.then_some(address))
        };
        let is_right = !found.iter().any(Finding::is_of_another_server);
        findings.extend(found.into_iter().map(named));
        if is_right {
            findings.extend(capacity_of(primary).await?);
        }
    }
    Ok(findings)
}

/// Refuses one server of a Cluster that lacks slots, where the settings know of no Cluster.
pub(super) async fn require_slots(
    primary: &mut Primary,
    keys: &Layout,
    requirements: &Requirements,
) -> Result<(), StoreError> {
    let answers = ask(primary, redis::pipe().cmd("INFO").arg("cluster")).await?;
    let info = answers.into_iter().next().flatten().map(Info);
    let membership = cluster_member::membership(info.as_ref(), requirements);
    match member_of_cluster(primary, membership, keys).await? {
        Some(finding) if finding.severity == Severity::Problem => {
            Err(StoreError::Unavailable(format!("{}: {}", primary.0, finding.message)))
        }
        _ => Ok(()),
    }
}

/// The rights alone, because the user may not choose its database. They are the same in each.
async fn rights_in_database_0(
    settings: &RedisSettings,
    keys: &Layout,
    requirements: &Requirements,
) -> Result<Vec<Finding>, StoreError> {
    let mut primaries = Primaries::open_in_database_0(&settings.link).await?;
    let mut findings = Vec::new();
    for primary in &mut primaries.all {
        let answers = ask(primary, &primary_findings::questions(keys, requirements)).await?;
        let of_rights = rights_answer(primary, &answers).await;
        findings.extend(rights::findings(of_rights.as_deref(), keys, requirements));
    }
    Ok(findings)
}

/// The answer about the rights. `EVAL` may be refused, or unknown to the server.
async fn rights_answer(primary: &mut Primary, answers: &[Option<String>]) -> Option<String> {
    let answer = answers.get(1).cloned().flatten();
    if answer.is_some() {
        return answer;
    }
    let refused = send(&mut primary.1, redis::cmd("EVAL").arg("return 0").arg(0)).await.err()?;
    is_of_unknown_command(&refused, &primary.0).then(|| rights::NO_EVAL.to_owned())
}

/// The version of the layout. There is no finding where the user may not read it, or another server of a Cluster has it.
async fn layout(primaries: &mut Primaries, keys: &Layout) -> Result<Option<Finding>, StoreError> {
    let layout = keys.layout();
    let (server, connection) = primaries.owner(&layout)?;
    let found: Result<Option<String>, _> = redis::cmd("GET").arg(&layout).query_async(connection).await;
    match found {
        Ok(found) => Ok(Some(layout_version(found.as_deref()))),
        Err(error) if is_of_another_finding(&error, server) => Ok(None),
        Err(error) => Err(unavailable(&error, server).into()),
    }
}

fn is_of_another_finding(error: &RedisError, server: &Arc<Server>) -> bool {
    matches!(error.code(), Some("NOPERM" | "MOVED" | "CLUSTERDOWN")) || is_of_unknown_command(error, server)
}

fn is_of_unknown_command(error: &RedisError, server: &Arc<Server>) -> bool {
    matches!(unavailable(error, server), LinkError::Replied(reply) if reply.is_of_unknown_command())
}

async fn findings_of(
    primary: &mut Primary,
    keys: &Layout,
    requirements: &Requirements,
) -> Result<Vec<Finding>, StoreError> {
    let mut answers = ask(primary, &primary_findings::questions(keys, requirements)).await?;
    answers[1] = rights_answer(primary, &answers).await;
    let mut findings = primary_findings::findings(&answers, keys, requirements);
    findings.extend(config::listpack(&mut primary.1).await);
    let info = primary_findings::info_of(answers[0].as_deref());
    let membership = cluster_member::membership(info.as_ref(), requirements);
    findings.extend(member_of_cluster(primary, membership, keys).await?);
    if info.is_some_and(|info| info.get("cluster_enabled") == "1") {
        findings.extend(config::coverage(&mut primary.1).await);
    }
    Ok(findings)
}

/// The findings that name their server themselves. The question about writes comes last: a paused server keeps the
/// connection waiting.
async fn capacity_of(primary: &mut Primary) -> Result<Vec<Finding>, LinkError> {
    let answer = ask(primary, &capacity::memory_question()).await?.pop().flatten();
    let memory = answer.and_then(|info| capacity::memory(&Info(info), &primary.0.address));
    let writes = capacity::writes(eval(&mut primary.1, &primary.0, &capacity::question()).await);
    Ok(memory.into_iter().chain(writes).collect())
}

/// The finding about one server of a Cluster, where the settings know of no Cluster.
async fn member_of_cluster(
    primary: &mut Primary,
    membership: Membership,
    keys: &Layout,
) -> Result<Option<Finding>, StoreError> {
    if membership == Membership::Fine {
        return Ok(None);
    }
    let nodes = ask(primary, &cluster_member::slots()).await?.pop().flatten();
    let lacking = match nodes {
        Some(_) => None,
        None => ask(primary, &cluster_member::keys_of_slots(membership, keys)).await?.pop().flatten(),
    };
    Ok(cluster_member::finding(membership, nodes.as_deref(), lacking.as_deref()))
}

/// The answers to questions in one round trip; `None` for a denied question.
async fn ask(
    (server, connection): &mut Primary,
    questions: &Pipeline,
) -> Result<Vec<Option<String>>, LinkError> {
    let answers = connection.send_packed_commands(questions, 0, questions.len()).await;
    let answers = answers.and_then(|answers| answers.into_iter().map(optional_text).collect());
    answers.map_err(|error| unavailable(&error, server))
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
