//! `RUST_LOG`: a filter that would silence the log by mistake stops the start.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::wait_for;

use super::{Ended, run};
use crate::GATEWAY;

const LEVELS: &str = "off, error, warn, info, debug or trace";

/// A filter, and the part of it that is named.
const REFUSED: [(&str, &str); 30] = [
    ("warning", "'warning'"),
    ("\"info\"", "'\"info\"'"),
    ("'info'", "''info''"),
    ("\"info", "'\"info'"),
    ("verbose", "'verbose'"),
    ("1", "'1'"),
    ("3", "'3'"),
    ("true", "'true'"),
    ("info # note", "'info # note'"),
    ("info #", "'info #'"),
    ("info#note", "'info#note'"),
    ("# info", "'# info'"),
    ("info,# note", "'# note'"),
    ("info // note", "'info // note'"),
    ("info debug", "'info debug'"),
    ("info;access=off", "'info;access=off'"),
    ("info access=off", "'info access=off'"),
    ("informational,access=off", "'informational'"),
    ("info,access", "'access'"),
    ("token_gateway", "'token_gateway'"),
    ("token_gateway::gateway", "'token_gateway::gateway'"),
    ("access=", "'access='"),
    ("info,=info", "'=info'"),
    ("access=loud", "'access=loud'"),
    ("access=\"off\"", "'access=\"off\"'"),
    ("\"access=off\"", "'\"access=off\"'"),
    ("access = off", "'access = off'"),
    ("access=off=off", "'access=off=off'"),
    ("info/refresh", "'info/refresh'"),
    (",", "','"),
];

#[track_caller]
fn expect_refusal(ended: &Ended, filter: &str, named: &str) {
    let at = format!("{filter}: {ended:?}");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (2, "", 1), "{at}");
    for needed in ["error: ", "RUST_LOG", named, LEVELS, "target=level"] {
        assert!(ended.stderr.contains(needed), "{needed} is not in {at}");
    }
}

#[test]
fn a_filter_that_would_silence_the_log_stops_the_start_by_name() {
    for (filter, named) in REFUSED {
        expect_refusal(&run(&mut GATEWAY.command("serve", &[("RUST_LOG", filter)])), filter, named);
    }
}

#[test]
fn stray_characters_around_a_filter_are_named_like_those_of_other_settings() {
    for (filter, named) in [
        (" info", "white space U+0020"),
        ("info\n", "U+000A"),
        ("info\u{a0}", "white space U+00A0"),
        ("\u{feff}info", "byte order mark"),
        ("info\n\ndebug", "U+000A"),
        ("info\tdebug", "U+0009"),
    ] {
        let ended = run(&mut GATEWAY.command("serve", &[("RUST_LOG", filter)]));
        assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{filter:?}: {ended:?}");
        assert!(ended.stderr.contains("RUST_LOG") && ended.stderr.contains(named), "{filter:?}: {ended:?}");
    }
}

#[test]
fn check_and_dev_and_the_flag_refuse_it_too() {
    for (filter, named) in [REFUSED[0], REFUSED[1], REFUSED[8], REFUSED[4], REFUSED[5]] {
        for command in ["check", "dev"] {
            let embedded = [("RUST_LOG", filter), ("STORE", "embedded")];
            expect_refusal(&run(&mut GATEWAY.command(command, &embedded)), filter, named);
        }
        expect_refusal(&run(GATEWAY.command("serve", &[]).args(["--rust-log", filter])), filter, named);
    }
}

/// Starts with a filter, and waits for the log to have the line of its address.
fn start(filter: &str) -> Gateway {
    GATEWAY.embedded_with(&[("RUST_LOG", filter), ("LOG_FORMAT", "json")])
}

/// The messages of the warnings about the filter.
fn warnings(log: &str) -> Vec<String> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let warnings = lines.filter(|line| line["level"] == "warn");
    warnings
        .map(|line| line["message"].as_str().expect("text").to_owned())
        .filter(|text| text.contains("RUST_LOG"))
        .collect()
}

