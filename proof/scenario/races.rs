//! Two nodes, two parties that act at once, and faults. Whatever the order, no ended session works afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;
use reqwest::Method;
use token_gateway_testkit::api::{Tokens, decided};
use tokio::join;
use tokio::time::sleep;

use super::{Finding, Run, fleet, nodes};
use crate::check::{Rules, check};
use crate::client::{Chain, Fleet};
use crate::history::{Event, Outcome, Wish};
use crate::store::{Deployment, Topology};

/// Rounds at once.
const AT_ONCE: usize = 24;

/// Refreshes of a client before it must have been refused.
const MOST: usize = 12;

pub async fn logout(run: Run, topology: Topology) -> Finding {
    race(run, topology, |fleet, n, mut rng| async move { logout_round(&fleet, n, &mut rng).await }).await
}

pub async fn reuse(run: Run, topology: Topology) -> Finding {
    race(run, topology, |fleet, n, mut rng| async move { reuse_round(&fleet, n, &mut rng).await }).await
}

async fn race<R>(run: Run, topology: Topology, round: impl Fn(Arc<Fleet>, u64, Rng) -> R) -> Finding
where
    R: Future<Output = ()> + Send + 'static,
{
    // In a short run the faults strike all the same.
    let rounds = run.count(if run.full { 10_000 } else { 3_000 });
    let mut rng = Rng::with_seed(run.seed);
    let deployment = Deployment::start(topology);
    let gateways = nodes(&deployment, 2);
    let fleet = fleet(&gateways, 20);
    deployment.disturb_calls(rng.u64(..));
    let next = Arc::new(AtomicU64::new(0));
    let mut under_way = Vec::new();
    let start = |rng: &mut Rng| {
        let n = next.fetch_add(1, Ordering::SeqCst);
        (n < rounds).then(|| Box::pin(round(fleet.clone(), n, rng.fork())))
    };
    for _ in 0..AT_ONCE {
        under_way.extend(start(&mut rng).map(tokio::spawn));
    }
    while !under_way.is_empty() {
        let (done, _, rest) = futures_util::future::select_all(under_way).await;
        done.expect("no panic in a round");
        run.bar.inc(1);
        under_way = rest;
        under_way.extend(start(&mut rng).map(tokio::spawn));
    }
    deployment.calm();
    let mut finding = Finding::default();
    finding.broken.extend(check(&fleet.history, Rules { all_honest: false }));
    finding.broken.extend(leftovers(&fleet));
    let missing = deployment.spared(false);
    finding.demand("every fault has struck", missing.is_empty(), || missing.join(", "));
    finding.measure("rounds", rounds);
    finding.count(&fleet, &deployment);
    finding
}

/// The last answer for every session must be a refusal.
fn leftovers(fleet: &Fleet) -> Option<crate::check::Broken> {
    let mut last: std::collections::HashMap<String, Event> = std::collections::HashMap::new();
    for event in fleet.history.events() {
        if matches!(event.wish, Wish::Refresh { .. }) {
            last.insert(event.session.clone(), event);
        }
    }
    let alive = last.into_values().find(|event| event.outcome != Outcome::Refused)?;
    Some(crate::check::Broken { promise: "nothing works afterwards", excerpt: format!("{alive:?}") })
}

/// Refreshes until refused, and at most `MOST` times. Returns all tokens of the session.
async fn refresh_until_refused(fleet: &Fleet, chain: &mut Chain, rng: &mut Rng) -> Vec<Tokens> {
    let mut held = vec![chain.tokens.clone()];
    while held.len() <= MOST && matches!(fleet.refresh(chain, rng).await, Outcome::Granted { .. }) {
        held.push(chain.tokens.clone());
    }
    held
}

/// Presents the oldest and the newest refresh token, each with a fresh key; the answers are in the history. Every node
/// must refuse the newest access token.
async fn try_again(fleet: &Fleet, chain: &Chain, held: &[Tokens], rng: &mut Rng) {
    for tokens in [held.first(), held.last()].into_iter().flatten() {
        let _ = fleet.present(chain, &tokens.refresh, rng).await;
    }
    let access = &held.last().expect("at least that of the login").access;
    for api in &fleet.apis {
        let shown = decided(|| api.me(Method::GET, "", access)).await;
        if shown.status != 401 {
            fleet.history.note_odd(format!("an access token of an ended session: {}", shown.status));
        }
    }
}

async fn logout_round(fleet: &Fleet, n: u64, rng: &mut Rng) {
    let chain = fleet.login(&format!("user-{n}"), rng).await;
    let (mut refreshing, mut own, mut other) = (chain.clone(), rng.fork(), rng.fork());
    let pause = std::time::Duration::from_micros(rng.u64(0..8000));
    let (held, _) = join!(refresh_until_refused(fleet, &mut refreshing, &mut own), async {
        sleep(pause).await;
        let token = if n.is_multiple_of(2) { &chain.tokens.refresh } else { &chain.tokens.access };
        fleet.log_out_with(&chain, token, &mut other).await
    });
    try_again(fleet, &chain, &held, rng).await;
}

async fn reuse_round(fleet: &Fleet, n: u64, rng: &mut Rng) {
    let subject = format!("user-{n}");
    let (mut stolen, mut other) = (fleet.login(&subject, rng).await, fleet.login(&subject, rng).await);
    let theft = stolen.tokens.refresh.clone();
    if !matches!(fleet.refresh(&mut stolen, rng).await, Outcome::Granted { .. }) {
        return; // seen in the history
    }
    let victim = stolen.clone();
    let (mut one, mut two, mut thief) = (rng.fork(), rng.fork(), rng.fork());
    let invoked = fleet.history.now();
    let (held, others, _) = join!(
        refresh_until_refused(fleet, &mut stolen, &mut one),
        refresh_until_refused(fleet, &mut other, &mut two),
        fleet.present(&victim, &theft, &mut thief),
    );
    // The theft ends the user's other session, too, and no request shows that end.
    let session = other.tokens.session.clone();
    let returned = Some(fleet.history.now());
    fleet.history.note(Event {
        session,
        wish: Wish::End,
        invoked,
        returned,
        outcome: Outcome::Ended,
        foreign: None,
    });
    try_again(fleet, &stolen, &held, rng).await;
    try_again(fleet, &other, &others, rng).await;
}
