//! A session in Redis: names, fields and lifetimes, as an operator sees them.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Api, claims};
use token_gateway_testkit::redis::Redis;

use crate::GATEWAY;

const WEEK_MS: i64 = 604_800_000;
const DAY_MS: i64 = 86_400_000;

fn keys(redis: &Redis) -> BTreeSet<String> {
    redis.ask::<Vec<String>>(&["KEYS", "*"]).into_iter().collect()
}

fn record(redis: &Redis, key: &str) -> BTreeMap<String, String> {
    redis.ask(&["HGETALL", key])
}

fn names(record: &BTreeMap<String, String>) -> Vec<&str> {
    record.keys().map(String::as_str).collect()
}

#[track_caller]
fn expect_ttl(redis: &Redis, key: &str, expected: i64) {
    let ttl: i64 = redis.ask(&["PTTL", key]);
    assert!((expected - 10_000..=expected).contains(&ttl), "{key} lives {ttl} ms, not {expected}");
}

async fn full_login(api: &Api) -> token_gateway_testkit::api::Tokens {
    let body = json!({
        "sub": "alice", "claims": {"name": "Zo\u{eb}\n"}, "client_id": "mobile", "scope": "read write",
        "aud": "billing", "client": {"ip": "192.0.2.1", "user_agent": "caf\u{e9}", "label": "phone"},
    });
    api.issue(&body).await.tokens()
}

#[tokio::test]
async fn a_login_leaves_one_hash_and_its_id_in_the_subjects_set() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let tokens = full_login(&gateway.api()).await;
    let (session, set) = (format!("tg:{{alice}}:session:{}", tokens.session), "tg:{alice}:sessions");
    assert_eq!(keys(&redis), BTreeSet::from([session.clone(), set.into(), "tg:schema".into()]));
    assert_eq!(redis.ask::<Vec<String>>(&["SMEMBERS", set]), std::slice::from_ref(&tokens.session));
    assert_eq!(redis.ask::<String>(&["GET", "tg:schema"]), "1");
    assert_eq!(redis.ask::<i64>(&["TTL", "tg:schema"]), -1);
    expect_ttl(&redis, &session, WEEK_MS);
    expect_ttl(&redis, set, WEEK_MS);
    assert_eq!(redis.ask::<String>(&["OBJECT", "ENCODING", &session]), "listpack");
}

#[tokio::test]
async fn the_record_holds_the_fields_of_the_layout_in_printable_ascii() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = full_login(&api).await;
    let key = format!("tg:{{alice}}:session:{}", tokens.session);
    let first = record(&redis, &key);
    let fields = [
        "absolute_expires_at",
        "aud",
        "claims",
        "client",
        "client_id",
        "created_at",
        "gen",
        "issued_at",
        "jti",
        "rotated_at",
        "scope",
        "state",
    ];
    assert_eq!(names(&first), fields);
    for (name, value) in [
        ("state", "live"),
        ("gen", "0"),
        ("client_id", "mobile"),
        ("scope", "read write"),
        ("aud", "billing"),
        ("claims", r#"{"name":"Zo\u00eb\n"}"#),
    ] {
        assert_eq!(first[name], value);
    }
    assert_eq!(claims(&tokens.refresh)["jti"], first["jti"].as_str());
    assert_eq!(first["created_at"].len(), 16, "microseconds");
    let lifetime =
        first["absolute_expires_at"].parse::<u64>().unwrap() - first["created_at"].parse::<u64>().unwrap();
    assert_eq!(lifetime, 7_776_000_000_000);
    assert!(first.values().all(|value| value.bytes().all(|b| (b' '..=b'~').contains(&b))), "{first:?}");
    assert_eq!(serde_json::from_str::<Value>(&first["client"]).unwrap()["user_agent"], "caf\u{e9}");
    assert!(
        !first.values().any(|value| tokens.refresh.contains(value) && value.len() > 60),
        "no token is stored"
    );
}

#[tokio::test]
async fn a_rotation_writes_five_fields_and_arms_both_lifetimes_again() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = full_login(&api).await;
    let (key, set) = (format!("tg:{{alice}}:session:{}", tokens.session), "tg:{alice}:sessions");
    redis.age(std::time::Duration::from_secs(3600));
    let before = record(&redis, &key);
    let refreshed = api.refresh(&tokens.refresh).await.tokens();
    let after = record(&redis, &key);
    let changed: Vec<_> =
        after.iter().filter(|(k, v)| before.get(*k) != Some(v)).map(|(k, _)| k.as_str()).collect();
    assert_eq!(changed, ["gen", "issued_at", "jti", "prev", "rotated_at"]);
    assert_eq!((after["prev"].as_str(), after["gen"].as_str()), (before["jti"].as_str(), "1"));
    assert_eq!(claims(&refreshed.refresh)["jti"], after["jti"].as_str());
    expect_ttl(&redis, &key, WEEK_MS);
    expect_ttl(&redis, set, WEEK_MS);
    assert_eq!(keys(&redis).len(), 3, "rotation adds no key");
}

