//! The cost of a refresh and of a session: round trips, and memory in Redis and in the node.

use futures_util::future::join_all;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Api, Tokens};
use token_gateway_testkit::redis::Redis;

use crate::GATEWAY;

/// Refreshes before the look at the node's memory; the scenario `memory` of the proof has a million.
const REFRESHES: usize = 20_000;

/// Commands of clients, by the server's count, without the scripts' own commands.
fn sent_by_clients(redis: &Redis) -> u64 {
    ["evalsha", "eval", "ping", "unwatch", "script|load", "get", "multi", "wait"]
        .iter()
        .map(|command| redis.calls(command))
        .sum()
}

#[tokio::test]
async fn a_refresh_is_one_round_trip() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("WORKERS", "1")]);
    let api = gateway.api();
    let mut tokens = api.login("alice").await;
    tokens = api.refresh(&tokens.refresh).await.tokens();
    let (all, scripts, times) = (sent_by_clients(&redis), redis.calls("evalsha"), redis.calls("time"));
    for _ in 0..500 {
        tokens = api.refresh(&tokens.refresh).await.tokens();
    }
    assert_eq!(redis.calls("evalsha") - scripts, 500);
    assert_eq!(sent_by_clients(&redis) - all, 500, "nothing beside the script");
    // Each script asks for the time once. A node asks by itself only after a quarter second of silence.
    let asked = redis.calls("time") - times;
    assert!((500..=510).contains(&asked), "{asked}");
}

/// Bytes of Redis memory per session, with one session per user, as `MEMORY USAGE` has them.
async fn bytes_per_session(api: &Api, redis: &Redis, body: Value) -> (u64, Tokens) {
    let mut body = body;
    body["sub"] = json!("user-000001");
    let mut tokens = api.issue(&body).await.tokens();
    tokens = api.refresh(&tokens.refresh).await.tokens();
    (memory_usage(redis, &tokens), tokens)
}

fn memory_usage(redis: &Redis, tokens: &Tokens) -> u64 {
    let record = format!("tg:{{user-000001}}:session:{}", tokens.session);
    let usage = |key: &str| redis.ask::<u64>(&["MEMORY", "USAGE", key]);
    usage(&record) + usage("tg:{user-000001}:sessions")
}

#[tokio::test]
async fn a_session_with_40_bytes_of_claims_takes_at_most_650_bytes_after_one_rotation_and_after_1000() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let claims = json!({"role": "administrator", "plan": "gratis"});
    assert_eq!(claims.to_string().len(), 40);
    let (after_one, mut tokens) = bytes_per_session(&api, &redis, json!({"claims": claims})).await;
    assert!(after_one <= 650, "{after_one}");
    for _ in 1..1000 {
        tokens = api.refresh(&tokens.refresh).await.tokens();
    }
    assert_eq!(memory_usage(&redis, &tokens), after_one);
}

#[tokio::test]
async fn a_session_with_300_bytes_of_claims_and_a_user_agent_takes_at_most_900_bytes() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let claims = json!({ "note": "x".repeat(289) });
    assert_eq!(claims.to_string().len(), 300);
    let client = json!({"user_agent": "Example/4.2.1 (iPhone; iOS 26.1; Scale/3.00)"});
    let body = json!({"claims": claims, "client": client});
    let (bytes, _) = bytes_per_session(&gateway.api(), &redis, body).await;
    assert!(bytes <= 900, "{bytes}");
}

#[tokio::test]
async fn four_thousand_sessions_take_no_more_of_the_servers_memory_than_they_are_said_to() {
    let redis = Redis::start_with(&["--appendonly", "no"]);
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let used = || {
        let info: String = redis.ask(&["INFO", "memory"]);
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory_dataset:"));
        line.expect("Redis tells").parse::<u64>().expect("a number")
    };
    api.login("warm-up").await;
    let before = used();
    let users: Vec<String> = (0..4000).map(|n| format!("user-{n:06}")).collect();
    let claims = json!({"role": "administrator", "plan": "gratis"});
    for some in users.chunks(100) {
        let bodies: Vec<_> = some.iter().map(|sub| json!({"sub": sub, "claims": claims})).collect();
        join_all(bodies.iter().map(|body| api.issue(body))).await;
    }
    let bytes = (used() - before) / 4000;
    assert!(bytes <= 650, "{bytes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_stays_below_40_megabytes() {
    let redis = Redis::start_with(&["--appendonly", "no"]);
    let gateway = GATEWAY.start_with(&redis, &[("RUST_LOG", "warn,token_gateway::startup=info")]);
    let api = gateway.api();
    let chains = 32;
    let refresh_on = |n: usize| {
        let api = api.clone();
        tokio::spawn(async move {
            let mut tokens = api.login(&format!("user-{n}")).await;
            for _ in 0..REFRESHES / chains {
                tokens = api.refresh_until_decided(&tokens.refresh).await.tokens();
            }
        })
    };
    for chain in join_all((0..chains).map(refresh_on)).await {
        chain.expect("each refresh succeeded");
    }
    let resident = gateway.resident();
    assert!(resident <= 40_000_000, "{resident} bytes");
}
