//! `ops/end` and the scripts beside it, when all is well and when it is not.

use token_gateway_core::session::Subject;
use token_gateway_testkit::redis::Redis;

use super::{Ended, Shell};
use crate::GATEWAY;

const HOSTILE: &str = "a}:{b ü%";

#[track_caller]
fn expect_failure(ended: &Ended, code: i32, said: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{ended:?}");
    assert!(ended.stderr.contains(said), "'{said}' is not said: {ended:?}");
}

/// Subject, sid and reason of each entry of the feed, oldest first.
fn feed(redis: &Redis) -> Vec<[String; 3]> {
    let entries: Vec<(String, Vec<String>)> = redis.ask(&["XRANGE", "tg:revocations", "-", "+"]);
    entries.into_iter().map(|(_, it)| [it[1].clone(), it[3].clone(), it[5].clone()]).collect()
}

fn published(redis: &Redis, session: &str) -> String {
    redis.ask(&["HGET", &format!("tg:{{alice}}:session:{session}"), "announced"])
}

#[tokio::test]
async fn a_running_gateway_refuses_what_was_ended_and_goes_on_with_all_others() {
    let redis = Redis::start();
    let (gateway, shell) = (GATEWAY.start(&redis), Shell::on(&redis.url()));
    let api = gateway.api();
    let one = api.login(HOSTILE).await;
    let (two, bob) = (api.login(HOSTILE).await, api.login("bob").await);
    let user = shell.ok(&format!("ops/encode '{HOSTILE}'")).trim().to_owned();

    shell.ok(&format!("ops/end '{user}' {}", one.session));
    api.refresh(&one.refresh).await.expect_error(400, "invalid_grant");
    let two = api.refresh(&two.refresh).await.tokens();
    shell.ok(&format!("ops/end '{user}' all"));
    api.refresh(&two.refresh).await.expect_error(400, "invalid_grant");
    assert_eq!(api.refresh(&bob.refresh).await.status, 200);
    let again = api.login(HOSTILE).await;
    assert_eq!(api.refresh(&again.refresh).await.status, 200, "a later login is nobody's business");
    let expected = [&one.session, &two.session].map(|sid| [user.clone(), sid.clone(), "admin".to_owned()]);
    assert_eq!(feed(&redis), expected);
}

#[tokio::test]
async fn what_could_not_be_published_is_not_marked_and_a_repeat_publishes_it() {
    let redis = Redis::start();
    let (gateway, shell) = (GATEWAY.start(&redis), Shell::on(&redis.url()));
    let (one, two) = (gateway.api().login("alice").await, gateway.api().login("alice").await);
    for (which, session) in [(one.session.as_str(), &one.session), ("all", &two.session)] {
        redis.ask::<()>(&["SET", "tg:revocations", "in the way"]);
        let failed = shell.run(&format!("ops/end alice {which}"));
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert!(failed.stderr.contains("NOT published; repeating this is safe"), "{failed:?}");
        assert_eq!(published(&redis, session), "0", "marked before the feed had it");
        redis.ask::<()>(&["DEL", "tg:revocations"]);
        let repeated = shell.ok(&format!("ops/end alice {which}"));
        assert!(repeated.contains(&format!("published {session}, reason admin")), "{repeated}");
        assert_eq!(published(&redis, session), "1");
        // The node repairs the end before, which went with the feed.
        let own: Vec<_> = feed(&redis).into_iter().filter(|[_, sid, _]| sid == session).collect();
        assert_eq!(own, [["alice".to_owned(), session.clone(), "admin".to_owned()]]);
    }
    let printed = shell.ok(&format!("ops/end alice {}", one.session));
    assert!(printed.ends_with("nothing waits to be published\n"), "{printed}");
    assert!(shell.ok("ops/end alice all").ends_with("nothing waits to be published\n"));
}

#[tokio::test]
async fn tombstones_and_the_feed_live_as_long_as_the_services() {
    let redis = Redis::start();
    let (gateway, shell) = (GATEWAY.start(&redis), Shell::on(&redis.url()));
    let now: (u64, u64) = redis.ask(&["TIME"]);
    for n in 0..300 {
        let id = format!("{}-{n}", (now.0 - 2400) * 1000);
        redis.ask::<String>(&["XADD", "tg:revocations", &id, "sid", "40 minutes old"]);
    }
    let length = || redis.ask::<u64>(&["XLEN", "tg:revocations"]);
    for (tombstone, access, kept) in [("100", "1600", true), ("", "", false)] {
        let tokens = gateway.api().login("alice").await;
        let shell = Shell::on(&redis.url())
            .with("TOMBSTONE_TTL_SECONDS", tombstone)
            .with("ACCESS_TTL_SECONDS", access);
        shell.ok("ops/end alice all");
        let ttl: u64 = redis.ask(&["TTL", &format!("tg:{{alice}}:session:{}", tokens.session)]);
        let seconds = tombstone.parse().unwrap_or(86_400);
        assert!((seconds - 10..=seconds).contains(&ttl), "{ttl}");
        assert_eq!(length() > 300, kept, "{}", length());
    }
    let wrong = shell.with("ACCESS_TTL_SECONDS", "15m").run("ops/end alice all");
    expect_failure(&wrong, 2, "ACCESS_TTL_SECONDS must be a number of seconds");
}

