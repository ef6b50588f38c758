//! `token-gateway sessions list`.

use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;

use super::{HOSTILE, HOSTILE_KEY};
use crate::GATEWAY;
use crate::cli::{fill, json, operator, run, text};

#[tokio::test]
async fn without_a_subject_it_tells_who_has_how_many_sessions_the_most_first() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    for sub in ["carol", "alice", HOSTILE, "carol", "bob"] {
        gateway.api().login(sub).await;
    }
    let dave = gateway.api().login("dave").await;
    assert_eq!(gateway.api().revoke(&dave.refresh).await.status, 200);
    let counted = |sub: &str, sessions: u64| json!({"sub": sub, "sessions": sessions});
    let subjects = [counted("carol", 2), counted("alice", 1), counted(HOSTILE, 1), counted("bob", 1)];
    assert_eq!(json(&redis, &["sessions", "list"]), json!({"subjects": subjects, "more": 0}));
    let table = text(&redis, &["sessions", "list"]);
    let lines: Vec<_> = table.lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        ["SESSIONS  SUB", "2         carol", "1         alice", "1         a}:{b ü%", "1         bob"]
    );
}

#[tokio::test]
async fn the_sessions_of_a_subject_are_those_that_the_api_lists() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let client = json!({"ip": "192.0.2.1", "user_agent": "Example/1.0"});
    api.issue(&json!({"sub": HOSTILE, "client": client})).await;
    let tokens = api.login(HOSTILE).await;
    api.refresh(&tokens.refresh).await.tokens();
    api.login("bob").await;
    let over_http = api.user(Method::GET, HOSTILE_KEY, "").await;
    assert_eq!(over_http.sessions().len(), 2);
    assert_eq!(json(&redis, &["sessions", "list", HOSTILE]), over_http.json());
    let table = text(&redis, &["sessions", "list", HOSTILE]);
    assert_eq!(table.lines().count(), 3, "{table}");
    for session in over_http.json()["sessions"].as_array().unwrap() {
        let line = table.lines().find(|line| line.starts_with(session["session_id"].as_str().unwrap()));
        let line = line.unwrap_or_else(|| panic!("{session} is not in\n{table}"));
        for name in ["created_at", "last_refreshed_at", "expires_at", "client_id"] {
            assert!(line.contains(session[name].as_str().unwrap()), "{name}: {line}");
        }
        assert!(line.trim_end().ends_with(&session["generation"].to_string()), "{line}");
    }
    assert!(table.contains("Example/1.0") && table.contains("192.0.2.1"), "{table}");
}

#[tokio::test]
async fn the_table_has_the_last_known_address() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let login = json!({"sub": "alice", "client": {"ip": "192.0.2.1", "label": "phone"}});
    let tokens = api.issue(&login).await.tokens();
    let line = |address: &str, device: &str| {
        let table = text(&redis, &["sessions", "list", "alice"]);
        let words: Vec<_> = table.lines().nth(1).expect("a session").split_whitespace().collect();
        assert_eq!((words[1], words[2]), (device, address), "{table}");
    };
    line("192.0.2.1", "phone");
    let client = r#"{"ip":"2001:db8::7"}"#;
    let form = [("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh), ("client", client)];
    let refreshed = api.send(api.form("/oauth/token", &form).bearer_auth(WEB.key)).await;
    line("2001:db8::7", "-");
    let shown = json(&redis, &["sessions", "show", &tokens.session])["sessions"][0].clone();
    assert_eq!((&shown["client"], &shown["first_client"]), (&json!({"ip": "2001:db8::7"}), &login["client"]));
    let text = text(&redis, &["sessions", "show", &tokens.session]);
    for field in [r#"client               {"ip":"2001:db8::7"}"#, r#"first_client         {"ip":"192.0.2.1""#]
    {
        assert!(text.lines().any(|line| line.starts_with(field)), "{field} is not in\n{text}");
    }
    assert_eq!(refreshed.status, 200);
}

#[tokio::test]
async fn what_a_browser_calls_itself_is_shortened_and_cannot_move_the_cursor() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let client = json!({"user_agent": format!("\u{1b}[2J\n{}", "x".repeat(200))});
    gateway.api().issue(&json!({"sub": "alice", "client": client})).await;
    let table = text(&redis, &["sessions", "list", "alice"]);
    assert!(table.contains("\\u{1b}[2J\\nxxx") && table.contains("x…"), "{table}");
    assert!(!table.contains('\u{1b}') && table.lines().count() == 2, "{table}");
    assert!(table.lines().all(|line| line.chars().count() < 180), "{table}");
}

/// Programs that split lines by Unicode get each line whole, too.
#[tokio::test]
async fn the_output_for_programs_is_ascii_and_a_table_has_a_line_for_each_session() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let (sub, label) = ("Zo\u{eb}\u{2028}\u{1f98a}", "my\u{2028}phone\u{2029}\u{85}\u{b}");
    let client = json!({"label": label});
    let login = json!({"sub": sub, "client": client, "claims": {"name": label}});
    let session = gateway.api().issue(&login).await.tokens().session;
    let args =
        [&["sessions", "list"][..], &["sessions", "list", sub], &["sessions", "show", &session], &["stats"]];
    for args in args {
        let for_programs = text(&redis, &[args, &["--json"]].concat());
        assert!(for_programs.is_ascii(), "{for_programs}");
        let for_people = text(&redis, args);
        let ends = |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
        assert!(!for_people.contains(ends), "{for_people:?}");
    }
    assert_eq!(json(&redis, &["sessions", "list"])["subjects"][0]["sub"], sub);
    assert_eq!(json(&redis, &["sessions", "list", sub])["sessions"][0]["client"]["label"], label);
    assert_eq!(json(&redis, &["sessions", "show", &session])["sessions"][0]["claims"]["name"], label);
    assert_eq!(text(&redis, &["sessions", "list", sub]).lines().count(), 2);
}

