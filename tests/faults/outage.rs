//! Redis gone, frozen, full, read-only, forgetful: the outcome is unknown, and unknown is not no.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::{Answer, Api, Tokens, fresh_key};
use token_gateway_testkit::gateway::REFRESH_SECRET;
use token_gateway_testkit::proxy::Proxy;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::wait_for;

use crate::GATEWAY;

/// One of each call to the store.
async fn every_call(api: &Api, tokens: &Tokens) -> Vec<(&'static str, Answer)> {
    let path = format!("/{}", tokens.session);
    let patch = api.service(Method::PATCH, "/v1/users/alice/sessions").json(&json!({"claims": {}}));
    vec![
        ("issue", api.issue(&json!({"sub": "alice"})).await),
        ("refresh", api.refresh(&tokens.refresh).await),
        ("revoke a refresh token", api.revoke(&tokens.refresh).await),
        ("revoke an access token", api.revoke(&tokens.access).await),
        ("me: list", api.me(Method::GET, "", &tokens.access).await),
        ("me: end all", api.me(Method::DELETE, "", &tokens.access).await),
        ("me: end one", api.me(Method::DELETE, &path, &tokens.access).await),
        ("users: list", api.user(Method::GET, "alice", "").await),
        ("users: get", api.user(Method::GET, "alice", &path).await),
        ("users: end all", api.user(Method::DELETE, "alice", "").await),
        ("users: end one", api.user(Method::DELETE, "alice", &path).await),
        ("users: patch", api.send(patch).await),
    ]
}

pub async fn every_call_is_unavailable(api: &Api, tokens: &Tokens) {
    for (call, answer) in every_call(api, tokens).await {
        assert_eq!(answer.status, 503, "{call}: {answer:?}");
        answer.expect_error(503, "temporarily_unavailable");
    }
}

/// Polls until the node is ready again; a client would retry in the same way.
pub async fn ready_again(api: &Api) {
    let began = Instant::now();
    while api.send(api.request(Method::GET, "/readyz")).await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(10), "not ready within 10 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn answered_within_a_second(api: &Api, tokens: &Tokens) {
    let began = Instant::now();
    api.refresh(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}: a hanging call is no answer");
}

/// Requirement TOKEN-16.
#[tokio::test]
async fn with_redis_stopped_every_call_is_503_and_afterwards_the_same_refresh_token_works() {
    let mut redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    redis.stop();
    answered_within_a_second(&api, &tokens).await;
    every_call_is_unavailable(&api, &tokens).await;
    assert_eq!(api.send(api.request(Method::GET, "/livez")).await.status, 200);
    assert_eq!(api.send(api.request(Method::GET, "/readyz")).await.status, 503);
    redis.run();
    ready_again(&api).await;
    let next = api.refresh(&tokens.refresh).await.tokens();
    assert_eq!(next.session, tokens.session);
}

#[tokio::test]
async fn a_gateway_that_starts_before_redis_serves_once_redis_is_there() {
    let mut redis = Redis::start();
    redis.stop();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    api.issue(&json!({"sub": "alice"})).await.expect_error(503, "temporarily_unavailable");
    redis.run();
    ready_again(&api).await;
    assert_eq!(api.issue(&json!({"sub": "alice"})).await.status, 201);
}

#[tokio::test]
async fn with_redis_frozen_calls_are_503_in_time_and_all_is_well_after_the_thaw() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    redis.freeze();
    answered_within_a_second(&api, &tokens).await;
    let many = join_all((0..100).map(|_| api.refresh(&tokens.refresh))).await;
    assert!(many.iter().all(|answer| answer.status == 503), "{many:?}");
    redis.thaw();
    ready_again(&api).await;
    // Some of those refreshes may have reached Redis after all: none of them may count as theft.
    let sessions = api.user(Method::GET, "alice", "").await.sessions();
    assert_eq!(sessions, [tokens.session.as_str()]);
}

