//! The feed in a Redis of several servers: whichever of them an end was published on, and whatever happens to it.

use std::collections::BTreeSet;
use std::time::Duration;

use token_gateway_testkit::api::{Api, Tokens, decided};
use token_gateway_testkit::cluster::{self, Cluster};
use token_gateway_testkit::sentinel::Sentinel;
use token_gateway_verify::Verifier;

use super::feed::from_redis;
use super::{ENDED, STALE, accepted, builder, fresh, redis, unaccepted};
use crate::GATEWAY;

/// Shorter than the time after which a promoted server counts as complete.
const SHORT: Duration = Duration::from_secs(2);

/// A verifier with a short limit for stale, after it has read the feed.
async fn impatient(url: &str) -> Verifier {
    fresh(builder().feed(redis(url)).max_stale(SHORT).start().expect("sound settings")).await
}

async fn log_out(api: &Api, tokens: &Tokens) {
    assert_eq!(decided(|| api.revoke(&tokens.refresh)).await.status, 200);
}

/// Asks a verifier that has caught up with the feed, and a fresh one.
async fn nothing_was_missed(verifier: Verifier, url: &str, ended: &[&Tokens]) {
    for verifier in [fresh(verifier).await, from_redis(url).await] {
        for tokens in ended {
            assert_eq!(verifier.verify(&tokens.access).await, ENDED);
        }
    }
}

/// With the rights in `docs/guides/follow-the-revocation-feed.md`.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_the_ends_of_users_of_every_primary_are_heard() {
    let cluster = Cluster::start();
    let rights = ["%R~tg:*revocations", "+xrange", "+xread", "+info", "+time", "+cluster|nodes"];
    for server in &cluster.servers {
        let password = format!(">{}", cluster::PASSWORD);
        server.ask::<String>(&[&["ACL", "SETUSER", "api", "on", &password], &rights[..]].concat());
    }
    let gateway = GATEWAY.on(&cluster.gateway_url(), &[]);
    let url = cluster.gateway_url().replace("://:", "://api:");
    let (api, verifier) = (gateway.api(), from_redis(&url).await);
    let (mut primaries, mut ended) = (BTreeSet::new(), Vec::new());
    for n in 0..12 {
        let user = format!("user-{n}");
        primaries.insert(cluster.primary_of(&format!("tg:{{{user}}}:sessions")));
        let (stays, goes) = (api.login(&user).await, api.login(&user).await);
        accepted(&verifier, &goes.access).await;
        log_out(&api, &goes).await;
        assert_eq!(unaccepted(&verifier, &goes.access).await, ENDED);
        accepted(&verifier, &stays.access).await;
        ended.push(goes);
    }
    assert_eq!(primaries.len(), cluster.servers.len(), "users of every primary");
    nothing_was_missed(verifier, &url, &ended.iter().collect::<Vec<_>>()).await;
    for server in &cluster.servers {
        assert_eq!(server.ask::<Vec<redis::Value>>(&["ACL", "LOG"]), []);
    }
}

/// The replica that takes over never received one of the ends.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_a_part_that_is_away_makes_the_whole_stale_and_hides_no_logout() {
    let mut cluster = Cluster::with_replicas(&[]);
    let url = cluster.gateway_url();
    let gateway = GATEWAY.on(&url, &[]);
    let (api, verifier) = (gateway.api(), impatient(&url).await);
    let primary = |user: &str| cluster.primary_of(&format!("tg:{{{user}}}:sessions"));
    let users: Vec<String> = (0..60).map(|n| format!("user-{n}")).collect();
    let lost = primary(&users[0]);
    let (of_lost, others): (Vec<_>, Vec<_>) = users.iter().partition(|user| primary(user) == lost);
    let [known, unknown, late] =
        [api.login(of_lost[0]).await, api.login(of_lost[1]).await, api.login(of_lost[2]).await];
    let (elsewhere, stays) = (api.login(others[0]).await, api.login(others[1]).await);
    log_out(&api, &known).await;
    assert_eq!(unaccepted(&verifier, &known.access).await, ENDED);
    let replica = cluster.replica_of(lost);
    cluster.servers[replica].stop();
    log_out(&api, &unknown).await;
    cluster.servers[lost].stop();
    assert_eq!(unaccepted(&verifier, &stays.access).await, STALE);
    log_out(&api, &elsewhere).await;
    cluster.servers[replica].run();
    cluster.wait_for_promotion(replica);
    log_out(&api, &late).await;
    let verifier = fresh(verifier).await;
    accepted(&verifier, &stays.access).await;
    nothing_was_missed(verifier, &url, &[&known, &unknown, &elsewhere, &late]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_sentinels_a_primary_that_is_killed_makes_it_stale_and_hides_no_logout() {
    let mut sentinel = Sentinel::start();
    let (url, former) = (sentinel.gateway_url(), sentinel.primary());
    let gateway = GATEWAY.on(&url, &[]);
    let (api, verifier) = (gateway.api(), impatient(&url).await);
    let [before, meanwhile, stays] =
        [api.login("alice").await, api.login("bob").await, api.login("carol").await];
    log_out(&api, &before).await;
    sentinel.servers[former].stop();
    assert_eq!(unaccepted(&verifier, &stays.access).await, STALE);
    log_out(&api, &meanwhile).await;
    assert_ne!(sentinel.wait_for_another(former), former);
    let verifier = fresh(verifier).await;
    accepted(&verifier, &stays.access).await;
    nothing_was_missed(verifier, &url, &[&before, &meanwhile]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_sentinels_a_failover_hides_no_logout() {
    let sentinel = Sentinel::start();
    let url = sentinel.gateway_url();
    let gateway = GATEWAY.on(&url, &[]);
    let (api, verifier) = (gateway.api(), from_redis(&url).await);
    let (before, after) = (api.login("alice").await, api.login("bob").await);
    log_out(&api, &before).await;
    sentinel.fail_over();
    log_out(&api, &after).await;
    for tokens in [&before, &after] {
        assert_eq!(unaccepted(&verifier, &tokens.access).await, ENDED);
    }
    nothing_was_missed(verifier, &url, &[&before, &after]).await;
}
