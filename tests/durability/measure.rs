//! The fate of a refresh and a logout with a 200 from just before an accident.

use std::time::Duration;

use reqwest::Method;
use token_gateway_testkit::api::{Api, Tokens, claims, decided};
use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::Gateway;

use super::Outcome;
use super::accident::{Accident, Deployment};
use crate::GATEWAY;

type Settings<'a> = &'a [(&'a str, &'a str)];

/// Tries to get an acknowledgement from a primary that nodes leave within a tenth of a second.
const TRIES: usize = 10;

/// Two runs: with nodes started anew after the accident, and with a node that ran through it.
pub async fn measure(
    start: impl Fn() -> Deployment,
    accident: Accident,
    settings: &[(&str, &str)],
) -> Outcome {
    if accident.is_refused() {
        return refused(start(), accident, settings).await;
    }
    let (refresh, logout) = tried(async || with_new_nodes(start(), accident, settings).await).await;
    let logout_with_nodes = tried(async || with_a_node_that_ran_on(start(), accident, settings).await).await;
    Outcome::of([refresh, logout, logout_with_nodes])
}

async fn tried<T>(run: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..TRIES {
        if let Some(measured) = run().await {
            return measured;
        }
    }
    panic!("nothing was acknowledged before the accident, {TRIES} times");
}

/// No call gets a 200, and none leaves a trace.
async fn refused(mut deployment: Deployment, accident: Accident, settings: Settings<'_>) -> Outcome {
    let node = GATEWAY.on(&deployment.url(), settings);
    let api = node.api();
    let (first, second) = (api.login("alice").await, api.login("alice").await);
    deployment.prepare(accident);
    api.refresh(&first.refresh).await.expect_error(503, "temporarily_unavailable");
    api.revoke(&second.refresh).await.expect_error(503, "temporarily_unavailable");
    drop(node);
    deployment.suffer(accident);
    for session in [&first, &second] {
        assert!(is_current(&deployment, session), "it was carried out all the same");
    }
    let api = GATEWAY.on(&deployment.url(), settings);
    assert_eq!(api.api().refresh_until_decided(&first.refresh).await.status, 200);
    assert_eq!(decided(|| async { api.api().revoke(&second.refresh).await }).await.status, 200);
    Outcome::of(["not acknowledged"; 3])
}

fn is_current(deployment: &Deployment, tokens: &Tokens) -> bool {
    deployment.jti_of(tokens).is_some_and(|jti| jti == claims(&tokens.refresh)["jti"])
}

/// The fate of the refresh, and of the logout.
async fn with_new_nodes(
    mut deployment: Deployment,
    accident: Accident,
    settings: Settings<'_>,
) -> Option<(&'static str, &'static str)> {
    let node = GATEWAY.on(&deployment.url(), settings);
    let acknowledged = acknowledged(&mut deployment, &node.api(), accident, !settings.is_empty()).await;
    drop(node);
    let Acknowledged { refreshed, ended, .. } = acknowledged?;
    deployment.suffer(accident);
    let is_kept = is_current(&deployment, &refreshed);
    let node = GATEWAY.on(&deployment.url(), settings);
    let refresh = match (node.api().refresh_until_decided(&refreshed.refresh).await.status.as_u16(), is_kept)
    {
        (200, true) => "kept",
        (200, false) => "healed",
        _ => "refused",
    };
    let is_lost = node.api().refresh_until_decided(&ended.refresh).await.status == 200;
    Some((refresh, if is_lost { "lost" } else { "kept" }))
}

/// The fate of the logout. The moment of its end shows whether it survived: a repaired end has another moment.
async fn with_a_node_that_ran_on(
    mut deployment: Deployment,
    accident: Accident,
    settings: Settings<'_>,
) -> Option<&'static str> {
    let nodes = [GATEWAY.on(&deployment.url(), settings), GATEWAY.on(&deployment.url(), settings)];
    let acknowledged = acknowledged(&mut deployment, &nodes[0].api(), accident, !settings.is_empty()).await;
    let Acknowledged { ended, at, .. } = acknowledged?;
    heard(&nodes[1], &ended).await;
    deployment.suffer(accident);
    let shown = nodes[1].api().refresh_until_decided(&ended.refresh).await;
    let again = GATEWAY.on(&deployment.url(), settings).api().refresh_until_decided(&ended.refresh).await;
    Some(match (shown.status.as_u16(), again.status.as_u16(), deployment.end_of(&ended)) {
        (400, 400, Some(now)) if now != at => "repaired",
        (400, 400, _) => "kept",
        _ => "lost",
    })
}

/// Two calls with a 200 from just before the accident.
struct Acknowledged {
    refreshed: Tokens,
    ended: Tokens,
    /// The time of its end, on the primary.
    at: String,
}

/// One refreshed session, and one logged out. Where a 200 takes replicas, both get it before the replicas are lost.
/// `None` if another server than the primary in question answered.
async fn acknowledged(
    deployment: &mut Deployment,
    api: &Api,
    accident: Accident,
    waits: bool,
) -> Option<Acknowledged> {
    let (first, ended) = (api.login("alice").await, api.login("alice").await);
    deployment.prepare(accident);
    if waits {
        api.revoke(&ended.refresh).await.expect_error(503, "temporarily_unavailable");
        deployment.catch_up();
        end(api, &ended).await;
        deployment.prepare(accident);
    } else {
        end(api, &ended).await;
    }
    let refreshed = api.refresh_until_decided(&first.refresh).await.tokens();
    let at = deployment.end_before(&ended)?;
    deployment.was_granted_before(&refreshed).then_some(Acknowledged { refreshed, ended, at })
}

async fn end(api: &Api, session: &Tokens) {
    assert_eq!(decided(|| api.revoke(&session.refresh)).await.status, 200);
}

/// Another node knows of an end as soon as it has read the event in the feed.
async fn heard(node: &Gateway, ended: &Tokens) {
    let api = node.api();
    eventually("the end is heard of", Duration::from_secs(10), async || {
        (api.me(Method::GET, "", &ended.access).await.status == 401).then_some(())
    })
    .await;
}
