//! `token-gateway stats`.

use serde_json::json;
use token_gateway_testkit::redis::Redis;

use super::{fill, json, operator, run, text};
use crate::GATEWAY;

#[tokio::test]
async fn it_counts_sessions_subjects_and_what_has_ended() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    for sub in ["alice", "alice", "alice", "a}:{b ü%"] {
        api.login(sub).await;
    }
    let bob = [api.login("bob").await, api.login("bob").await];
    for tokens in &bob {
        assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
    }
    redis.ask::<u64>(&["HSET", &format!("tg:{{bob}}:session:{}", bob[0].session), "announced", "0"]);
    let stats = json(&redis, &["stats"]);
    assert_eq!(stats["sessions"], json!({"live": 4, "ended": 2, "unannounced": 1}));
    assert_eq!(
        (&stats["subjects"], &stats["sessions_per_subject"]),
        (&json!(2), &json!({"max": 3, "mean": 2.0}))
    );
    assert_eq!(stats["top"], json!([{"sub": "alice", "sessions": 3}, {"sub": "a}:{b ü%", "sessions": 1}]));
    assert_eq!((&stats["feed"]["entries"], &stats["layout"]), (&json!(2), &json!("1")));
    let (oldest, newest) =
        (stats["feed"]["oldest"].as_str().unwrap(), stats["feed"]["newest"].as_str().unwrap());
    assert!(oldest <= newest && newest.ends_with('Z'), "{stats}"); // both may be of one millisecond
    let text = text(&redis, &["stats"]);
    for line in
        ["live sessions          4", "ended sessions kept    2, 1 of them unpublished", "3         alice"]
    {
        assert!(text.lines().any(|it| it.trim_end() == line), "{line} is not in\n{text}");
    }
    assert!(text.contains(newest), "{text}");
}

#[test]
fn thousands_are_all_counted_and_the_memory_of_some_is_measured() {
    let redis = Redis::start();
    fill(&redis, 2000, 3);
    let stats = json(&redis, &["stats", "--sample", "50", "--top", "2"]);
    assert_eq!((&stats["sessions"]["live"], &stats["subjects"]), (&json!(6000), &json!(2000)));
    assert_eq!(stats["top"], json!([{"sub": "user-1", "sessions": 3}, {"sub": "user-10", "sessions": 3}]));
    let measured: u64 = redis.ask(&["MEMORY", "USAGE", "tg:{user-1}:session:1000000000000000000"]);
    let session = &stats["memory"]["per_session"];
    assert_eq!(session["sampled"], 50);
    let mean = session["mean"].as_u64().unwrap();
    assert!(mean.abs_diff(measured) < 100 && session["max"].as_u64() >= Some(mean), "{measured}: {stats}");
    assert_eq!(stats["memory"]["per_subject"]["sampled"], 50);
    assert!(stats["memory"]["used"].as_u64() > Some(1_000_000), "{stats}");
    assert_eq!(json(&redis, &["stats", "--sample", "0"])["memory"]["per_session"], json!(null));
}

#[test]
fn keys_that_would_stay_for_ever_are_counted_and_named() {
    let redis = Redis::start();
    fill(&redis, 20, 1);
    redis.ask::<()>(&["SET", "tg:schema", "1"]);
    redis.ask::<()>(&["SET", "something", "else"]);
    assert_eq!(json(&redis, &["stats"])["keys_without_ttl"], json!({"count": 0, "examples": []}));
    redis.ask::<u64>(&["PERSIST", "tg:{user-7}:sessions"]);
    let leak = json!({"count": 1, "examples": ["tg:{user-7}:sessions"]});
    assert_eq!(json(&redis, &["stats"])["keys_without_ttl"], leak);
    for n in 1..=20 {
        redis.ask::<()>(&["SET", &format!("tg:{{stray-{n}}}:\u{1b}"), "x"]);
    }
    let leaks = json(&redis, &["stats"])["keys_without_ttl"].clone();
    assert_eq!((&leaks["count"], leaks["examples"].as_array().unwrap().len()), (&json!(21), 10));
    let text = text(&redis, &["stats"]);
    assert!(text.contains("keys without a TTL     21 tg:{") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_policy_that_evicts_is_shown_and_an_empty_redis_is_no_error() {
    let redis = Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let stats = json(&redis, &["stats"]);
    assert_eq!((&stats["memory"]["policy"], &stats["layout"]), (&json!("allkeys-lru"), &json!(null)));
    assert_eq!((&stats["sessions"]["live"], &stats["feed"]["newest"]), (&json!(0), &json!(null)));
    assert!(text(&redis, &["stats"]).contains("allkeys-lru"));
}

#[test]
fn a_user_who_may_not_ask_redis_about_itself_is_told_the_rest() {
    let redis = Redis::start();
    fill(&redis, 1, 1);
    redis.ask::<()>(&["ACL", "SETUSER", "ops", "on", ">secret-of-ops", "~tg:*", "+@all", "-info", "-config"]);
    let mut command = operator(&redis, &["stats", "--json"]);
    command.env("REDIS_URL", format!("redis://ops:secret-of-ops@127.0.0.1:{}", redis.port()));
    let ended = run(&mut command);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    let stats: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((&stats["memory"]["used"], &stats["sessions"]["live"]), (&json!(null), &json!(1)));
}
