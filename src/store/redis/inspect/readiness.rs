//! Whether a node can serve, for `/readyz`.

use std::time::Duration;

use futures_util::future::join;
use redis::Pipeline;
use token_gateway_redis_link::Links;
use token_gateway_redis_link::address::Address;
use tokio::time::timeout;

use super::cluster_member::Membership;
use super::finding::{Finding, Severity};
use super::info::Info;
use super::requirements::Requirements;
use super::{capacity, cluster_member, inspect, primary_findings, rights};
use crate::store::StoreError;
use crate::store::redis::RedisSettings;
use crate::store::redis::layout::Layout;
use crate::store::redis::scripts::open_layout;

/// The beginning of the danger of one lost primary of several.
const OF_ONE_PRIMARY: &str = "the users of one primary get 503: ";

/// The beginning of the danger of Sentinels without an answer.
const OF_SENTINELS: &str = "sentinels: ";

/// Whether a danger is that of a server which cannot be reached, or refuses writes. Others come from the settings of
/// Redis.
pub fn is_of_outage(danger: &str) -> bool {
    danger.starts_with(OF_ONE_PRIMARY)
        || danger.starts_with(OF_SENTINELS)
        || capacity::is_of_refused_writes(danger)
}

/// The answers of all primaries, understood.
#[derive(Default)]
struct Answers {
    findings: Vec<Finding>,
    /// Errors of the primaries that gave no answer.
    failures: Vec<StoreError>,
    /// How the one primary stands to a Cluster unknown to the settings.
    membership: Option<Membership>,
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
    if let Some(membership) = answers.membership.filter(|membership| *membership != Membership::Fine) {
        answers.findings.extend(require_slots(links, membership, keys, patience).await?);
    }
    layout?;
    if answers.findings.is_empty() && answers.failures.len() == links.primary_count() {
        return Err(answers.failures.pop().unwrap_or_else(|| links.none_known().into()));
    }
    Ok(dangers(answers, links).await)
}

async fn ask(links: &Links, keys: &Layout, requirements: &Requirements, patience: Duration) -> Answers {
    let mut all = Answers::default();
    let (questions, question) = (primary_findings::questions(keys, requirements), capacity::question());
    let asked = links.ask_primaries(&questions, patience);
    let (answers, writes) = join(asked, links.call_primaries(&question, patience)).await;
    let mut answering = Vec::new();
    for (address, answers) in answers {
        match answers {
            Ok(answers) => {
                let named = address.as_ref().filter(|_| links.is_cluster());
                let found = primary_findings::findings(&answers, keys, requirements);
                all.findings.extend(found.into_iter().map(|finding| finding.at(named)));
                let info = primary_findings::info_of(answers.first().and_then(Option::as_deref));
                all.findings.extend(memory(info.as_ref(), address.as_ref()));
                all.membership = Some(cluster_member::membership(info.as_ref(), requirements));
                answering.push(address);
            }
            Err(error) => all.failures.push(error.into()),
        }
    }
    // The failure of a primary without any answer is known already.
    let writes = writes.into_iter().filter(|(address, _)| answering.contains(address));
    all.findings.extend(writes.filter_map(|(_, taken)| capacity::writes(taken)));
    all
}

fn memory(info: Option<&Info>, address: Option<&Address>) -> Option<Finding> {
    capacity::memory(info?, address?)
}

/// In words, with the error replies of the last minute. Those for want of rights are over once no right is missing.
async fn dangers(answers: Answers, links: &Links) -> Vec<String> {
    if rights::are_complete(&answers.findings) {
        links.error_replies().forget_rights();
    }
    let amiss = answers.findings.iter().filter(|finding| finding.severity != Severity::Ok);
    let mut dangers: Vec<_> = amiss.map(Finding::to_string).collect();
    dangers.extend(answers.failures.iter().map(|error| format!("{OF_ONE_PRIMARY}{error}")));
    dangers.extend(refused(links));
    dangers.extend(links.sentinel_failures().await.into_iter().map(|line| format!("{OF_SENTINELS}{line}")));
    dangers.sort();
    dangers.dedup();
    dangers
}

/// The primaries whose memory is scarce, in words; `None` where one gives no answer. Runs no script: operators count
/// scripts as refreshes.
pub async fn scarce_memory(links: &Links, patience: Duration) -> Option<Vec<String>> {
    let mut scarce = Vec::new();
    for (address, answers) in links.ask_primaries(&capacity::memory_question(), patience).await {
        let info = Info(answers.ok()?.pop()??);
        scarce.extend(capacity::memory(&info, &address?).filter(|finding| finding.severity != Severity::Ok));
    }
    Some(scarce.iter().map(Finding::to_string).collect())
}

fn refused(links: &Links) -> impl Iterator<Item = String> {
    links.error_replies().lines().into_iter().map(|line| format!("refused: {line}"))
}

/// The dangers to a node that is not ready, as `check` finds them over connections of its own: the links may have none.
pub async fn dangers_when_unready(settings: &RedisSettings, links: &Links) -> Vec<String> {
    let found = timeout(settings.link.timeout, inspect(settings)).await;
    let found = found.ok().and_then(Result::ok).unwrap_or_default();
    let amiss = found.iter().filter(|finding| finding.severity != Severity::Ok).map(Finding::to_string);
    amiss.chain(refused(links)).collect()
}

/// Refuses a server of a Cluster that lacks slots. With all of them there is a warning.
async fn require_slots(
    links: &Links,
    membership: Membership,
    keys: &Layout,
    patience: Duration,
) -> Result<Option<Finding>, StoreError> {
    let nodes = ask_one(links, &cluster_member::slots(), patience).await?;
    let lacking = match nodes {
        Some(_) => None,
        None => ask_one(links, &cluster_member::keys_of_slots(membership, keys), patience).await?,
    };
    match cluster_member::finding(membership, nodes.as_deref(), lacking.as_deref()) {
        Some(finding) if finding.severity == Severity::Problem => {
            Err(StoreError::Unavailable(links.named(&finding.message)))
        }
        finding => Ok(finding),
    }
}

/// One question to the one primary.
async fn ask_one(
    links: &Links,
    question: &Pipeline,
    patience: Duration,
) -> Result<Option<String>, StoreError> {
    let (_, answers) =
        links.ask_primaries(question, patience).await.pop().ok_or_else(|| links.none_known())?;
    Ok(answers?.pop().flatten())
}

/// Refuses an unknown layout. A Cluster may leave the question unanswered: its layout lies on one of the primaries.
async fn require_layout(links: &Links, keys: &Layout, patience: Duration) -> Result<(), StoreError> {
    match timeout(patience, open_layout(links, keys)).await {
        Ok(Err(error)) if error.is_corrupt() || !links.is_cluster() => Err(error),
        Err(_) if !links.is_cluster() => Err(links.late(patience).into()),
        _ => Ok(()),
    }
}

async fn open_layout(links: &Links, keys: &Layout) -> Result<(), StoreError> {
    let layout = keys.layout();
    let reply = links.call_beside(&layout, |_| open_layout::call(&layout)).await?;
    Ok(open_layout::decode(reply)?)
}