#[tokio::test]
async fn an_ended_session_leaves_a_tombstone_an_entry_in_the_feed_and_nothing_in_the_set() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("TOMBSTONE_TTL_SECONDS", "43200")]);
    let api = gateway.api();
    let (gone, stays) = (api.login("alice").await, api.login("alice").await);
    assert_eq!(api.revoke(&gone.refresh).await.status, 200);
    let key = format!("tg:{{alice}}:session:{}", gone.session);
    let tombstone = record(&redis, &key);
    assert_eq!(names(&tombstone), ["announced", "ended_at", "reason", "state"]);
    assert_eq!((tombstone["state"].as_str(), tombstone["reason"].as_str()), ("ended", "logout"));
    assert_eq!(tombstone["announced"], "1");
    expect_ttl(&redis, &key, DAY_MS / 2);
    expect_ttl(&redis, "tg:{alice}:sessions", WEEK_MS);
    assert_eq!(redis.ask::<Vec<String>>(&["SMEMBERS", "tg:{alice}:sessions"]), [stays.session]);
    let feed: Vec<(String, Vec<String>)> = redis.ask(&["XRANGE", "tg:revocations", "-", "+"]);
    assert_eq!(feed.len(), 1);
    assert_eq!(feed[0].1, ["sub", "alice", "sid", &gone.session, "reason", "logout"]);
}

#[tokio::test]
async fn ending_the_same_session_again_is_not_published_again() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    for _ in 0..3 {
        assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
        assert!(api.user(Method::DELETE, "alice", "").await.ended().is_empty());
    }
    assert_eq!(redis.ask::<i64>(&["XLEN", "tg:revocations"]), 1);
}

#[tokio::test]
async fn the_feed_names_each_ended_session_with_its_reason() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let (a, b) = (api.login("alice").await, api.login("alice").await);
    api.user(Method::DELETE, "alice", &format!("/{}", a.session)).await.ended();
    api.me(Method::DELETE, "", &b.access).await.ended();
    let c = api.login("alice").await;
    api.refresh(&c.refresh).await.tokens();
    api.reuse(&c.refresh).await;
    let feed: Vec<(String, Vec<String>)> = redis.ask(&["XRANGE", "tg:revocations", "-", "+"]);
    let told: Vec<_> = feed.iter().map(|(_, fields)| (fields[3].as_str(), fields[5].as_str())).collect();
    let expected = [(a.session.as_str(), "admin"), (&b.session, "logout"), (&c.session, "reuse")];
    assert_eq!(told, expected);
    assert_eq!(redis.ask::<i64>(&["EXISTS", "tg:{alice}:sessions"]), 0);
}

#[tokio::test]
async fn odd_subjects_are_percent_encoded_inside_their_hash_tag() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("REDIS_PREFIX", "my:app-1_x")]);
    let api = gateway.api();
    for (sub, encoded) in [
        ("a.user-1_x+y@example.com", "a.user-1_x+y@example.com"),
        ("\u{fc} }:{a/%*", "%C3%BC%20%7D%3A%7Ba%2F%25%2A"),
        ("...", "..."),
    ] {
        let tokens = api.login(sub).await;
        let set = format!("my:app-1_x:{{{encoded}}}:sessions");
        let session = format!("my:app-1_x:{{{encoded}}}:session:{}", tokens.session);
        assert_eq!(redis.ask::<i64>(&["EXISTS", &set, &session]), 2, "{:?}", keys(&redis));
        api.revoke(&tokens.refresh).await;
        let feed: Vec<(String, Vec<String>)> =
            redis.ask(&["XREVRANGE", "my:app-1_x:revocations", "+", "-", "COUNT", "1"]);
        assert_eq!(feed[0].1[1], encoded);
    }
    assert!(keys(&redis).iter().all(|key| key.starts_with("my:app-1_x:")), "{:?}", keys(&redis));
}

#[tokio::test]
async fn nothing_in_redis_outlives_the_absolute_lifetime() {
    let redis = Redis::start();
    let settings = [("SESSION_MAX_AGE_SECONDS", "1000")];
    let gateway = GATEWAY.start_with(&redis, &settings);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let key = format!("tg:{{alice}}:session:{}", tokens.session);
    expect_ttl(&redis, &key, 1_000_000);
    redis.age(std::time::Duration::from_secs(400));
    api.refresh(&tokens.refresh).await.tokens();
    expect_ttl(&redis, &key, 600_000);
    expect_ttl(&redis, "tg:{alice}:sessions", 600_000);
    redis.age(std::time::Duration::from_secs(601));
    assert_eq!(keys(&redis), BTreeSet::from(["tg:schema".to_owned()]));
}

#[tokio::test]
async fn a_damaged_record_is_no_verdict_and_is_left_as_it_is() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    for field in ["jti", "gen", "rotated_at", "issued_at", "state"] {
        let sub = format!("user-{}", field.replace('_', "-"));
        let (old, other) = (api.login(&sub).await, api.login(&sub).await);
        let current = api.refresh(&old.refresh).await.tokens();
        let key = format!("tg:{{{sub}}}:session:{}", old.session);
        redis.ask::<()>(&["HDEL", &key, field]);
        let damaged = record(&redis, &key);
        for token in [&current.refresh, &old.refresh] {
            let answer = api.refresh(token).await;
            if field == "state" {
                answer.expect_error(400, "invalid_grant"); // no field says the session is live
            } else {
                answer.expect_error(503, "temporarily_unavailable");
            }
        }
        assert_eq!(record(&redis, &key), damaged, "{field}");
        assert_eq!(api.refresh(&other.refresh).await.status, 200, "{field}: the other session lives");
    }
}

#[tokio::test]
async fn numbers_are_compared_as_numbers() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let first = api.login("alice").await;
    let second = api.refresh(&first.refresh).await.tokens();
    let key = format!("tg:{{alice}}:session:{}", first.session);
    redis.ask::<()>(&["HSET", &key, "gen", "01"]);
    assert_eq!(api.refresh(&second.refresh).await.status, 200);
    assert_eq!(record(&redis, &key)["gen"], "2");
}
