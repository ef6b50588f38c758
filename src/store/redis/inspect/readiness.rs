//! Whether a node can serve, for `/readyz`.

use std::time::Duration;

use token_gateway_redis_link::Links;
use tokio::time::timeout;

use super::finding::{Finding, Severity};
use super::requirements::Requirements;
use super::{cluster_member, primary_findings, rights};
use crate::store::StoreError;
use crate::store::redis::layout::Layout;
use crate::store::redis::scripts::open_layout;

/// The answers of all primaries, understood.
#[derive(Default)]
struct Answers {
    findings: Vec<Finding>,
    /// Errors of the primaries that gave no answer.
    failures: Vec<StoreError>,
    /// A primary belongs to a Cluster unknown to the settings.
    has_unknown_member: bool,
}

/// The dangers to the promises, in words. In a Cluster a node can serve as long as any primary answers. The users of
/// the others get 503. Asks twice, and a server of an unknown Cluster once more, for at most `patience` each.
pub async fn ready(
    links: &Links,
    keys: &Layout,
    requirements: &Requirements,
    patience: Duration,
) -> Result<Vec<String>, StoreError> {
    let layout = require_layout(links, keys, patience).await;
    let mut answers = ask(links, keys, requirements, patience).await;
    if answers.has_unknown_member {
        answers.findings.push(require_slots(links, keys, patience).await?);
    }
    layout?;
    if answers.findings.is_empty() && answers.failures.len() == links.primary_count() {
        let last = answers.failures.pop();
        return Err(last.unwrap_or_else(|| StoreError::Unavailable("no primary is known".into())));
    }
    Ok(dangers(answers, links))
}

async fn ask(links: &Links, keys: &Layout, requirements: &Requirements, patience: Duration) -> Answers {
    let mut all = Answers::default();
    for answers in links.ask_primaries(&primary_findings::questions(keys, requirements), patience).await {
        match answers {
            Ok(answers) => {
                all.findings.extend(primary_findings::findings(&answers, keys, requirements));
                let info = primary_findings::info_of(answers.first().and_then(Option::as_deref));
                all.has_unknown_member |=
                    info.is_some_and(|info| cluster_member::is_unknown_member(&info, requirements));
            }
            Err(error) => all.failures.push(error.into()),
        }
    }
    all
}

/// In words, with the error replies of the last minute. Those for want of rights are over once no right is missing.
fn dangers(answers: Answers, links: &Links) -> Vec<String> {
    if rights::are_complete(&answers.findings) {
        links.error_replies().forget_rights();
    }
    let amiss = answers.findings.iter().filter(|finding| finding.severity != Severity::Ok);
    let mut dangers: Vec<_> = amiss.map(Finding::to_string).collect();
    dangers.extend(answers.failures.iter().map(|error| format!("the users of one primary get 503: {error}")));
    dangers.extend(links.error_replies().lines().into_iter().map(|line| format!("refused: {line}")));
    dangers.sort();
    dangers.dedup();
    dangers
}

/// Refuses a server of a Cluster that lacks slots. With all of them there is a warning.
async fn require_slots(links: &Links, keys: &Layout, patience: Duration) -> Result<Finding, StoreError> {
    let mut answers = links.ask_primaries(&cluster_member::questions(keys), patience).await;
    let answer = answers.pop().ok_or_else(|| StoreError::Unavailable("no primary is known".into()))?;
    let finding = cluster_member::finding(&answer?);
    match finding.severity {
        Severity::Problem => Err(StoreError::Unavailable(finding.message)),
        _ => Ok(finding),
    }
}

/// Refuses an unknown layout. A Cluster may leave the question unanswered: its layout lies on one of the primaries.
async fn require_layout(links: &Links, keys: &Layout, patience: Duration) -> Result<(), StoreError> {
    match timeout(patience, open_layout(links, keys)).await {
        Ok(Err(error)) if error.is_corrupt() || !links.is_cluster() => Err(error),
        Err(_) if !links.is_cluster() => Err(StoreError::Unavailable("no answer in time".into())),
        _ => Ok(()),
    }
}

async fn open_layout(links: &Links, keys: &Layout) -> Result<(), StoreError> {
    let layout = keys.layout();
    let reply = links.call(&layout, |_| open_layout::call(&layout)).await?;
    Ok(open_layout::decode(reply)?)
}
