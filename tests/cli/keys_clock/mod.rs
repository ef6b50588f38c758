//! The clock of `keys`: Redis's with `REDIS_URL`, for its time decides which key signs; else this machine's.

mod shifted;

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use token_gateway_testkit::cluster::Cluster;
use token_gateway_testkit::free_port;
use token_gateway_testkit::keys::Keys;
use token_gateway_testkit::redis::{Login, Redis};
use token_gateway_testkit::sentinel::Sentinel;

use self::shifted::shifted;
use super::{Ended, file, run};
use crate::GATEWAY;

/// Room for a slow test, in seconds.
const ROOM: u64 = 30;

fn machine_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn seconds(text: &Value) -> u64 {
    let time: jiff::Timestamp = text.as_str().expect("a time").parse().expect("RFC 3339");
    u64::try_from(time.as_second()).expect("after 1970")
}

#[track_caller]
fn is_about(time: u64, expected: u64) {
    assert!((expected..expected + ROOM).contains(&time), "{time}, not {expected}");
}

/// The answer of a command that goes by the Redis of this URL.
#[track_caller]
fn by(url: &str, keys: &Keys, args: &[&str]) -> Value {
    let ended = run(keys.command(args).arg("--json").env("REDIS_URL", url));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    serde_json::from_str(&ended.stdout).expect("JSON")
}

/// Two keys; the second took over at `change`.
fn changed_over(change: u64) -> Keys {
    let (keys, more) = (Keys::none(GATEWAY), Keys::none(GATEWAY));
    for keys in [&keys, &more] {
        keys.run(&["new"]);
    }
    let mut set: Value = serde_json::from_str(&keys.text()).expect("JSON");
    let second: Value = serde_json::from_str(&more.text()).expect("JSON");
    set["keys"].as_array_mut().expect("a list").push(second["keys"][0].clone());
    set["keys"][0]["signs_from"] = 1_000.into();
    set["keys"][1]["signs_from"] = change.into();
    keys.write(&set.to_string());
    keys
}

fn states(list: &Value) -> Vec<&str> {
    list["keys"].as_array().expect("a list").iter().map(|key| key["state"].as_str().expect("text")).collect()
}

#[test]
fn on_a_machine_ten_minutes_slow_a_new_key_still_waits_for_its_verifiers() {
    let redis = Redis::start();
    let (keys, url) = (Keys::none(GATEWAY), shifted(redis.port(), 600));
    let first = by(&url, &keys, &["new"]);
    let redis_now = machine_now() + 600;
    is_about(seconds(&first["signs_from"]), redis_now - ROOM / 2);
    let rotated = by(&url, &keys, &["rotate"]);
    is_about(seconds(&rotated["signs_from"]), redis_now + 61 - 1);
    assert_eq!(rotated["clock"], "redis");
    is_about(seconds(&rotated["now"]), redis_now - 1);
    let delayed = Keys::none(GATEWAY);
    by(&url, &delayed, &["new"]);
    let rotated = by(&url, &delayed, &["rotate", "--delay-seconds", "300"]);
    is_about(seconds(&rotated["signs_from"]), redis_now + 300 - 1);
    let refresh = by(&url, &delayed, &["new", "--refresh", "--delay-seconds", "100"]);
    is_about(seconds(&refresh["signs_from"]), redis_now + 100 - 1);
}

#[test]
fn on_a_machine_an_hour_fast_the_key_of_a_live_token_stays() {
    let redis = Redis::start();
    let url = shifted(redis.port(), -3600);
    let keys = changed_over(machine_now() - 3600 - 100);
    let before = keys.text();
    let list = by(&url, &keys, &["list"]);
    assert_eq!(states(&list), ["retiring", "active"], "{list}");
    assert_eq!(list["clock"], "redis");
    assert_eq!(by(&url, &keys, &["retire"])["retired"], json!([]));
    let [before, after] =
        [before, keys.text()].map(|text| serde_json::from_str::<Value>(&text).expect("JSON"));
    assert_eq!(after, before);
    let kid = list["keys"][0]["kid"].as_str().expect("text");
    let ended = run(keys.command(&["retire", kid]).env("REDIS_URL", &url));
    assert!(ended.code == 1 && ended.stderr.contains("has signed tokens that live until"), "{ended:?}");
    assert_eq!(by(&url, &keys, &["rotate"])["retired"], json!([]));
    assert!(keys.text().contains(kid));
}

#[test]
fn a_key_that_waits_by_redis_waits_although_this_machine_is_ahead() {
    let redis = Redis::start();
    let keys = changed_over(machine_now() - 1800);
    assert_eq!(states(&by(&shifted(redis.port(), -3600), &keys, &["list"])), ["active", "waiting"]);
    assert_eq!(states(&by(&redis.url(), &keys, &["list"])), ["retired", "active"]);
}

