//! `POST /oauth/token`: rotation, replay, reuse, and the lifetime of a session.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Api, Tokens, claims, decided, fresh_key};
use token_gateway_testkit::redis::Redis;

use super::craft::Craft;
use crate::GATEWAY;

/// A grace window that no test outlasts.
const GRACE: [(&str, &str); 1] = [("REFRESH_GRACE_SECONDS", "60")];

const DAY: Duration = Duration::from_secs(86_400);

async fn expect_dead(api: &Api, tokens: &Tokens) {
    api.reuse(&tokens.refresh).await;
    api.me(Method::GET, "", &tokens.access).await.expect_error(401, "invalid_token");
}

/// Requirement TOKEN-13.
#[tokio::test]
async fn after_reuse_on_one_node_the_newest_tokens_are_dead_on_the_other() {
    let redis = Redis::start();
    let (one, two) = (GATEWAY.start(&redis), GATEWAY.start(&redis));
    for (here, there) in [(one.api(), two.api()), (two.api(), one.api())] {
        let first = here.login("alice").await;
        let second = here.refresh(&first.refresh).await.tokens();
        assert_eq!(there.me(Method::GET, "", &second.access).await.status, 200);
        here.reuse(&first.refresh).await;
        expect_dead(&there, &second).await;
        expect_dead(&here, &second).await;
    }
}

#[tokio::test]
async fn reuse_ends_every_session_of_the_subject_and_nobody_elses() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (first, phone, bob) = (api.login("alice").await, api.login("alice").await, api.login("bob").await);
    api.refresh(&first.refresh).await.tokens();
    api.reuse(&first.refresh).await;
    expect_dead(&api, &phone).await;
    assert!(api.user(Method::GET, "alice", "").await.sessions().is_empty());
    let ended = api.user(Method::GET, "alice", &format!("/{}", phone.session)).await.json();
    assert_eq!((&ended["state"], &ended["reason"]), (&json!("ended"), &json!("reuse")));
    assert_eq!(api.refresh(&bob.refresh).await.status, 200);
    assert_eq!(api.issue(&json!({"sub": "alice"})).await.status, 201);
}

#[tokio::test]
async fn with_reuse_scope_session_only_that_session_ends() {
    let gateway = GATEWAY.embedded_with(&[("REUSE_SCOPE", "session")]);
    let api = gateway.api();
    let (first, phone) = (api.login("alice").await, api.login("alice").await);
    let second = api.refresh(&first.refresh).await.tokens();
    api.reuse(&first.refresh).await;
    expect_dead(&api, &second).await;
    assert_eq!(api.refresh(&phone.refresh).await.status, 200);
}

/// A session after five refreshes by two nodes in turn; all its tokens, the oldest first.
async fn rotated_five_times(nodes: &[Api; 2]) -> Vec<Tokens> {
    let mut chain = vec![nodes[0].login("alice").await];
    for n in 0..5 {
        let newest = chain[n].refresh.clone();
        chain.push(nodes[n % 2].refresh(&newest).await.tokens());
    }
    chain
}

/// The same token with other times, and so of another age by a clock's seconds.
fn timed(token: &str, iat: u64, exp: &Value) -> String {
    Craft::refresh(token).claim("iat", json!(iat)).claim("exp", exp.clone()).sign()
}

/// Requirement TOKEN-18.
#[tokio::test]
async fn after_five_rotations_at_once_each_older_token_is_seen_as_reuse_whatever_its_times_say() {
    let redis = Redis::start();
    let gateways = [GATEWAY.start(&redis), GATEWAY.start(&redis)];
    let nodes = [gateways[0].api(), gateways[1].api()];
    for older in 0..5 {
        for ahead in [None, Some(0), Some(5)] {
            let chain = rotated_five_times(&nodes).await;
            let (old, newest) = (&chain[older].refresh, claims(&chain[5].refresh));
            let iat = newest["iat"].as_u64().expect("a number");
            let shown = ahead.map_or(old.clone(), |ahead| timed(old, iat + ahead, &newest["exp"]));
            // By the node that rotated it, or by the other one.
            let asked = &nodes[(older + usize::from(ahead.is_none())) % 2];
            asked.refresh_until_decided(&shown).await.expect_error(400, "invalid_grant");
            for node in &nodes {
                expect_dead(node, &chain[5]).await;
            }
            for tokens in &chain[..5] {
                asked.reuse(&tokens.refresh).await;
            }
        }
    }
}