#[tokio::test]
async fn only_the_prefix_that_was_named_is_touched() {
    let redis = Redis::start();
    let (one, other) = (GATEWAY.start(&redis), GATEWAY.start_with(&redis, &[("REDIS_PREFIX", "eu:gate")]));
    let (ours, theirs) = (one.api().login("alice").await, other.api().login("alice").await);
    Shell::on(&redis.url()).with("REDIS_PREFIX", "eu:gate").ok("ops/end alice all");
    assert_eq!(one.api().refresh(&ours.refresh).await.status, 200);
    other.api().refresh(&theirs.refresh).await.expect_error(400, "invalid_grant");
    assert_eq!(redis.ask::<u64>(&["XLEN", "eu:gate:revocations"]), 1);
}

#[tokio::test]
async fn wrong_usage_is_2_and_what_could_not_be_done_is_1() {
    let redis = Redis::start();
    let shell = Shell::on(&redis.url());
    expect_failure(&shell.run("ops/end alice all"), 1, "tg:schema is ''");
    let gateway = GATEWAY.start(&redis);
    let tokens = gateway.api().login("alice").await;
    for wrong in [
        "ops/end",
        "ops/end alice",
        "ops/end alice ''",
        "ops/end alice 123",
        "ops/end 'a b' all",
        "ops/end '' all",
        "ops/encode",
        "ops/encode ''",
        "ops/on-every-primary",
        "ops/each-key 'tg:*' TYPE",
        "ops/each-key '' TYPE KEY",
    ] {
        expect_failure(&shell.run(wrong), 2, "usage: ops/");
    }
    expect_failure(&shell.run("ops/end alice 1234567890123456789"), 1, "has no session");
    expect_failure(&shell.run("ops/on-every-primary '$R GET'"), 1, "not everything");
    expect_failure(&shell.run("ops/each-key 'tg:schema' SCARD KEY"), 1, "WRONGTYPE");
    redis.ask::<()>(&["SET", "tg:schema", "1-to-2"]);
    expect_failure(&shell.run("ops/end alice all"), 1, "tg:schema is '1-to-2'");
    redis.ask::<()>(&["SET", "tg:schema", "1"]);
    assert_eq!(gateway.api().refresh(&tokens.refresh).await.status, 200, "none of these ended anything");
}

#[tokio::test]
async fn a_password_in_the_environment_is_used_and_a_wrong_one_is_never_an_answer() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    gateway.api().login("alice").await;
    redis.ask::<()>(&["CONFIG", "SET", "requirepass", "hunter2hunter2"]);
    let questions = ["ops/each-key 'tg:*' TYPE KEY", "ops/on-every-primary '$R DBSIZE'", "ops/end alice all"];
    for question in questions {
        let wrong = Shell::on(&redis.url()).with("REDISCLI_AUTH", "not-the-password").run(question);
        expect_failure(&wrong, 1, "error: ");
        Shell::on(&redis.url()).with("REDISCLI_AUTH", "hunter2hunter2").ok(question);
    }
}

#[test]
fn a_subject_is_encoded_as_the_service_does() {
    let ascii: String = (' '..='~').collect();
    for name in [ascii.as_str(), HOSTILE, "alice+x@example.com", "日本語 €", "-n", "%41"] {
        let subject: Subject = name.parse().expect("a valid subject");
        let printed = Shell::on("").run_with(r#"ops/encode "$1""#, &[name]).stdout;
        assert_eq!(printed, format!("{}\n", subject.encoded()));
    }
}

#[tokio::test]
async fn a_user_of_an_acl_ends_sessions_under_its_own_name() {
    let redis = Redis::start();
    let alice = GATEWAY.start(&redis).api().login("alice").await;
    redis.ask::<()>(&["ACL", "SETUSER", "support", "on", ">pass", "~*", "&*", "+@all"]);
    redis.ask::<()>(&["ACL", "SETUSER", "default", "off"]);
    let shell = Shell::on(&redis.url()).with("REDISCLI_AUTH", "pass");
    let nobody = shell.run("ops/end alice all");
    assert!(nobody.code != Some(0), "{nobody:?}");
    let shell = shell.with("REDISCLI_OPTIONS", "--user support");
    assert_eq!(shell.ok(". ops/env; $R ACL WHOAMI").trim(), "support");
    assert!(shell.ok("ops/end alice all").contains(&alice.session));
}
