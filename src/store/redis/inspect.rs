//! The checks of `token-gateway check` and `/readyz`: whether this Redis can carry the gateway's promises.

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

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError};
use token_gateway_redis_link::{LinkError, Primaries, optional_text, unavailable};

pub use self::finding::{Finding, Severity};
use self::info::Info;
pub use self::readiness::ready;
pub use self::requirements::Requirements;
use super::layout::{LAYOUT_VERSION, Layout};
use super::redis_settings::RedisSettings;
use crate::store::StoreError;

/// Asks each primary about itself. Facts that the user may not ask for are left open, and the missing rights are named.
pub async fn inspect(settings: &RedisSettings) -> Result<Vec<Finding>, StoreError> {
    let mut primaries = Primaries::open(&settings.link).await?;
    let requirements = Requirements::of(&settings.link)?;
    let keys = Layout::new(&settings.prefix);
    let mut findings: Vec<_> = layout(&mut primaries, &keys).await?.into_iter().collect();
    let several = primaries.all.len() > 1;
    findings.extend(primaries.sentinel_error.as_deref().map(rights::unnamed_replicas));
    for (address, connection) in &mut primaries.all {
        for mut finding in findings_of(connection, &keys, &requirements).await? {
            if several {
                finding.message = format!("{address}: {}", finding.message);
            }
            findings.push(finding);
        }
    }
    Ok(findings)
}

/// Refuses one server of a Cluster that lacks slots, where the settings know of no Cluster.
pub(super) async fn require_slots(
    connection: &mut MultiplexedConnection,
    keys: &Layout,
    requirements: &Requirements,
) -> Result<(), StoreError> {
    let answers = ask(connection, redis::pipe().cmd("INFO").arg("cluster")).await?;
    let Some(info) = answers.into_iter().next().flatten().map(Info) else { return Ok(()) };
    match member_of_cluster(connection, &info, keys, requirements).await? {
        Some(finding) if finding.severity == Severity::Problem => {
            Err(StoreError::Unavailable(finding.message))
        }
        _ => Ok(()),
    }
}

/// The version of the layout. There is no finding where the user may not read it, or another server of a Cluster has it.
async fn layout(primaries: &mut Primaries, keys: &Layout) -> Result<Option<Finding>, StoreError> {
    let layout = keys.layout();
    let found: Result<Option<String>, _> =
        redis::cmd("GET").arg(&layout).query_async(primaries.owner(&layout)?).await;
    match found {
        Ok(found) => Ok(Some(layout_version(found.as_deref()))),
        Err(error) if is_of_another_finding(&error) => Ok(None),
        Err(error) => Err(unavailable(&error).into()),
    }
}

fn is_of_another_finding(error: &RedisError) -> bool {
    matches!(error.code(), Some("NOPERM" | "MOVED" | "CLUSTERDOWN"))
}

async fn findings_of(
    connection: &mut MultiplexedConnection,
    keys: &Layout,
    requirements: &Requirements,
) -> Result<Vec<Finding>, StoreError> {
    let answers = ask(connection, &primary_findings::questions(keys, requirements)).await?;
    let mut findings = primary_findings::findings(&answers, keys, requirements);
    findings.extend(config::listpack(connection).await);
    if let Some(info) = primary_findings::info_of(answers[0].as_deref()) {
        findings.extend(member_of_cluster(connection, &info, keys, requirements).await?);
        if info.get("cluster_enabled") == "1" {
            findings.extend(config::coverage(connection).await);
        }
    }
    Ok(findings)
}

/// The finding about one server of a Cluster, where the settings know of no Cluster.
async fn member_of_cluster(
    connection: &mut MultiplexedConnection,
    info: &Info,
    keys: &Layout,
    requirements: &Requirements,
) -> Result<Option<Finding>, StoreError> {
    if !cluster_member::is_unknown_member(info, requirements) {
        return Ok(None);
    }
    Ok(Some(cluster_member::finding(&ask(connection, &cluster_member::questions(keys)).await?)))
}

/// The answers to questions in one round trip; `None` for a denied question.
async fn ask(
    connection: &mut MultiplexedConnection,
    questions: &Pipeline,
) -> Result<Vec<Option<String>>, LinkError> {
    let answers = connection.send_packed_commands(questions, 0, questions.len()).await;
    let answers = answers.and_then(|answers| answers.into_iter().map(optional_text).collect());
    answers.map_err(|error| unavailable(&error))
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
