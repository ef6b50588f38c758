//! The checks of `token-gateway check` and `/readyz`: whether this Redis can carry the gateway's promises.

mod config;
mod default_user;
mod finding;
mod info;
mod primary_findings;
mod readiness;
mod replication;

use redis::aio::MultiplexedConnection;
use token_gateway_redis_link::{Primaries, optional_text, unavailable};

pub use self::finding::{Finding, Severity};
use self::info::Info;
pub use self::readiness::ready;
pub use self::replication::Requirements;
use super::layout::{LAYOUT_VERSION, Layout};
use super::redis_settings::RedisSettings;
use crate::store::StoreError;

/// Asks each primary about itself. Needs `INFO`. Facts known only from `CONFIG GET` are left open where it is denied.
pub async fn inspect(settings: &RedisSettings) -> Result<Vec<Finding>, StoreError> {
    let mut primaries = Primaries::open(&settings.link).await?;
    let requirements = Requirements::of(&settings.link)?;
    let keys = Layout::new(&settings.prefix);
    let (layout, several) = (keys.layout(), primaries.all.len() > 1);
    let found: Option<String> = redis::cmd("GET")
        .arg(&layout)
        .query_async(primaries.owner(&layout)?)
        .await
        .map_err(|error| unavailable(&error))?;
    let mut findings = vec![layout_version(found.as_deref())];
    for (address, connection) in &mut primaries.all {
        for mut finding in findings_of(connection, &keys, requirements).await? {
            if several {
                finding.message = format!("{address}: {}", finding.message);
            }
            findings.push(finding);
        }
    }
    Ok(findings)
}

async fn findings_of(
    connection: &mut MultiplexedConnection,
    keys: &Layout,
    requirements: Requirements,
) -> Result<Vec<Finding>, StoreError> {
    let questions = primary_findings::questions(keys);
    let answers = connection.send_packed_commands(&questions, 0, questions.len()).await;
    let answers =
        answers.and_then(|answers| answers.into_iter().map(optional_text).collect::<Result<Vec<_>, _>>());
    let answers = answers.map_err(|error| unavailable(&error))?;
    let Some(info) = answers.first().cloned().flatten() else {
        return Err(StoreError::Unavailable(
            "Redis lets this user not ask for INFO; grant it +info".to_owned(),
        ));
    };
    let info = Info(info);
    let mut findings = primary_findings::findings(&info, &answers[1..], requirements);
    findings.extend(config::listpack(connection).await);
    if info.get("cluster_enabled") == "1" {
        findings.extend(config::coverage(connection).await);
    }
    Ok(findings)
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