#[tokio::test]
async fn a_replay_with_the_same_idempotency_key_gives_the_same_refresh_token_on_any_node() {
    let redis = Redis::start();
    let (one, two) = (GATEWAY.start(&redis), GATEWAY.start(&redis));
    let (one, two) = (one.api(), two.api());
    let (first, key) = (one.login("alice").await, fresh_key());
    let second = one.refresh_as(&first.refresh, &key).await.tokens();
    for api in [&one, &two, &one] {
        assert_eq!(api.refresh_as(&first.refresh, &key).await.tokens(), second);
    }
    let third = two.refresh(&second.refresh).await.tokens();
    assert_eq!(claims(&third.refresh)["gen"], 2);
    assert_eq!(one.me(Method::GET, "", &third.access).await.status, 200);
}

#[tokio::test]
async fn a_replay_with_another_key_or_none_is_reuse() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for keyed in [true, false] {
        let first = api.login("alice").await;
        let second = api.refresh(&first.refresh).await.tokens();
        let replay = api.refresh_request(&first.refresh);
        let replay = if keyed { replay.header("Idempotency-Key", fresh_key()) } else { replay };
        let again = || replay.try_clone().expect("a body of text");
        decided(|| api.send(again())).await.expect_error(400, "invalid_grant");
        expect_dead(&api, &second).await;
    }
}

#[tokio::test]
async fn a_replay_after_the_successor_was_used_is_reuse_even_with_its_own_key() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (first, key) = (api.login("alice").await, fresh_key());
    let second = api.refresh_as(&first.refresh, &key).await.tokens();
    let third = api.refresh(&second.refresh).await.tokens();
    decided(|| api.refresh_as(&first.refresh, &key)).await.expect_error(400, "invalid_grant");
    expect_dead(&api, &third).await;
}

#[tokio::test]
async fn within_the_grace_window_an_old_token_gives_the_same_successor_and_after_it_is_reuse() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("REFRESH_GRACE_SECONDS", "30")]);
    let api = gateway.api();
    let first = api.login("alice").await;
    let second = api.refresh(&first.refresh).await.tokens();
    assert_eq!(api.refresh(&first.refresh).await.tokens().refresh, second.refresh);
    redis.age(Duration::from_secs(29));
    let late = api.refresh(&first.refresh).await.tokens();
    assert_eq!(claims(&late.refresh)["jti"], claims(&second.refresh)["jti"]);
    redis.age(Duration::from_secs(2));
    api.reuse(&first.refresh).await;
    expect_dead(&api, &second).await;
}

/// The guide, on `REFRESH_GRACE_SECONDS`: the window is for the token just superseded, and only until its successor is used.
#[tokio::test]
async fn the_grace_window_closes_when_the_successor_is_used() {
    const GUIDE: &str = include_str!("../../docs/guides/several-tabs-and-retries.md");
    assert!(GUIDE.contains("is counted from the rotation, and closes earlier when the\nsuccessor is used"));
    let redis = Redis::start();
    for gateway in [GATEWAY.start_with(&redis, &GRACE), GATEWAY.embedded_with(&GRACE)] {
        let api = gateway.api();
        let first = api.login("alice").await;
        let second = api.refresh(&first.refresh).await.tokens();
        let tab = api.refresh(&first.refresh).await.tokens();
        assert_eq!(claims(&tab.refresh)["jti"], claims(&second.refresh)["jti"], "two tabs, one successor");
        let third = api.refresh(&tab.refresh).await.tokens();
        api.reuse(&first.refresh).await;
        expect_dead(&api, &third).await;
    }
}

/// The same, on the price of the window: a thief inside it gets what the owner gets, and raises no alarm.
#[tokio::test]
async fn a_thief_who_always_comes_within_the_grace_window_is_not_seen() {
    let gateway = GATEWAY.embedded_with(&GRACE);
    let api = gateway.api();
    let mut owner = api.login("alice").await;
    for _ in 0..3 {
        let stolen = owner.refresh.clone();
        owner = api.refresh(&stolen).await.tokens();
        let thief = api.refresh(&stolen).await.tokens();
        assert_eq!(claims(&thief.refresh)["jti"], claims(&owner.refresh)["jti"]);
    }
    assert_eq!(api.user(Method::GET, "alice", "").await.sessions().len(), 1);
}

