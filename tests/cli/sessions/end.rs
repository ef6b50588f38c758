//! `token-gateway sessions end`.

use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::claims;
use token_gateway_testkit::redis::Redis;

use super::{HOSTILE, HOSTILE_KEY};
use crate::GATEWAY;
use crate::cli::{Ended, fill, json, operator, run, text};

const SID: &str = "1000000000000000000";

/// The feed, oldest first: subject, session, reason.
fn feed(redis: &Redis) -> Vec<[String; 3]> {
    let entries: Vec<(String, HashMap<String, String>)> = redis.ask(&["XRANGE", "tg:revocations", "-", "+"]);
    entries.into_iter().map(|(_, it)| ["sub", "sid", "reason"].map(|name| it[name].clone())).collect()
}

/// Demands exit code 1, nothing on standard output, and one line with the request to repeat the command.
#[track_caller]
fn expect_unknown(ended: &Ended) {
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (1, "", 1), "{ended:?}");
    assert!(ended.stderr.contains("unknown whether") && ended.stderr.contains("repeat"), "{ended:?}");
}

#[tokio::test]
async fn an_ended_session_is_refused_at_once_without_alarm_and_published_once() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let (lost, kept, bob) = (api.login(HOSTILE).await, api.login(HOSTILE).await, api.login("bob").await);
    let printed = text(&redis, &["sessions", "end", HOSTILE, &lost.session]);
    assert_eq!(printed, format!("ended {} admin\n", lost.session));
    api.refresh(&lost.refresh).await.expect_error(400, "invalid_grant");
    api.me(Method::GET, "", &lost.access).await.expect_error(401, "invalid_token");
    assert_eq!(feed(&redis), [[HOSTILE_KEY, &lost.session, "admin"]]);
    for other in [kept, bob] {
        assert_eq!(api.refresh(&other.refresh).await.status, 200);
    }
}

#[tokio::test]
async fn all_sessions_of_a_subject_end_or_all_but_one() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let (first, second, third) =
        (api.login("alice").await, api.login("alice").await, api.login("alice").await);
    let bob = api.login("bob").await;
    let jti = claims(&second.refresh)["jti"].as_str().unwrap().to_owned();
    let report = json(&redis, &["sessions", "end", "alice", "--all", "--except", &jti]);
    let mut ended = [first.session.clone(), third.session.clone()];
    ended.sort();
    assert_eq!(report, json!({"ended": ended, "announced": []}));
    let second = api.refresh(&second.refresh).await.tokens();
    assert_eq!(
        text(&redis, &["sessions", "end", "alice", "--all"]),
        format!("ended {} admin\n", second.session)
    );
    for tokens in [first, second, third] {
        api.refresh(&tokens.refresh).await.expect_error(400, "invalid_grant");
    }
    assert_eq!(api.refresh(&bob.refresh).await.status, 200);
    assert_eq!(feed(&redis).len(), 3);
}

#[test]
fn ending_again_changes_nothing_and_says_so() {
    let redis = Redis::start();
    fill(&redis, 1, 1);
    let args = ["sessions", "end", "user-1", SID];
    assert_eq!(text(&redis, &args), format!("ended {SID} admin\n"));
    let said = text(&redis, &args);
    assert!(said.starts_with(&format!("nothing to end: user-1 has no live session {SID};")), "{said}");
    assert!(said.contains(&format!("`sessions show {SID}`")) && said.lines().count() == 1, "{said}");
    assert_eq!(json(&redis, &args), json!({"ended": [], "announced": []}));
    let said = text(&redis, &["sessions", "end", "user-1", "--all"]);
    assert!(said.starts_with("nothing to end: user-1 has no live session;"), "{said}");
    assert!(said.contains("--ended") && said.lines().count() == 1, "{said}");
    let said = text(&redis, &["sessions", "end", "user-1", "--all", "--except", SID]);
    assert!(said.starts_with("nothing to end: user-1 has no other live session;"), "{said}");
    assert_eq!(json(&redis, &["sessions", "end", "nobody", "--all"]), json!({"ended": [], "announced": []}));
    assert_eq!(feed(&redis).len(), 1);
}

#[test]
fn what_was_not_published_is_published_by_a_repeat() {
    for extent in [SID, "--all"] {
        let redis = Redis::start();
        fill(&redis, 1, 1);
        let args = ["sessions", "end", "user-1", extent];
        let mut first = operator(&redis, &args);
        let ended = run(first.env("REDIS_WAIT_REPLICAS", "1"));
        expect_unknown(&ended);
        assert!(ended.stderr.contains("0 of 1 replicas"), "{ended:?}");
        redis.ask::<u64>(&["DEL", "tg:revocations"]);
        assert_eq!(json(&redis, &args), json!({"ended": [], "announced": [SID]}));
        assert_eq!(feed(&redis), [["user-1", SID, "admin"]]);
        assert!(text(&redis, &args).starts_with("nothing to end"));
        assert_eq!(feed(&redis).len(), 1);
    }
}