#[tokio::test]
async fn a_connection_that_became_a_black_hole_is_replaced() {
    let redis = Redis::start();
    let proxy = Proxy::before(redis.port());
    let gateway = GATEWAY.start_with(&redis, &[("REDIS_URL", &proxy.url()), ("WORKERS", "1")]);
    let api = gateway.api();
    let (tokens, key) = (api.login("alice").await, fresh_key());
    proxy.swallow();
    let first = api.refresh_as(&tokens.refresh, &key).await;
    assert!(matches!(first.status.as_u16(), 200 | 503), "{first:?}");
    ready_again(&api).await;
    assert_eq!(api.refresh_as(&tokens.refresh, &key).await.status, 200);
}

#[tokio::test]
async fn after_script_flush_the_same_refresh_token_works() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let mut tokens = api.login("alice").await;
    for _ in 0..3 {
        redis.ask::<String>(&["SCRIPT", "FLUSH"]);
        tokens = api.refresh(&tokens.refresh).await.tokens();
    }
    redis.ask::<String>(&["SCRIPT", "FLUSH"]);
    assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
    api.refresh(&tokens.refresh).await.expect_error(400, "invalid_grant");
}

/// Requirement TOKEN-19.
#[tokio::test]
async fn a_token_that_was_rotated_stays_refused_after_a_restart_of_gateway_and_redis() {
    let mut redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let first = gateway.api().login("alice").await;
    let second = gateway.api().refresh(&first.refresh).await.tokens();
    drop(gateway);
    redis.stop();
    redis.run();
    let gateway = GATEWAY.start(&redis);
    gateway.api().refresh(&first.refresh).await.expect_error(400, "invalid_grant");
    gateway.api().refresh(&second.refresh).await.expect_error(400, "invalid_grant");
}

/// Ids of the server's connections, except the one for this question; `which` gets the server's description of each.
pub fn connections(redis: &Redis, which: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let list: String = redis.ask(&["CLIENT", "LIST", "TYPE", "normal"]);
    let others = list.lines().filter(|line| !line.contains("cmd=client") && which(line));
    others.filter_map(|line| line.strip_prefix("id=")?.split(' ').next()).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_primary_that_was_demoted_is_503_and_its_connection_is_replaced() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("WORKERS", "1")]);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    // One connection each for the worker, the subscriber and the feed.
    wait_for("its connections", Duration::from_secs(5), || {
        (connections(&redis, |_| true).len() == 3).then_some(())
    });
    let before = connections(&redis, |_| true);
    // A replica of an address without a server: read-only, and its data stays.
    let nowhere = token_gateway_testkit::free_port().to_string();
    redis.ask::<String>(&["REPLICAOF", "127.0.0.1", &nowhere]);
    every_call_is_unavailable(&api, &tokens).await;
    wait_for("none of them is kept, for there may be another primary", Duration::from_secs(5), || {
        connections(&redis, |_| true).is_disjoint(&before).then_some(())
    });
    redis.ask::<String>(&["REPLICAOF", "NO", "ONE"]);
    ready_again(&api).await;
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200);
}

/// The replica answers PING and TIME, and refuses writes.
#[tokio::test]
async fn a_replica_is_no_primary() {
    let primary = Redis::start();
    let replica = replica_of(&primary);
    let gateway = GATEWAY.start(&replica);
    let api = gateway.api();
    assert_eq!(api.send(api.request(Method::GET, "/readyz")).await.status, 503);
    api.issue(&json!({"sub": "alice"})).await.expect_error(503, "temporarily_unavailable");
    assert!(!gateway.log().contains("connected to Redis"), "{}", gateway.log());
}