/// The guide, on retries: the same `Idempotency-Key` is a replay, within any window and beyond it.
#[tokio::test]
async fn a_retry_with_its_idempotency_key_needs_no_grace_window() {
    let redis = Redis::start();
    for settings in [&GRACE[..], &[]] {
        let gateway = GATEWAY.start_with(&redis, settings);
        let api = gateway.api();
        let first = api.login("alice").await;
        let second = api.refresh_as(&first.refresh, "the-key-of-this-attempt").await.tokens();
        redis.age(DAY);
        let retry = api.refresh_as(&first.refresh, "the-key-of-this-attempt").await.tokens();
        assert_eq!(claims(&retry.refresh)["jti"], claims(&second.refresh)["jti"]);
    }
}

/// Requirement TOKEN-14.
#[tokio::test]
async fn an_idle_session_expires_and_each_refresh_starts_its_time_anew() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let mut tokens = api.login("alice").await;
    for _ in 0..3 {
        redis.age(DAY * 6);
        tokens = api.refresh(&tokens.refresh).await.tokens();
    }
    redis.age(DAY * 7);
    expect_dead(&api, &tokens).await;
    assert!(api.user(Method::GET, "alice", "").await.sessions().is_empty());
    api.user(Method::GET, "alice", &format!("/{}", tokens.session)).await.expect_error(404, "not_found");
}

/// Requirement TOKEN-14.
#[tokio::test]
async fn refreshing_in_a_loop_does_not_pass_the_absolute_lifetime() {
    let settings =
        [("ACCESS_TTL_SECONDS", "40"), ("REFRESH_TTL_SECONDS", "60"), ("SESSION_MAX_AGE_SECONDS", "100")];
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &settings);
    let api = gateway.api();
    let mut answer = api.issue(&json!({"sub": "alice"})).await;
    for left in [75, 50, 25] {
        redis.age(Duration::from_secs(25));
        answer = api.refresh(&answer.tokens().refresh).await;
        for (field, ttl) in [("expires_in", 40), ("refresh_expires_in", 60)] {
            let stated = answer.json()[field].as_u64().expect("a number");
            assert!(stated <= left && stated + 5 >= left.min(ttl), "{left} s are left: {answer:?}");
        }
    }
    redis.age(Duration::from_secs(25));
    expect_dead(&api, &answer.tokens()).await;
}

#[tokio::test]
async fn the_absolute_lifetime_holds_even_where_the_record_is_still_there() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("SESSION_MAX_AGE_SECONDS", "1000000")]);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let record = format!("tg:{{alice}}:session:{}", tokens.session);
    redis.ask::<i64>(&["HSET", &record, "absolute_expires_at", "1000000"]);
    assert!(api.user(Method::GET, "alice", "").await.sessions().is_empty());
    assert_eq!(redis.ask::<i64>(&["EXISTS", &record]), 1);
    expect_dead(&api, &tokens).await;
    assert_eq!(redis.ask::<i64>(&["EXISTS", &record]), 0, "a refused refresh deletes it");
}

#[tokio::test]
async fn a_refresh_token_ends_by_its_own_exp_too() {
    let settings = [("ACCESS_TTL_SECONDS", "1"), ("REFRESH_TTL_SECONDS", "1")];
    let gateway = GATEWAY.embedded_with(&settings);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let began = Instant::now();
    while api.me(Method::GET, "", &tokens.access).await.status == 200 {
        assert!(began.elapsed() < Duration::from_secs(3), "it lives on");
    }
    expect_dead(&api, &tokens).await;
}

#[tokio::test]
async fn without_an_absolute_lifetime_a_session_lasts_as_long_as_it_is_refreshed() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("SESSION_MAX_AGE_SECONDS", "0")]);
    let api = gateway.api();
    let mut tokens = api.login("alice").await;
    let list = api.me(Method::GET, "", &tokens.access).await.json();
    assert_eq!(list["sessions"][0]["absolute_expires_at"], json!(null));
    for _ in 0..20 {
        redis.age(DAY * 6);
        tokens = api.refresh(&tokens.refresh).await.tokens();
    }
    assert_eq!(claims(&tokens.refresh)["gen"], 20);
}
