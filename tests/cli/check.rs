//! `token-gateway check`.

use serde_json::Value;
use token_gateway_testkit::free_port;
use token_gateway_testkit::redis::Redis;

use super::{Ended, bare, run};
use crate::GATEWAY;

/// With settings that are all right, and `settings` on top.
pub(super) fn check(url: &str, settings: &[(&str, &str)], json: bool) -> Ended {
    let mut check = GATEWAY.command("check", &[&[("ADMIN_ADDR", "127.0.0.1:9090")], settings].concat());
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
    assert!(!text.stdout.contains("PROBLEM") && text.stdout.lines().count() == 12, "{text:?}");
    for subject in [
        "settings",
        "connections",
        "version",
        "role",
        "maxmemory-policy",
        "appendonly",
        "default-user",
        "layout",
        "rights",
        "hash-max-listpack-value",
        "writes",
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

/// The message of the first finding about a subject that is no problem and not ok.
pub(super) fn warning(ended: &Ended, subject: &str) -> String {
    let all = findings(ended);
    let is_it = |finding: &&Value| finding["subject"] == subject && finding["severity"] == "warning";
    let found = all.iter().find(is_it).unwrap_or_else(|| panic!("no warning of {subject}: {ended:?}"));
    found["message"].as_str().expect("text").to_owned()
}

#[test]
fn an_issuer_that_others_cannot_reach_or_trust_is_a_warning() {
    let redis = Redis::start();
    for (issuer, word) in [
        ("http://localhost:8080", "verifiers elsewhere cannot reach it"),
        ("http://127.0.0.1:8080", "verifiers elsewhere cannot reach it"),
        ("https://[::1]", "verifiers elsewhere cannot reach it"),
        ("http://auth.example.com", "RFC 8414"),
    ] {
        let json = check(&redis.url(), &[("ISSUER", issuer)], true);
        let message = warning(&json, "ISSUER");
        assert!(json.code == 0 && message.contains(word) && message.contains(issuer), "{json:?}");
        assert_eq!(severity(&json, "settings"), "ok", "nothing is missing");
    }
}

#[test]
fn no_admin_address_is_a_warning_that_says_how_to_set_one() {
    let redis = Redis::start();
    let (json, text) = (
        &check(&redis.url(), &[("ADMIN_ADDR", "")], true),
        check(&redis.url(), &[("ADMIN_ADDR", "")], false),
    );
    let message = warning(json, "ADMIN_ADDR");
    assert!(message.contains("no metrics") && message.contains("such as 127.0.0.1:9090"), "{message}");
    assert_eq!((json.code, text.code), (0, 0), "{text:?}");
    assert!(text.stdout.lines().any(|line| line.starts_with("warning ADMIN_ADDR ")), "{text:?}");
}

#[test]
fn a_service_key_that_opens_nothing_yet_is_a_warning() {
    let redis = Redis::start();
    let hash = "ab".repeat(32);
    for (entry, warns) in [("audit+events=", true), ("audit+events+feed=", false), ("audit=", false)] {
        let json = check(&redis.url(), &[("SERVICE_KEYS", &format!("{entry}{hash}"))], true);
        assert_eq!(json.code, 0, "{json:?}");
        assert_eq!(json.stdout.contains("nothing serves it yet"), warns, "{json:?}");
    }
}

#[test]
fn each_missing_or_wrong_setting_is_a_problem_of_its_own() {
    for (settings, wanted) in [
        (
            &[][..],
            &[
                "ISSUER: is missing",
                "SIGNING_SECRET: is missing",
                "REFRESH_SECRET: is missing",
                "SERVICE_KEYS: is missing",
            ][..],
        ),
        (
            &[
                ("ISSUER", "https://auth.example.com"),
                ("SIGNING_SECRET", "hunter2"),
                ("SERVICE_KEYS", "hunter2"),
            ],
            &["REFRESH_SECRET: is missing", "SIGNING_SECRET: has 7 bytes", "SERVICE_KEYS: entry 1"],
        ),
    ] {
        let ended = run(bare(&["check", "--json"]).env("STORE", "embedded").envs(settings.iter().copied()));
        assert!(ended.code == 1 && !ended.stdout.contains("hunter2"), "{ended:?}");
        let problems = problems(&ended);
        assert_eq!(problems.len(), wanted.len(), "{problems:?}");
        for words in wanted {
            let found = problems
                .iter()
                .filter(|(subject, message)| subject == "settings" && message.starts_with(words));
            assert_eq!(found.count(), 1, "{words}: {problems:?}");
        }
        assert!(
            problems.iter().all(|(_, message)| message.contains("; ") || message.contains("expected")),
            "{problems:?}"
        );
    }
}

#[test]
fn the_embedded_store_is_a_warning() {
    let ended = run(GATEWAY.command("check", &[("STORE", "embedded")]).arg("--json"));
    assert_eq!((ended.code, severity(&ended, "store").as_str()), (0, "warning"));
}
