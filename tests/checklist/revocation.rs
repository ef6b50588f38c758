//! Lines of the section "Revocation" without a test elsewhere.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::{Answer, Api, Tokens};
use token_gateway_testkit::redis::Redis;

use crate::GATEWAY;
use crate::http::craft::Craft;

const NOBODYS_SECRET: &str = "a-secret-that-nobody-here-has-ever-seen";

/// Useless variants of a token. They are nobody's, and look like a good one.
fn made_useless(craft: &Craft, genuine: &str) -> Vec<String> {
    let expired = json!(1_000_000_000);
    let unknown = craft.clone().claim("sub", json!("nobody"));
    vec![
        unknown.sign(),
        unknown.claim("exp", expired.clone()).sign(),
        craft.clone().under(NOBODYS_SECRET).sign(),
        craft.clone().under(NOBODYS_SECRET).claim("exp", expired).sign(),
        craft.clone().header("alg", json!("none")).sign(),
        craft.clone().header("typ", json!("JWT")).sign(),
        craft.clone().claim("iss", json!("https://elsewhere.example.test")).sign(),
        craft.clone().claim("sid", json!("x")).sign(),
        craft.clone().claim("exp", None).sign(),
        genuine[..genuine.len() - 1].to_owned(),
        genuine[1..].to_owned(),
    ]
}

/// Works for refresh tokens and access tokens; 200 also for a token that is unknown, expired or nonsense.
/// (RFC 7009 2.1, 2.2)
#[tokio::test]
async fn whatever_the_token_the_answer_is_the_same_200() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let genuine = api.login("alice").await;
    let mut tokens = made_useless(&Craft::access(&genuine.access), &genuine.access);
    tokens.extend(made_useless(&Craft::refresh(&genuine.refresh), &genuine.refresh));
    tokens.extend(["nonsense", "a.b.c", "...", "\u{1f98a}", " ", "null", "%"].map(str::to_owned));
    tokens.push("x".repeat(12_000));
    for token in &tokens {
        expect_ok(token, &api.revoke(token).await);
    }
    assert_eq!(api.refresh(&genuine.refresh).await.status, 200, "none of these has ended anything");
    for by_access in [false, true] {
        let own = api.login("alice").await;
        let token = if by_access { &own.access } else { &own.refresh };
        for _ in 0..2 {
            expect_ok(token, &api.revoke(token).await);
            api.refresh(&own.refresh).await.expect_error(400, "invalid_grant");
            api.me(Method::GET, "", &own.access).await.expect_error(401, "invalid_token");
        }
    }
}

/// The one answer, which tells nobody the worth of a token.
fn expect_ok(token: &str, answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"), "{token}: {answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
}

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

/// Storage failure is never 200: 503. (RFC 7009 2.2.1, CVE-2020-15223)
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
