//! Thefts under an attack. A thief has used a token, and then its owner presents it: the owner's first answer must be the
//! alarm.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use token_gateway_testkit::api::fresh_key;
use tokio::time::sleep;

use crate::client::Fleet;

/// The owner comes so long after the thief.
const LATER: Duration = Duration::from_millis(300);

/// Owners at once.
const AT_ONCE: usize = 10;

/// The number of owners whose first answer was the alarm.
pub async fn alarmed_at_once(fleet: &Fleet, owners: u64) -> u64 {
    let told = stream::iter(0..owners).map(|n| is_alarmed_at_once(fleet, n)).buffer_unordered(AT_ONCE);
    told.filter(|told| std::future::ready(*told)).count().await as u64
}

async fn is_alarmed_at_once(fleet: &Fleet, n: u64) -> bool {
    let api = |place: u64| &fleet.apis[(n + place) as usize % fleet.apis.len()];
    let stolen = fleet.logins[0].login(&format!("owner-{n}")).await.refresh;
    api(0).refresh_until_decided(&stolen).await.tokens();
    sleep(LATER).await;
    let owner = api(1).refresh_request(&stolen).header("Idempotency-Key", fresh_key());
    let first = api(1).try_send(owner).await;
    first.is_ok_and(|answer| answer.status == 400 && answer.json()["error"] == "invalid_grant")
}
