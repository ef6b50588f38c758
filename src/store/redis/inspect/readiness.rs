//! Whether a node can serve, for `/readyz`.

use std::time::Duration;

use token_gateway_redis_link::Links;
use tokio::time::timeout;

use super::primary_findings;
use super::replication::Requirements;
use crate::store::StoreError;
use crate::store::redis::layout::Layout;
use crate::store::redis::scripts::open_layout;

/// The dangers to the promises, in words. In a Cluster a node can serve as long as any primary answers. The users of
/// the others get 503. Asks twice, for at most `patience` each.
pub async fn ready(
    links: &Links,
    keys: &Layout,
    requirements: Requirements,
    patience: Duration,
) -> Result<Vec<String>, StoreError> {
    require_layout(links, keys, patience).await?;
    let (mut warnings, mut failures) = (Vec::new(), Vec::new());
    for answers in links.ask_primaries(&primary_findings::questions(keys), patience).await {
        match answers {
            Ok(answers) => warnings.extend(primary_findings::dangers(&answers, requirements)),
            Err(error) => failures.push(StoreError::from(error)),
        }
    }
    if warnings.is_empty() && failures.len() == links.primary_count() {
        return Err(failures.pop().unwrap_or_else(|| StoreError::Unavailable("no primary is known".into())));
    }
    warnings.extend(failures.iter().map(|error| format!("the users of one primary get 503: {error}")));
    warnings.sort();
    warnings.dedup();
    Ok(warnings)
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
