//! Properties of all commands with a direct view into the store.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use token_gateway_testkit::free_port;
use token_gateway_testkit::redis::Redis;

use super::help::settings;
use super::{bare, fill, operator, run};

const SID: &str = "1000000000000000000";

/// The read-only commands.
const LOOKING: [&[&str]; 5] = [
    &["sessions", "list"],
    &["sessions", "list", "user-1"],
    &["sessions", "show", SID],
    &["sessions", "show", SID, "--sub", "user-1"],
    &["stats"],
];

const ENDING: &[&str] = &["sessions", "end", "user-1", SID];

/// Every key with its value and the moment of its expiry.
fn dump(redis: &Redis) -> BTreeMap<String, (Vec<u8>, i64)> {
    let keys: Vec<String> = redis.ask(&["KEYS", "*"]);
    let entry = |key: String| {
        let held = (redis.ask(&["DUMP", &key]), redis.ask(&["PEXPIRETIME", &key]));
        (key, held)
    };
    keys.into_iter().map(entry).collect()
}

#[test]
fn looking_changes_nothing() {
    let redis = Redis::start();
    fill(&redis, 50, 2);
    run(&mut operator(&redis, &["sessions", "end", "user-2", "--all"]));
    redis.ask::<u64>(&["DEL", "tg:schema"]);
    let before = dump(&redis);
    assert_eq!(before.len(), 150, "100 records, 49 sets and the feed");
    for args in LOOKING {
        for form in [&[][..], &["--json"]] {
            let ended = run(&mut operator(&redis, &[args, form].concat()));
            assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{args:?}: {ended:?}");
            assert!(!ended.stdout.contains('\u{1b}'), "no colour: {ended:?}");
        }
    }
    assert!(before == dump(&redis), "something has changed");
    assert_eq!(redis.calls("keys"), 2, "only this test asks for KEYS");
}

#[test]
fn the_help_lists_the_settings_that_the_command_uses_and_no_other() {
    let looking = [
        "STORE",
        "REDIS_URL",
        "REDIS_PREFIX",
        "REDIS_TIMEOUT_MS",
        "REDIS_TLS_CA",
        "REDIS_TLS_CERT",
        "REDIS_TLS_KEY",
        "REDIS_SENTINEL_USERNAME",
        "REDIS_SENTINEL_PASSWORD",
    ];
    let ending = ["REDIS_WAIT_REPLICAS", "ACCESS_TTL_SECONDS", "TOMBSTONE_TTL_SECONDS"];
    for args in LOOKING.iter().chain([&ENDING]) {
        let secret = "redis://:hunter2hunter2@x";
        let ended = run(bare(&[args, &["--help"][..]].concat()).env("REDIS_URL", secret));
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
        assert!(!ended.stdout.contains("hunter2"), "{ended:?}");
        for name in settings() {
            let name = name.as_str();
            let ages = args[0] == "sessions" && *args != ENDING && name == "SESSION_MAX_AGE_SECONDS";
            let used = looking.contains(&name) || ages || (*args == ENDING && ending.contains(&name));
            let words = ended.stdout.split(|c: char| !c.is_ascii_uppercase() && c != '_');
            assert_eq!(words.into_iter().any(|word| word == name), used, "{name}: {args:?} {}", ended.stdout);
        }
    }
}

#[test]
fn a_redis_that_is_gone_or_silent_is_exit_code_1_with_one_line_and_no_secret() {
    let redis = Redis::start();
    redis.freeze();
    let (gone, silent) = (free_port(), redis.port());
    for (port, args) in [gone, silent].into_iter().flat_map(|port| LOOKING.map(|args| (port, args))) {
        let url = format!("redis://:hunter2hunter2@127.0.0.1:{port}");
        let began = Instant::now();
        let ended = run(bare(args).env("REDIS_URL", url));
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
            (1, "", 1),
            "{ended:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert!(ended.stderr.contains("REDIS_URL") && !ended.stderr.contains("hunter2"), "{ended:?}");
    }
    redis.thaw();
    redis.ask::<()>(&["CLIENT", "PAUSE", "60000", "WRITE"]); // connections work, but scripts get no answer
    let began = Instant::now();
    let ended = run(&mut operator(&redis, &["sessions", "list", "user-1"]));
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (1, "", 1), "{ended:?}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn wrong_settings_and_arguments_are_exit_code_2_with_one_line_that_names_them() {
    let long = "x".repeat(256);
    let settings = [
        ("STORE", "embedded"),
        ("REDIS_URL", "nonsense"),
        ("REDIS_PREFIX", "a{b"),
        ("REDIS_TIMEOUT_MS", "0"),
    ];
    let with_settings = settings.map(|(name, value)| (&["stats"][..], name, value));
    let arguments: [(&[&str], &str); 12] = [
        (&["sessions", "list", ".."], "SUB"),
        (&["sessions", "list", "a\n\nb"], "SUB"),
        (&["sessions", "list", ""], "SUB"),
        (&["sessions", "list", &long], "SUB"),
        (&["sessions", "list", "--limit", "0"], "--limit"),
        (&["sessions", "list", "alice", "--limit", "5"], "--limit"),
        (&["sessions", "show", "123"], "ID"),
        (&["sessions", "show", "1000000000000000000.short"], "ID"),
        (&["sessions", "show", SID, "--sub", "."], "--sub"),
        (&["sessions", "end", "alice", "x"], "ID"),
        (&["sessions", "end", "alice", "--all", "--except", "x"], "--except"),
        (&["stats", "--sample", "many"], "--sample"),
    ];
    let with_arguments = arguments.map(|(args, name)| (args, name, ""));
    for (args, name, value) in with_settings.into_iter().chain(with_arguments) {
        let mut command = bare(args);
        if !value.is_empty() {
            command.env(name, value);
        }
        let ended = run(&mut command);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
            (2, "", 1),
            "{ended:?}"
        );
        assert!(ended.stderr.contains(name), "{name} is not named: {ended:?}");
    }
    for args in LOOKING.iter().chain([&ENDING]) {
        let ended = run(bare(args).env("STORE", "embedded"));
        assert!(ended.code == 2 && ended.stderr.contains("STORE"), "{args:?}: {ended:?}");
    }
}

#[test]
fn a_layout_that_is_too_new_is_refused() {
    let redis = Redis::start();
    redis.ask::<()>(&["SET", "tg:schema", "2"]);
    for args in LOOKING.iter().chain([&ENDING]) {
        let ended = run(&mut operator(&redis, args));
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
            (1, "", 1),
            "{ended:?}"
        );
        assert!(ended.stderr.contains("layout"), "{ended:?}");
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let redis = Redis::start();
    let names = ["STORE", "REDIS_PREFIX", "REDIS_TIMEOUT_MS", "REDIS_WAIT_REPLICAS", "TOMBSTONE_TTL_SECONDS"];
    for args in [&["stats"][..], ENDING] {
        let ended = run(operator(&redis, args).envs(names.map(|name| (name, ""))));
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    }
}

#[test]
fn a_walk_over_all_keys_shows_its_progress_on_a_terminal() {
    let redis = Redis::start();
    fill(&redis, 3000, 1);
    let line = format!("{} stats", env!("CARGO_BIN_EXE_token-gateway"));
    let ended = run(Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("TERM", "xterm")
        .env("REDIS_URL", redis.url()));
    assert_eq!(ended.code, 0, "{ended:?}");
    let (before, report) = ended.stdout.rsplit_once("live sessions").expect("a report");
    assert!(before.contains("looking at keys") && before.contains('%'), "{before:?}");
    assert!(!report.contains("looking at keys"), "it is gone in the end: {report:?}");
}
