//! `token-gateway sessions list SUB --ended`, and what `sessions list SUB` says where nothing is live.

use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Api, Tokens};
use token_gateway_testkit::cluster::Cluster;
use token_gateway_testkit::redis::Redis;

use super::{HOSTILE, HOSTILE_KEY};
use crate::GATEWAY;
use crate::cli::{json, json_at, operator, run, text, text_at};

/// Tombstones of the subject `user-1`, one second apart.
fn end_sessions(redis: &Redis, count: u64) {
    const ENDED: &str = r"
        for n = 0, ARGV[1] - 1 do
            local key = 'tg:{user-1}:session:1' .. string.format('%018d', n)
            redis.call('HSET', key, 'state', 'ended', 'reason', 'logout', 'announced', '1',
                'ended_at', string.format('%d', 1790000000 + n) .. '000000')
            redis.call('PEXPIRE', key, 600000)
        end";
    redis.ask::<()>(&["EVAL", ENDED, "0", &count.to_string()]);
}

async fn logged_out(api: &Api, sub: &str) -> Tokens {
    let tokens = api.login(sub).await;
    assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
    tokens
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|one| one["session_id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn without_a_live_session_it_says_so_and_names_the_flag() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    logged_out(&gateway.api(), HOSTILE).await;
    for sub in ["alice", HOSTILE] {
        let said = text(&redis, &["sessions", "list", sub]);
        assert!(said.starts_with(&format!("{sub} has no live session; --ended shows")), "{said}");
        assert!(said.contains("24 h") && said.contains("TOMBSTONE_TTL_SECONDS"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(json(&redis, &["sessions", "list", sub]), json!({"sessions": []}));
    }
    let said = text(&redis, &["sessions", "list", "a\u{2028}b"]);
    assert!(said.starts_with("a\\u{2028}b has no live session"), "{said}");
    let said = text(&redis, &["sessions", "list", "alice", "--ended"]);
    assert!(said.contains("alice has no live session\n") && said.contains("no session that ended"), "{said}");
    let none = json!({"sessions": [], "ended": [], "more": 0});
    assert_eq!(json(&redis, &["sessions", "list", "alice", "--ended"]), none);
}

#[tokio::test]
async fn ended_sessions_are_shown_beside_the_live_ones_the_latest_first() {
    let redis = Redis::start();
    let gateway =
        GATEWAY.start_with(&redis, &[("MAX_SESSIONS_PER_SUBJECT", "2"), ("REUSE_SCOPE", "session")]);
    let api = gateway.api();
    let mut ended = vec![(api.login(HOSTILE).await.session, "evicted")];
    for _ in 0..2 {
        ended.push((api.login(HOSTILE).await.session, "admin"));
    }
    for (session, _) in &ended[1..] {
        assert_eq!(api.user(Method::DELETE, HOSTILE_KEY, &format!("/{session}")).await.ended().len(), 1);
    }
    let tokens = api.login(HOSTILE).await;
    assert_eq!(api.revoke(&tokens.access).await.status, 200);
    ended.push((tokens.session, "logout"));
    let tokens = api.login(HOSTILE).await;
    api.refresh(&tokens.refresh).await.tokens();
    api.reuse(&tokens.refresh).await;
    ended.push((tokens.session, "reuse"));
    let live = api.login(HOSTILE).await;
    let keys: u64 = redis.ask(&["DBSIZE"]);
    let found = json(&redis, &["sessions", "list", HOSTILE, "--ended"]);
    assert_eq!(found["sessions"], api.user(Method::GET, HOSTILE_KEY, "").await.json()["sessions"]);
    assert_eq!((ids(&found["sessions"]), &found["more"]), (vec![live.session.as_str()], &json!(0)));
    let expected: Vec<_> = ended.iter().rev().map(|(session, _)| session.as_str()).collect();
    assert_eq!(ids(&found["ended"]), expected);
    for (one, (session, reason)) in found["ended"].as_array().unwrap().iter().zip(ended.iter().rev()) {
        let over_http = api.user(Method::GET, HOSTILE_KEY, &format!("/{session}")).await.json();
        assert_eq!((one, &one["reason"]), (&over_http, &json!(reason)));
    }
    let printed = text(&redis, &["sessions", "list", HOSTILE, "--ended"]);
    assert!(printed.contains(&live.session), "{printed}");
    for one in found["ended"].as_array().unwrap() {
        let words = ["session_id", "state", "reason", "ended_at"].map(|name| one[name].as_str().unwrap());
        let is_line = |line: &str| line.split_whitespace().eq(words);
        assert!(printed.lines().any(is_line), "{one} is not in\n{printed}");
    }
    assert_eq!(redis.ask::<u64>(&["DBSIZE"]), keys, "it only looks");
    assert_eq!(redis.calls("keys"), 0);
}

/// Looking writes nothing: the keys before are the keys after.
#[tokio::test]
async fn no_look_at_sessions_makes_a_key() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let ended = logged_out(&gateway.api(), "alice").await.session;
    let live = gateway.api().login("alice").await.session;
    let keys = || {
        let mut keys: Vec<String> = redis.ask(&["KEYS", "*"]);
        keys.sort();
        (redis.ask::<u64>(&["DBSIZE"]), keys)
    };
    let before = keys();
    for args in [
        &["sessions", "list", "alice", "--ended"][..],
        &["sessions", "list", "nobody", "--ended"],
        &["sessions", "list", "alice"],
        &["sessions", "show", &ended, "--sub", "alice"],
        &["sessions", "show", &live, "--sub", "alice"],
    ] {
        for args in [args, &[args, &["--json"]].concat()] {
            let ended = run(&mut operator(&redis, args));
            assert_eq!(ended.code, 0, "{args:?}: {ended:?}");
            assert_eq!(keys(), before, "{args:?}");
        }
    }
}

/// A subject is no pattern, and one that begins like another is another.
#[tokio::test]
async fn only_that_subjects_sessions_are_shown() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("REDIS_PREFIX", "my:app-1_x")]);
    let api = gateway.api();
    let subjects = ["a", "*", "?", "[a-z]", "\\a", "a*", "ab", "^", "a:session:1", "%2A"];
    let mut sessions = Vec::new();
    for sub in subjects {
        sessions.push(logged_out(&api, sub).await.session);
    }
    for (sub, session) in subjects.iter().zip(&sessions) {
        let found = json(&redis, &["sessions", "list", "--redis-prefix", "my:app-1_x", "--ended", sub]);
        assert_eq!(ids(&found["ended"]), [session.as_str()], "{sub}");
    }
}

