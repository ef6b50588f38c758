//! Nodes restarted with a lower setting, over sessions that were created before.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Api, Tokens, claims, fresh_key};
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;

use crate::GATEWAY;

const HOUR: Duration = Duration::from_secs(3600);

fn node(redis: &Redis, max_age: &str) -> Gateway {
    GATEWAY.start_with(redis, &[("SESSION_MAX_AGE_SECONDS", max_age)])
}

/// The end of a session after its creation, in seconds, as the API shows it: in the list, alone, and to its user.
async fn shown_age(api: &Api, tokens: &Tokens) -> Option<i64> {
    let at = |session: &Value, name: &str| {
        session[name].as_str().map(|text| text.parse::<Timestamp>().unwrap().as_millisecond())
    };
    let listed = api.user(Method::GET, "alice", "").await.json()["sessions"][0].clone();
    let single = api.user(Method::GET, "alice", &format!("/{}", tokens.session)).await.json();
    let own = api.me(Method::GET, "", &tokens.access).await.json()["sessions"][0].clone();
    for session in [&single, &own] {
        assert_eq!(session["absolute_expires_at"], listed["absolute_expires_at"]);
    }
    let end = at(&listed, "absolute_expires_at")?;
    assert!(at(&listed, "expires_at").unwrap() <= end, "{listed}");
    Some((end - at(&listed, "created_at").unwrap()) / 1000)
}

fn stored_age(redis: &Redis, tokens: &Tokens) -> Option<i64> {
    let key = format!("tg:{{alice}}:session:{}", tokens.session);
    let (created, end): (i64, Option<i64>) = redis.ask(&["HMGET", &key, "created_at", "absolute_expires_at"]);
    end.map(|end| (end - created) / 1_000_000)
}

#[tokio::test]
async fn a_lowered_absolute_lifetime_holds_for_sessions_from_before_and_a_raised_one_extends_none() {
    let redis = Redis::start();
    for former in ["0", "7776000"] {
        redis.ask::<String>(&["FLUSHDB"]);
        let before = Some(former.parse().unwrap()).filter(|age| *age != 0);
        let mut tokens = node(&redis, former).api().login("alice").await;
        assert_eq!(stored_age(&redis, &tokens), before);
        let (low, high, none) = (node(&redis, "7200"), node(&redis, "7776000"), node(&redis, "0"));
        assert_eq!(shown_age(&low.api(), &tokens).await, Some(7200), "before its next refresh");
        assert_eq!(stored_age(&redis, &tokens), before, "a list writes nothing");
        tokens = low.api().refresh(&tokens.refresh).await.tokens();
        let age = claims(&tokens.refresh)["exp"].as_i64().unwrap()
            - claims(&tokens.refresh)["iat"].as_i64().unwrap();
        assert!((7190..=7200).contains(&age), "{age}");
        let ttl: i64 = redis.ask(&["PTTL", &format!("tg:{{alice}}:session:{}", tokens.session)]);
        assert!((7_190_000..=7_200_000).contains(&ttl), "{ttl}");
        for node in [&low, &high, &none] {
            assert_eq!(stored_age(&redis, &tokens), Some(7200));
            assert_eq!(shown_age(&node.api(), &tokens).await, Some(7200));
            tokens = node.api().refresh(&tokens.refresh).await.tokens();
        }
        redis.age(HOUR * 2);
        for node in [&low, &high, &none] {
            node.api().refresh(&tokens.refresh).await.expect_error(400, "invalid_grant");
        }
    }
}

#[tokio::test]
async fn a_session_older_than_the_lowered_lifetime_is_refused_at_its_next_refresh_without_an_alarm() {
    let redis = Redis::start();
    for former in ["0", "7776000"] {
        redis.ask::<String>(&["FLUSHDB"]);
        let high = node(&redis, former);
        let (old, key) = (high.api().login("alice").await, fresh_key());
        redis.age(HOUR * 2);
        let young = high.api().login("alice").await;
        let successor = high.api().refresh_as(&old.refresh, &key).await.tokens();
        let low = node(&redis, "3600");
        for answer in [
            low.api().refresh(&successor.refresh).await,
            low.api().refresh_as(&old.refresh, &key).await,
            low.api().refresh(&old.refresh).await,
        ] {
            answer.expect_error(400, "invalid_grant");
        }
        assert_eq!(
            low.api().user(Method::GET, "alice", "").await.sessions(),
            std::slice::from_ref(&young.session)
        );
        let single = low.api().user(Method::GET, "alice", &format!("/{}", old.session)).await;
        single.expect_error(404, "not_found");
        let claims = json!({"claims": {"role": "guest"}});
        for path in ["", &format!("/{}", old.session)] {
            let change =
                low.api().service(Method::PATCH, &format!("/v1/users/alice/sessions{path}")).json(&claims);
            let answer = low.api().send(change).await;
            assert!(!answer.text.contains(&old.session), "{answer:?}");
        }
        assert_eq!(low.api().refresh(&young.refresh).await.status, 200, "nobody is accused");
    }
}