#[tokio::test]
async fn an_empty_redis_refuses_every_token_and_lets_nobody_in() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    redis.ask::<String>(&["FLUSHALL"]);
    api.refresh(&tokens.refresh).await.expect_error(400, "invalid_grant");
    assert_eq!(api.me(Method::GET, "", &tokens.access).await.status, 401);
    assert!(api.user(Method::GET, "alice", "").await.sessions().is_empty());
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_503_and_no_verdict() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let key = format!("tg:{{alice}}:session:{}", tokens.session);
    redis.ask::<u64>(&["HDEL", &key, "gen"]);
    api.refresh(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
    api.me(Method::DELETE, "", &tokens.access).await.expect_error(503, "temporarily_unavailable");
    redis.ask::<u64>(&["DEL", &key]);
    redis.ask::<String>(&["SET", &key, "not a hash"]);
    api.refresh(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
    api.revoke(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
}

#[tokio::test]
async fn a_logout_that_could_not_be_published_is_503_and_may_be_repeated() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let (one, two, three) = (api.login("alice").await, api.login("alice").await, api.login("bob").await);
    redis.ask::<String>(&["SET", "tg:revocations", "in the way"]);
    api.revoke(&three.refresh).await.expect_error(503, "temporarily_unavailable");
    api.me(Method::DELETE, "", &one.access).await.expect_error(503, "temporarily_unavailable");
    // The session has ended all the same; only the other nodes do not know yet.
    api.refresh(&one.refresh).await.expect_error(503, "temporarily_unavailable");
    redis.ask::<u64>(&["DEL", "tg:revocations"]);
    let mut both = [one.session.clone(), two.session.clone()];
    both.sort();
    assert_eq!(api.me(Method::DELETE, "", &one.access).await.ended(), both);
    assert_eq!(api.me(Method::DELETE, "", &one.access).await.status, 401);
    api.refresh(&two.refresh).await.expect_error(400, "invalid_grant");
    api.refresh(&three.refresh).await.expect_error(400, "invalid_grant");
    assert_eq!(redis.ask::<u64>(&["XLEN", "tg:revocations"]), 3, "whoever meets a tombstone publishes it");
}

pub fn replica_of(primary: &Redis) -> Redis {
    let replica = Redis::start_with(&["--replicaof", "127.0.0.1", &primary.port().to_string()]);
    wait_for("the replica is linked", Duration::from_secs(30), || {
        replica.ask::<String>(&["INFO", "replication"]).contains("master_link_status:up").then_some(())
    });
    replica
}

#[tokio::test]
async fn a_logout_waits_for_the_replicas_it_was_told_to_wait_for() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("REDIS_WAIT_REPLICAS", "1")]);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    api.revoke(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
    let replica = replica_of(&redis);
    // A replica may acknowledge late while it catches up; the call may be repeated.
    let began = Instant::now();
    while api.revoke(&tokens.refresh).await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(10), "never acknowledged");
    }
    let key = format!("tg:{{alice}}:session:{}", tokens.session);
    assert_eq!(replica.ask::<String>(&["HGET", &key, "state"]), "ended");
}

#[test]
fn a_node_refuses_to_run_on_a_newer_layout() {
    let redis = Redis::start();
    redis.ask::<String>(&["SET", "tg:schema", "2"]);
    let url = redis.url();
    let settings = [("REDIS_URL", url.as_str()), ("REFRESH_SECRET", REFRESH_SECRET)];
    let output = GATEWAY.command("serve", &settings).output().expect("it ends by itself");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("layout is version '2'") && error.contains("migrations-notes"), "{error}");
}

