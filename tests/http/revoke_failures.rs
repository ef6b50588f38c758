//! `POST /oauth/revoke` while the store fails.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::{Api, Tokens};
use token_gateway_testkit::redis::Redis;

use super::craft::Craft;
use crate::GATEWAY;

/// All names of one session: its tokens, old and new, in time and expired.
fn names(old: &Tokens, new: &Tokens) -> Vec<String> {
    let expired = |craft: Craft| craft.claim("exp", json!(1_000_000_000)).sign();
    let mut names = vec![expired(Craft::refresh(&new.refresh)), expired(Craft::access(&new.access))];
    for tokens in [old, new] {
        names.extend([tokens.refresh.clone(), tokens.access.clone()]);
    }
    names
}

/// Until storage is back, the answer to a repeated call is 503, and nothing else.
async fn repeated_until_it_works(api: &Api, token: &str) {
    let began = Instant::now();
    loop {
        let answer = api.revoke(token).await;
        if answer.status == 200 {
            return;
        }
        answer.expect_error(503, "temporarily_unavailable");
        assert!(began.elapsed() < Duration::from_secs(20), "still not revoked");
    }
}

/// Ways in which the storage of one session fails. `record` is the session's key.
fn fail(redis: &mut Redis, how: &str, record: &str) {
    let nowhere = token_gateway_testkit::free_port().to_string();
    match how {
        "frozen" => redis.freeze(),
        "stopped" => redis.stop(),
        "read-only" => redis.ask(&["REPLICAOF", "127.0.0.1", &nowhere]),
        "damaged" => {
            redis.ask::<()>(&["RENAME", record, "aside"]);
            redis.ask(&["SET", record, "not a hash"])
        }
        "unpublished" => redis.ask(&["SET", "tg:revocations", "not a stream"]),
        other => panic!("{other}?"),
    }
}

fn mend(redis: &mut Redis, how: &str, record: &str) {
    match how {
        "frozen" => redis.thaw(),
        "stopped" => redis.run(),
        "read-only" => redis.ask(&["REPLICAOF", "NO", "ONE"]),
        "damaged" => redis.ask(&["RENAME", "aside", record]),
        "unpublished" => redis.ask(&["DEL", "tg:revocations"]),
        other => panic!("{other}?"),
    }
}

/// Requirement REVOKE-4.
#[tokio::test]
async fn however_storage_fails_no_revocation_is_200_and_the_repeated_call_works() {
    let mut redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    for how in ["frozen", "stopped", "read-only", "damaged", "unpublished"] {
        let old = api.refresh(&api.login("alice").await.refresh).await.tokens();
        let new = api.refresh(&old.refresh).await.tokens();
        let (names, record) = (names(&old, &new), format!("tg:{{alice}}:session:{}", new.session));
        fail(&mut redis, how, &record);
        for token in &names {
            api.revoke(token).await.expect_error(503, "temporarily_unavailable");
        }
        mend(&mut redis, how, &record);
        repeated_until_it_works(&api, &names[0]).await;
        api.refresh(&new.refresh).await.expect_error(400, "invalid_grant");
        api.me(Method::GET, "", &new.access).await.expect_error(401, "invalid_token");
    }
}
