//! Thefts under an attack. A thief has used a token, and then its owner presents it: the owner's first answer must be the
//! alarm.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use token_gateway_testkit::api::{Api, fresh_key};
use tokio::time::sleep;

use crate::client::Fleet;

/// The owner comes so long after the thief.
const LATER: Duration = Duration::from_millis(300);

/// Owners at once.
const AT_ONCE: usize = 10;

/// The time for which a thief repeats its refresh.
const PATIENCE: Duration = Duration::from_secs(20);

/// The refresh tokens of so many owners, each to be stolen.
pub async fn log_in(fleet: &Fleet, owners: usize) -> Vec<String> {
    let logins = stream::iter(0..owners)
        .map(|n| async move { fleet.logins[0].login(&format!("owner-{n}")).await.refresh });
    logins.buffer_unordered(AT_ONCE).collect().await
}

/// The number of owners whose first answer was the alarm.
pub async fn alarmed_at_once(fleet: &Fleet, stolen: &[String]) -> u64 {
    let told = stolen.iter().enumerate().map(|(n, token)| is_alarmed_at_once(fleet, n, token));
    let told = stream::iter(told).buffer_unordered(AT_ONCE);
    told.filter(|told| std::future::ready(*told == Some(true))).count().await as u64
}

/// `None` where the thief got no answer.
async fn is_alarmed_at_once(fleet: &Fleet, n: usize, stolen: &str) -> Option<bool> {
    let api = |place: usize| &fleet.apis[(n + place) % fleet.apis.len()];
    granted(api(0), &fresh_key(), stolen).await?;
    sleep(LATER).await;
    let owner = api(1).refresh_request(stolen).header("Idempotency-Key", fresh_key());
    let first = api(1).try_send(owner).await.ok()?;
    Some(first.status == 400 && first.json()["error"] == "invalid_grant")
}

/// Repeats a refresh until it is granted.
async fn granted(api: &Api, key: &str, token: &str) -> Option<()> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let request = api.refresh_request(token).header("Idempotency-Key", key);
        match api.try_send(request).await {
            Ok(answer) if answer.status == 200 => return Some(()),
            _ => sleep(Duration::from_millis(20)).await,
        }
    }
    None
}