#[tokio::test]
async fn an_end_that_is_not_published_yet_is_shown_too() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let tokens = logged_out(&gateway.api(), "alice").await;
    redis.ask::<u64>(&["HSET", &format!("tg:{{alice}}:session:{}", tokens.session), "announced", "0"]);
    redis.ask::<u64>(&["SADD", "tg:{alice}:sessions", &tokens.session]);
    let found = json(&redis, &["sessions", "list", "alice", "--ended"]);
    assert_eq!((ids(&found["ended"]), &found["sessions"]), (vec![tokens.session.as_str()], &json!([])));
}

#[test]
fn of_thousands_the_latest_are_shown_and_the_number_of_the_others() {
    let redis = Redis::start();
    end_sessions(&redis, 3000);
    let args = ["sessions", "list", "user-1", "--ended"];
    let found = json(&redis, &args);
    assert_eq!((ids(&found["ended"]).len(), &found["more"]), (100, &json!(2900)));
    assert_eq!(ids(&found["ended"])[..2], ["1000000000000002999", "1000000000000002998"]);
    let ended = run(&mut operator(&redis, &[&args[..], &["--limit", "7"]].concat()));
    assert_eq!((ended.code, ended.stdout.matches("logout").count()), (0, 7), "{ended:?}");
    assert!(ended.stderr.contains("2993") && ended.stderr.contains("--limit"), "{ended:?}");
    assert!(redis.calls("scan") >= 3, "in steps");
}

#[test]
fn a_tombstone_that_cannot_be_read_is_named() {
    let redis = Redis::start();
    end_sessions(&redis, 2);
    redis.ask::<u64>(&["HDEL", "tg:{user-1}:session:1000000000000000001", "ended_at"]);
    let ended = run(&mut operator(&redis, &["sessions", "list", "user-1", "--ended"]));
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (1, "", 1), "{ended:?}");
    assert!(ended.stderr.contains("1000000000000000001") && ended.stderr.contains("'ended_at'"), "{ended:?}");
}

#[test]
fn the_flag_belongs_to_a_subject_and_a_limit_to_a_long_list() {
    let redis = Redis::start();
    for (args, named) in [(&["--ended"][..], "SUB"), (&["alice", "--limit", "5"], "--ended")] {
        let ended = run(&mut operator(&redis, &[&["sessions", "list"], args].concat()));
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
            (2, "", 1),
            "{ended:?}"
        );
        assert!(ended.stderr.contains(named), "{ended:?}");
    }
}

#[tokio::test]
async fn in_a_cluster_each_subjects_are_found_on_its_primary() {
    let cluster = Cluster::start();
    let url = cluster.gateway_url();
    let gateway = GATEWAY.on(&url, &[]);
    for n in 0..8 {
        let sub = format!("user-{n}");
        let tokens = logged_out(&gateway.api(), &sub).await;
        let found = json_at(&url, &["sessions", "list", &sub, "--ended"]);
        assert_eq!(ids(&found["ended"]), [tokens.session.as_str()], "{sub}");
        assert!(text_at(&url, &["sessions", "list", &sub]).contains("no live session"));
    }
}