#[test]
fn each_command_says_which_clock_and_which_time_it_used() {
    let redis = Redis::start();
    let (_dir, path) = file(&format!("{}\n", redis.url()));
    let path = path.to_str().expect("text");
    let url = redis.url();
    for (name, value, clock, word) in [
        ("REDIS_URL", url.as_str(), "redis", "by Redis's clock"),
        ("REDIS_URL_FILE", path, "redis", "by Redis's clock"),
        ("REDIS_URL", "", "machine", "by this machine's clock"),
    ] {
        for args in [&["new"][..], &["rotate"], &["retire"], &["list"]] {
            let keys = Keys::none(GATEWAY);
            if args != ["new"] {
                keys.run(&["new"]);
            }
            let text = run(keys.command(args).env(name, value));
            let line = text.stdout.lines().last().expect("a line");
            let (words, time) = line.rsplit_once(": ").expect("a time");
            assert_eq!((text.code, words), (0, word), "{text:?}");
            is_about(seconds(&time.into()), machine_now() - ROOM / 2);
        }
        for args in [&["new", "--refresh"][..], &["rotate"], &["retire"], &["list"]] {
            let keys = Keys::none(GATEWAY);
            keys.run(&["new"]);
            let ended = run(keys.command(args).arg("--json").env(name, value));
            let said: Value = serde_json::from_str(&ended.stdout).expect("JSON");
            assert_eq!((ended.code, &said["clock"]), (0, &clock.into()), "{ended:?}");
            is_about(seconds(&said["now"]), machine_now() - ROOM / 2);
        }
    }
}

#[test]
fn where_no_node_uses_redis_the_clock_is_the_machines() {
    let redis = Redis::start();
    let keys = Keys::none(GATEWAY);
    let url = shifted(redis.port(), 600);
    let embedded = run(keys.command(&["new", "--json"]).envs([("REDIS_URL", &*url), ("STORE", "embedded")]));
    assert!(embedded.code == 0 && embedded.stdout.contains("\"machine\""), "{embedded:?}");
}

#[track_caller]
fn refused(ended: &Ended) {
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (1, "", 1), "{ended:?}");
    assert!(ended.stderr.contains("REDIS_URL") && !ended.stderr.contains("hunter2"), "{ended:?}");
}

#[test]
fn without_an_answer_of_a_primary_each_command_refuses_and_nothing_is_changed() {
    let redis = Redis::start();
    let frozen = Redis::start();
    frozen.freeze();
    let port = redis.port().to_string();
    let replica = Redis::start_with(&["--replicaof", "127.0.0.1", &port]);
    let guarded = Redis::start_on(free_port(), Login::Password("another-password"), &[]);
    for url in [
        format!("redis://:hunter2hunter2@127.0.0.1:{}", free_port()),
        frozen.url(),
        replica.url(),
        format!("redis://:hunter2hunter2@{}", guarded.address()),
        format!("redis+sentinel://:hunter2hunter2@127.0.0.1:{}/mymaster", free_port()),
        format!("redis+cluster://:hunter2hunter2@127.0.0.1:{}", free_port()),
    ] {
        let keys = changed_over(machine_now() - 100_000);
        let before = keys.text();
        for args in [&["rotate"][..], &["retire"], &["list"], &["new", "--refresh", "--json"]] {
            refused(&run(keys.command(args).env("REDIS_URL", &url)));
            assert_eq!(keys.text(), before, "{url}: {args:?}");
        }
        let none = Keys::none(GATEWAY);
        refused(&run(none.command(&["new"]).env("REDIS_URL", &url)));
        assert!(!std::path::Path::new(none.path()).exists());
    }
    let wrong = run(Keys::none(GATEWAY).command(&["new"]).env("REDIS_URL", "http://:hunter2@x"));
    assert!(wrong.code == 2 && wrong.stderr.contains("REDIS_URL"), "{wrong:?}");
    assert!(!wrong.stderr.contains("hunter2"), "{wrong:?}");
}

#[test]
fn the_users_of_the_page_may_ask_and_a_primary_behind_sentinels_or_of_a_cluster_answers() {
    let users = Redis::start_on(free_port(), Login::Users, &[]);
    let (sentinel, cluster) = (Sentinel::start(), Cluster::start());
    for url in [users.url(), users.gateway_url(), sentinel.gateway_url(), cluster.gateway_url()] {
        let keys = Keys::none(GATEWAY);
        assert_eq!(by(&url, &keys, &["new"])["clock"], "redis");
        is_about(seconds(&by(&url, &keys, &["rotate"])["now"]), machine_now() - ROOM / 2);
    }
}