#[tokio::test]
async fn a_replay_tells_the_lowered_end_and_writes_nothing() {
    let redis = Redis::start();
    let (high, low) = (node(&redis, "7776000"), node(&redis, "7200"));
    let (first, key) = (high.api().login("alice").await, fresh_key());
    let second = high.api().refresh_as(&first.refresh, &key).await.tokens();
    let again = low.api().refresh_as(&first.refresh, &key).await;
    let left = again.json()["refresh_expires_in"].as_i64().unwrap();
    assert!((7190..=7200).contains(&left), "{again:?}");
    assert_eq!(stored_age(&redis, &second), Some(7_776_000));
    assert_eq!(claims(&again.tokens().refresh)["jti"], claims(&second.refresh)["jti"]);
}

/// A record that a failover has rolled back is healed with the least end, too.
#[tokio::test]
async fn a_record_that_is_healed_gets_the_lowered_end() {
    let redis = Redis::start();
    let (high, low) = (node(&redis, "0"), node(&redis, "7200"));
    let first = high.api().login("alice").await;
    let key = format!("tg:{{alice}}:session:{}", first.session);
    let dump: Vec<u8> = redis.ask(&["DUMP", &key]);
    let second = high.api().refresh(&first.refresh).await.tokens();
    let mut connection = redis.connect();
    redis::cmd("RESTORE").arg(&key).arg(604_800_000).arg(dump).arg("REPLACE").exec(&mut connection).unwrap();
    let third = low.api().refresh(&second.refresh).await.tokens();
    assert_eq!(claims(&third.refresh)["gen"], 2);
    assert_eq!(stored_age(&redis, &third), Some(7200));
}

#[tokio::test]
async fn the_commands_of_operators_show_the_lowered_end_where_they_are_given_the_setting() {
    let redis = Redis::start();
    let tokens = node(&redis, "0").api().login("alice").await;
    for (settings, expected) in [(&[][..], None), (&[("SESSION_MAX_AGE_SECONDS", "7200")], Some(7200))] {
        for args in [&["sessions", "list", "alice"][..], &["sessions", "show", &tokens.session]] {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_token-gateway"));
            command.env_clear().env("REDIS_URL", redis.url()).envs(settings.iter().copied()).args(args);
            let output = command.arg("--json").output().expect("it runs");
            let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            let session = &shown["sessions"][0];
            let at = |name: &str| session[name].as_str().map(|at| at.parse::<Timestamp>().unwrap());
            let age =
                at("absolute_expires_at").map(|end| end.duration_since(at("created_at").unwrap()).as_secs());
            assert_eq!(age, expected, "{args:?} {session}");
        }
    }
}

/// Without a creation time there is no telling whether the session is over. Unknown is not no.
#[tokio::test]
async fn a_record_without_its_creation_is_unreadable_where_there_is_an_absolute_lifetime() {
    let redis = Redis::start();
    let (none, low) = (node(&redis, "0"), node(&redis, "7200"));
    let tokens = none.api().login("alice").await;
    let key = format!("tg:{{alice}}:session:{}", tokens.session);
    redis.ask::<i64>(&["HDEL", &key, "created_at"]);
    low.api().refresh(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
    assert_eq!(none.api().refresh(&tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn a_lowered_refresh_lifetime_holds_from_the_next_refresh_on() {
    let redis = Redis::start();
    let first = GATEWAY.start(&redis).api().login("alice").await;
    let low = GATEWAY.start_with(&redis, &[("REFRESH_TTL_SECONDS", "3600")]);
    let key = format!("tg:{{alice}}:session:{}", first.session);
    assert!(redis.ask::<i64>(&["TTL", &key]) > 3600, "nothing is written by a restart");
    let second = low.api().refresh(&first.refresh).await;
    assert_eq!(second.json()["refresh_expires_in"], 3600);
    assert!(redis.ask::<i64>(&["TTL", &key]) <= 3600);
    redis.age(HOUR);
    low.api().refresh(&second.tokens().refresh).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_lowered_number_of_sessions_ends_all_that_are_too_many_at_the_next_login() {
    let redis = Redis::start();
    let many = GATEWAY.start(&redis);
    let mut before = Vec::new();
    for _ in 0..6 {
        before.push(many.api().login("alice").await.session);
    }
    let few = GATEWAY.start_with(&redis, &[("MAX_SESSIONS_PER_SUBJECT", "2")]);
    assert_eq!(few.api().user(Method::GET, "alice", "").await.sessions().len(), 6);
    let newest = few.api().login("alice").await;
    let mut left = few.api().user(Method::GET, "alice", "").await.sessions();
    left.sort();
    let mut expected = vec![before[5].clone(), newest.session];
    expected.sort();
    assert_eq!(left, expected);
}

#[tokio::test]
async fn a_lowered_grace_holds_at_once_for_rotations_from_before() {
    let redis = Redis::start();
    let wide = GATEWAY.start_with(&redis, &[("REFRESH_GRACE_SECONDS", "60")]);
    let first = wide.api().login("alice").await;
    let second = wide.api().refresh(&first.refresh).await.tokens();
    assert_eq!(wide.api().refresh(&first.refresh).await.tokens().refresh, second.refresh);
    let narrow = GATEWAY.start_with(&redis, &[("REFRESH_GRACE_SECONDS", "0")]);
    redis.age(Duration::from_secs(10));
    narrow.api().reuse(&first.refresh).await;
}