#[test]
fn levels_in_any_case_blanks_and_known_targets_pass_without_a_warning() {
    for filter in [
        "info",
        "INFO",
        "Debug",
        "info,",
        "info, access=off",
        "",
        "info,access=OFF,redis=warn",
        "info,token_gateway=debug,token_gateway::gateway=trace,token_gateway_redis_link::link=debug",
        "off,token_gateway=info",
        "warn,token_gateway::startup=info,actix_server=warn,actix_http=error,rustls=warn,mio=off",
    ] {
        assert_eq!(warnings(&start(filter).log()), [""; 0], "{filter}");
    }
}

#[test]
fn an_unknown_target_is_a_warning_so_that_a_filter_survives_an_upgrade() {
    for (filter, target) in [
        ("info,nosuch=debug", "nosuch"),
        ("info,acess=off", "acess"),
        ("info,token_gatewey=debug", "token_gatewey"),
        ("info,token_gateway::nosuch=debug", "token_gateway::nosuch"),
        ("info,accessible=off", "accessible"),
    ] {
        let gateway = start(filter);
        let said = wait_for("a warning", Duration::from_secs(10), || {
            Some(warnings(&gateway.log())).filter(|said| !said.is_empty())
        });
        let [said] = &said[..] else { panic!("{filter}: {said:?}") };
        assert!(said.contains(&format!("'{target}'")) && said.contains("access"), "{filter}: {said}");
    }
}

#[test]
fn a_warning_about_the_filter_comes_through_the_filter() {
    let command = |filter| GATEWAY.command("serve", &[("STORE", "embedded"), ("RUST_LOG", filter)]);
    for (filter, needed) in [
        ("redis=warn", "theft"),
        ("access=info", "theft"),
        ("RUST_LOG=info", "'RUST_LOG'"),
        ("off,nosuch=info", "'nosuch'"),
    ] {
        let said = first_line(command(filter));
        assert!(said.contains("WARN") && said.contains("RUST_LOG") && said.contains(needed), "{said}");
    }
}

/// The first line of the log of a node; the node is stopped.
fn first_line(mut command: Command) -> String {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let mut child = command.stderr(log.reopen().expect("a file")).spawn().expect("it starts");
    let line = std::panic::catch_unwind(|| {
        wait_for("a line of the log", Duration::from_secs(10), || {
            let text = std::fs::read_to_string(log.path()).expect("text");
            text.split_once('\n').map(|(line, _)| line.to_owned())
        })
    });
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    line.expect("a line")
}

#[test]
fn check_warns_of_an_unknown_target_and_of_a_filter_that_mutes_the_alarm_and_does_not_fail() {
    for (filter, needed) in [
        ("info,nosuch=debug", "'nosuch'"),
        ("redis=warn", "theft"),
        ("off", "theft"),
        ("error", "theft"),
        ("info,token_gateway::gateway=error", "theft"),
    ] {
        let settings = [("STORE", "embedded"), ("RUST_LOG", filter)];
        let ended = run(GATEWAY.command("check", &settings).arg("--json"));
        let findings: Vec<Value> = serde_json::from_str(&ended.stdout).expect("JSON");
        let found = findings.iter().find(|one| one["subject"] == "RUST_LOG").unwrap_or_else(|| {
            panic!("{filter}: {ended:?}");
        });
        assert_eq!((ended.code, &found["severity"]), (0, &"warning".into()), "{ended:?}");
        assert!(found["message"].as_str().expect("text").contains(needed), "{filter}: {found}");
    }
    let ended = run(&mut GATEWAY.command("check", &[("STORE", "embedded"), ("RUST_LOG", "warn")]));
    assert!(ended.code == 0 && !ended.stdout.contains("RUST_LOG"), "{ended:?}");
}