#[test]
fn records_and_feed_are_kept_as_long_as_the_settings_say() {
    let redis = Redis::start();
    fill(&redis, 1, 2);
    let now: (u64, u64) = redis.ask(&["TIME"]);
    let entry = |age: u64| format!("{}-0", (now.0 - age) * 1000);
    for n in 0..200 {
        redis.ask::<String>(&["XADD", "tg:revocations", &entry(1500 - n), "sub", "x"]);
    }
    let ttl = |sid| redis.ask::<u64>(&["TTL", &format!("tg:{{user-1}}:session:{sid}")]);
    text(&redis, &["sessions", "end", "user-1", SID]);
    assert!((86_300..=86_400).contains(&ttl(SID)));
    assert_eq!(
        redis.ask::<u64>(&["XLEN", "tg:revocations"]),
        201,
        "kept for 15 minutes more than access tokens"
    );
    let other = "1000000000000000001";
    let flags = ["--tombstone-ttl-seconds", "100", "--access-ttl-seconds", "60"];
    text(&redis, &[&["sessions", "end", "user-1", other], &flags[..]].concat());
    assert!((90..=100).contains(&ttl(other)));
    assert!(redis.ask::<u64>(&["XLEN", "tg:revocations"]) < 201);
    let short = [("TOMBSTONE_TTL_SECONDS", "1"), ("REDIS_TIMEOUT_MS", "1000")];
    let ended = run(operator(&redis, &["sessions", "end", "user-1", SID]).envs(short));
    assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{ended:?}");
    assert!(ended.stderr.contains("TOMBSTONE_TTL_SECONDS"), "{ended:?}");
}

#[test]
fn with_redis_away_the_outcome_is_unknown_within_the_deadline() {
    let mut redis = Redis::start();
    fill(&redis, 1, 1);
    for extent in [SID, "--all"] {
        redis.freeze();
        let began = Instant::now();
        let ended = run(&mut operator(&redis, &["sessions", "end", "user-1", extent]));
        let took = began.elapsed();
        redis.thaw();
        expect_unknown(&ended);
        assert!(ended.stderr.contains("gave no answer within "), "{ended:?}");
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
    redis.stop();
    expect_unknown(&run(&mut operator(&redis, &["sessions", "end", "user-1", SID])));
}

#[test]
fn on_a_terminal_ending_all_is_asked_about_unless_told_not_to() {
    let redis = Redis::start();
    fill(&redis, 1, 1);
    let live = || redis.ask::<String>(&["HGET", &format!("tg:{{user-1}}:session:{SID}"), "state"]) == "live";
    let on_a_terminal = |answer: &str, flag: &str| {
        let line = format!("{} sessions end user-1 --all {flag}", env!("CARGO_BIN_EXE_token-gateway"));
        let mut shell = Command::new("bash");
        shell.args(["-c", r#"printf '%s\n' "$0" | script -qec "$1" /dev/null"#, answer, &line]);
        run(shell.env("REDIS_URL", redis.url()))
    };
    for answer in ["n", "", "what"] {
        let ended = on_a_terminal(answer, "");
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(
            ended.stdout.contains("user-1? [y/N]") && ended.stdout.contains("nothing was ended"),
            "{ended:?}"
        );
        assert!(live());
    }
    let ended = on_a_terminal("y", "");
    assert!(ended.code == 0 && ended.stdout.contains(&format!("ended {SID}")) && !live(), "{ended:?}");
    let ended = on_a_terminal("n", "--yes");
    assert!(ended.code == 0 && !ended.stdout.contains("[y/N]"), "{ended:?}");
}

#[test]
fn it_is_told_either_one_session_or_all() {
    let redis = Redis::start();
    for (sub, remedies) in [("alice", ["sessions list", "--all"]), (SID, ["SUB", "sessions show"])] {
        let ended = run(&mut operator(&redis, &["sessions", "end", sub]));
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{ended:?}");
        assert!(remedies.iter().all(|remedy| ended.stderr.contains(remedy)), "{ended:?}");
    }
    for args in [&["alice"][..], &["alice", SID, "--all"], &["alice", SID, "--except", SID], &[]] {
        let ended = run(&mut operator(&redis, &[&["sessions", "end"], args].concat()));
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
            (2, "", 1),
            "{ended:?}"
        );
    }
}
