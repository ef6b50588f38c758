//! `token-gateway check`.

use serde_json::Value;
use token_gateway_testkit::free_port;
use token_gateway_testkit::redis::Redis;

use super::{Ended, bare, run};
use crate::GATEWAY;

pub(super) fn check(url: &str, settings: &[(&str, &str)], json: bool) -> Ended {
    let mut check = GATEWAY.command("check", settings);
    check.env("REDIS_URL", url);
    if json {
        check.arg("--json");
    }
    run(&mut check)
}

/// The findings of `check --json`.
fn findings(ended: &Ended) -> Vec<Value> {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

/// Subject and message of each problem.
pub(super) fn problems(ended: &Ended) -> Vec<(String, String)> {
    let all = findings(ended);
    let problems = all.iter().filter(|finding| finding["severity"] == "problem");
    let text = |finding: &Value, name: &str| finding[name].as_str().expect("text").to_owned();
    problems.map(|finding| (text(finding, "subject"), text(finding, "message"))).collect()
}

/// The severity of a subject's finding in `check --json`.
fn severity(ended: &Ended, subject: &str) -> String {
    let findings = findings(ended);
    let found = findings.iter().find(|finding| finding["subject"] == subject);
    found.unwrap_or_else(|| panic!("no {subject}: {ended:?}"))["severity"].as_str().unwrap().to_owned()
}

#[test]
fn a_sound_redis_is_exit_code_0() {
    let redis = Redis::start();
    let (text, json) = (check(&redis.url(), &[], false), check(&redis.url(), &[], true));
    assert_eq!((text.code, json.code), (0, 0), "{text:?}");
    assert!(!text.stdout.contains("PROBLEM") && text.stdout.lines().count() == 10, "{text:?}");
    for subject in [
        "settings",
        "version",
        "role",
        "maxmemory-policy",
        "appendonly",
        "default-user",
        "layout",
        "rights",
        "hash-max-listpack-value",
    ] {
        assert_eq!(severity(&json, subject), "ok", "{subject}");
        assert!(text.stdout.contains(subject), "{text:?}");
    }
    assert!(redis.ask::<Vec<String>>(&["KEYS", "*"]).is_empty(), "it only looks");
}

#[test]
fn a_redis_that_evicts_is_a_problem_with_a_remedy() {
    let redis = Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let (text, json) = (check(&redis.url(), &[], false), check(&redis.url(), &[], true));
    assert_eq!((text.code, json.code), (1, 1), "{text:?}");
    assert_eq!(severity(&json, "maxmemory-policy"), "problem");
    let line = text.stdout.lines().find(|line| line.starts_with("PROBLEM")).expect("a problem");
    assert!(line.contains("allkeys-lru") && line.contains("noeviction"), "{line}");
}

#[test]
fn a_redis_that_is_only_worse_than_it_should_be_is_a_warning() {
    let redis = Redis::start_with(&["--appendonly", "no", "--hash-max-listpack-value", "64"]);
    let json = check(&redis.url(), &[], true);
    assert_eq!(json.code, 0, "{json:?}");
    assert_eq!(severity(&json, "appendonly"), "warning");
    assert_eq!(severity(&json, "hash-max-listpack-value"), "warning");
}

#[test]
fn a_layout_that_is_too_new_is_a_problem() {
    let redis = Redis::start();
    redis.ask::<()>(&["SET", "tg:schema", "2"]);
    let json = check(&redis.url(), &[], true);
    assert_eq!((json.code, severity(&json, "layout").as_str()), (1, "problem"));
}

#[test]
fn no_redis_is_a_problem_and_the_password_is_not_repeated() {
    let url = format!("redis://:hunter2hunter2@127.0.0.1:{}", free_port());
    let (text, json) = (check(&url, &[], false), check(&url, &[], true));
    assert_eq!((text.code, json.code), (1, 1), "{text:?}");
    assert_eq!(severity(&json, "redis"), "problem");
    for ended in [text, json] {
        assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
    }
}

#[test]
fn wrong_settings_are_a_problem_and_redis_is_looked_at_all_the_same() {
    let redis = Redis::start();
    for (name, value) in [("ISSUER", ""), ("SIGNING_SECRET", "short"), ("SERVICE_KEYS", "web")] {
        let json = check(&redis.url(), &[(name, value)], true);
        assert_eq!(json.code, 1, "{json:?}");
        assert_eq!(severity(&json, "settings"), "problem");
        assert_eq!(severity(&json, "maxmemory-policy"), "ok");
        assert!(json.stdout.contains(name), "{json:?}");
    }
    assert_eq!(check("nonsense", &[], true).code, 1);
    assert_eq!(run(&mut bare(&["check", "--unknown"])).code, 2);
}

#[test]
fn the_embedded_store_is_a_warning() {
    let ended = run(GATEWAY.command("check", &[("STORE", "embedded")]).arg("--json"));
    assert_eq!((ended.code, severity(&ended, "store").as_str()), (0, "warning"));
}