#[tokio::test]
async fn a_running_node_stops_serving_when_the_layout_becomes_newer() {
    let mut redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "1")]);
    let (api, admin) = (gateway.api(), Api::new(&gateway.admin()));
    let tokens = api.login("alice").await;
    redis.ask::<String>(&["SET", "tg:schema", "2"]);
    redis.stop();
    redis.run();
    let began = Instant::now();
    while !admin.send(admin.request(Method::GET, "/readyz")).await.text.contains("layout is version '2'") {
        assert!(began.elapsed() < Duration::from_secs(10), "it connected without looking");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    api.refresh(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
}

#[tokio::test]
async fn logouts_that_were_swallowed_keep_no_place_in_flight() {
    let redis = Redis::start();
    let proxy = Proxy::before(redis.port());
    let url = proxy.url();
    let settings = [("REDIS_URL", url.as_str()), ("WORKERS", "1"), ("REDIS_MAX_IN_FLIGHT", "4")];
    let gateway = GATEWAY.start_with(&redis, &settings);
    let api = gateway.api();
    let tokens = join_all(["a", "b", "c", "d"].map(|user| api.login(user))).await;
    proxy.swallow();
    let swallowed = join_all(tokens.iter().map(|tokens| api.revoke(&tokens.refresh))).await;
    assert!(swallowed.iter().all(|answer| answer.status == 503), "{swallowed:?}");
    ready_again(&api).await;
    for tokens in &tokens {
        assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
    }
}

#[tokio::test]
async fn publications_that_were_swallowed_while_waiting_for_replicas_use_up_no_connections() {
    let redis = Redis::start();
    let proxy = Proxy::before(redis.port());
    let url = proxy.url();
    let settings = [("REDIS_URL", url.as_str()), ("WORKERS", "1"), ("REDIS_WAIT_REPLICAS", "1")];
    let gateway = GATEWAY.start_with(&redis, &settings);
    let api = gateway.api();
    let _replica = replica_of(&redis);
    let users: Vec<String> = (0..20).map(|n| format!("user-{n}")).collect();
    let tokens = join_all(users.iter().map(|user| api.login(user))).await;
    join_all(tokens[..10].iter().map(|tokens| api.revoke(&tokens.refresh))).await;
    proxy.swallow();
    join_all(tokens[10..].iter().map(|tokens| api.revoke(&tokens.refresh))).await;
    // A replica may acknowledge late; but no caller gets one of the eight connections again.
    let mut refused = 0;
    for tokens in &tokens {
        while api.revoke(&tokens.refresh).await.status != 200 {
            refused += 1;
            assert!(refused < 8, "dead connections are handed out, or none is left");
        }
    }
}

#[tokio::test]
async fn a_login_whose_eviction_cannot_be_published_is_answered_all_the_same() {
    let redis = Redis::start();
    let settings = [("MAX_SESSIONS_PER_SUBJECT", "1"), ("REDIS_WAIT_REPLICAS", "1")];
    let gateway = GATEWAY.start_with(&redis, &settings);
    let api = gateway.api();
    let evicted = api.login("alice").await;
    let began = Instant::now();
    let tokens = api.login("alice").await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(api.user(Method::GET, "alice", "").await.sessions(), [tokens.session]);
    let key = format!("tg:{{alice}}:session:{}", evicted.session);
    assert_eq!(redis.ask::<Vec<String>>(&["HMGET", &key, "reason", "announced"]), ["evicted", "0"]);
}

#[tokio::test]
async fn a_repeated_logout_everywhere_is_200_only_when_nothing_is_left() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    for path in ["", "?except=current"] {
        let (own, other) = (api.login("alice").await, api.login("alice").await);
        redis.ask::<String>(&["SET", "tg:revocations", "in the way"]);
        api.revoke(&own.refresh).await.expect_error(503, "temporarily_unavailable");
        redis.ask::<u64>(&["DEL", "tg:revocations"]);
        api.me(Method::DELETE, path, &own.access).await.expect_error(401, "invalid_token");
        assert_eq!(api.refresh(&other.refresh).await.status, 200);
        api.user(Method::DELETE, "alice", "").await.ended();
    }
}

#[tokio::test]
async fn a_node_that_never_heard_of_redis_gives_no_verdict_on_times() {
    let mut redis = Redis::start();
    let tokens = GATEWAY.start(&redis).api().login("alice").await;
    redis.stop();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    every_call_is_unavailable(&api, &tokens).await;
    redis.run();
    ready_again(&api).await;
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn an_eviction_policy_that_loses_sessions_is_said_loudly() {
    let redis = Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let gateway = GATEWAY.start_with(&redis, &[("ADMIN_ADDR", "127.0.0.1:0")]);
    let admin = Api::new(&gateway.admin());
    let readiness = admin.send(admin.request(Method::GET, "/readyz")).await;
    assert!(
        readiness.json()["warnings"][0].as_str().is_some_and(|it| it.contains("noeviction")),
        "{readiness:?}"
    );
    assert!(gateway.log().contains("'allkeys-lru' silently throws sessions"), "{}", gateway.log());
}