#[test]
fn of_thousands_it_shows_as_many_as_it_may_and_says_how_many_more_there_are() {
    let redis = Redis::start();
    fill(&redis, 3000, 2);
    let all = json(&redis, &["sessions", "list", "--limit", "5000"]);
    assert_eq!((all["subjects"].as_array().unwrap().len(), &all["more"]), (3000, &json!(0)));
    assert!(all["subjects"].as_array().unwrap().iter().all(|one| one["sessions"] == 2));
    let some = json(&redis, &["sessions", "list"]);
    assert_eq!((some["subjects"].as_array().unwrap().len(), &some["more"]), (100, &json!(2900)));
    let ended = run(&mut operator(&redis, &["sessions", "list", "--limit", "7"]));
    assert_eq!((ended.code, ended.stdout.lines().count()), (0, 8), "{ended:?}");
    assert!(ended.stderr.contains("2993") && ended.stderr.contains("--limit"), "{ended:?}");
}

#[test]
fn a_reader_that_closes_the_pipe_early_is_no_error() {
    let redis = Redis::start();
    fill(&redis, 3000, 1);
    let mut shell = std::process::Command::new("bash");
    shell.args(["-c", r#"set -o pipefail; "$0" sessions list --limit 3000 --json | head -1"#]);
    let ended = run(shell.arg(env!("CARGO_BIN_EXE_token-gateway")).env("REDIS_URL", redis.url()));
    assert_eq!((ended.code, ended.stderr.as_str(), ended.stdout.as_str()), (0, "", "{\n"), "{ended:?}");
}

#[test]
fn where_nobody_has_sessions_the_list_is_empty() {
    let redis = Redis::start();
    assert_eq!(json(&redis, &["sessions", "list"]), json!({"subjects": [], "more": 0}));
    assert_eq!(json(&redis, &["sessions", "list", "alice"]), json!({"sessions": []}));
    assert_eq!(text(&redis, &["sessions", "list"]).trim_end(), "SESSIONS  SUB");
    assert_eq!(redis.ask::<u64>(&["DBSIZE"]), 0, "it only looks");
}

#[test]
fn keys_of_others_are_not_counted() {
    let redis = Redis::start();
    fill(&redis, 1, 1);
    let (live, sid) = (["state", "live"], "1000000000000000000");
    for key in
        [format!("tg:{{a b}}:session:{sid}"), format!("tg:x:{{a}}:session:{sid}"), "tg:{a}:session:1".into()]
    {
        redis.ask::<u64>(&["HSET", &key, live[0], live[1]]);
    }
    let expected = json!([{"sub": "user-1", "sessions": 1}]);
    assert_eq!(json(&redis, &["sessions", "list"])["subjects"], expected);
    let other: Value = json(&redis, &["sessions", "list", "--redis-prefix", "tg:x"]);
    assert_eq!(other["subjects"], json!([{"sub": "a", "sessions": 1}]));
}
