//! `check` finds a server that refuses writes, or soon will: out of memory, without a disk, without replicas, paused.

use std::time::Duration;

use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::wait_for;

use super::Ended;
use super::check::{check, problems, warning};

/// Demands one problem, that of refused writes, with these words.
#[track_caller]
fn refuses_writes(redis: &Redis, words: &[&str]) {
    let ended = check(&redis.url(), &[], true);
    let found = problems(&ended);
    let [(subject, message)] = &found[..] else { panic!("{ended:?}") };
    assert_eq!((ended.code, subject.as_str()), (1, "writes"), "{ended:?}");
    let server = format!("Redis at {} ", redis.address());
    for words in words.iter().chain(&[server.as_str()]) {
        assert!(message.contains(words), "{words}: {message}");
    }
}

/// Demands that the server is sound.
#[track_caller]
fn is_sound(redis: &Redis) -> Ended {
    let ended = check(&redis.url(), &[], true);
    assert!(ended.code == 0 && !ended.stdout.contains("warning"), "{ended:?}");
    ended
}

#[test]
fn a_full_server_is_a_problem_with_a_remedy_until_there_is_room() {
    let redis = Redis::start();
    redis.fill("filler");
    let lost = "logins and changes of claims get 503, while refreshes and logouts go on";
    refuses_writes(&redis, &[lost, "answered OOM", "raise maxmemory, or end sessions"]);
    assert!(redis.ask::<Vec<String>>(&["KEYS", "tg:*"]).is_empty(), "it only looks");
    redis.make_room("filler");
    redis.limit_memory(0);
    assert!(!is_sound(&redis).stdout.contains("of maxmemory"));
}

#[test]
fn from_four_fifths_of_maxmemory_on_there_is_a_warning_with_both_numbers() {
    let redis = Redis::start();
    let limit = redis.fill_nearly("filler");
    let ended = check(&redis.url(), &[], true);
    let message = warning(&ended, "maxmemory");
    for words in [&*redis.address(), " % of maxmemory", &format!(" of {limit} bytes"), "raise maxmemory"] {
        assert!(message.contains(words), "{words}: {message}");
    }
    assert_eq!(ended.code, 0, "{ended:?}");
    redis.limit_memory(limit * 2);
    assert!(is_sound(&redis).stdout.contains(" % of maxmemory"));
}

/// A folder in the place of its snapshot keeps the server from writing one.
#[test]
fn a_server_that_cannot_write_to_its_disk_is_a_problem() {
    let redis = Redis::start();
    let folder: Vec<String> = redis.ask(&["CONFIG", "GET", "dir"]);
    std::fs::create_dir_all(format!("{}/dump.rdb/taken", folder[1])).expect("a folder");
    redis.ask::<String>(&["CONFIG", "SET", "save", "3600 1"]);
    redis.ask::<String>(&["BGSAVE"]);
    wait_for("the snapshot fails", Duration::from_secs(20), || {
        (redis.info("rdb_last_bgsave_status")?.trim() == "err").then_some(())
    });
    let lost = "every login, refresh and logout gets 503";
    refuses_writes(&redis, &[lost, "answered MISCONF", "make room on its disk"]);
    redis.ask::<String>(&["CONFIG", "SET", "save", ""]);
    is_sound(&redis);
}

#[test]
fn a_server_without_the_replicas_that_it_wants_is_a_problem() {
    let redis = Redis::start();
    redis.ask::<String>(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    refuses_writes(&redis, &["every login", "answered NOREPLICAS", "start its replicas"]);
    redis.ask::<String>(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    is_sound(&redis);
}

#[test]
fn a_server_whose_writes_are_paused_is_a_problem() {
    let redis = Redis::start();
    redis.ask::<String>(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    refuses_writes(&redis, &["every login", "gave no answer"]);
    redis.ask::<String>(&["CLIENT", "UNPAUSE"]);
    is_sound(&redis);
}
