//! Text of others in log lines: one record is one line, however lines are split.

use std::fs;
use std::time::Duration;

use token_gateway::token::key_set::KeySet;
use token_gateway_core::token::Alg;
use token_gateway_testkit::wait_for;

use crate::GATEWAY;

/// The log of a node whose key set file has an odd name and then breaks. The error repeats the name.
fn log_with_an_odd_name(format: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ke\u{2028}ys\u{2029}\u{eb}\u{1f98a}.json");
    fs::write(&path, KeySet::generate(Alg::Es256).to_text()).expect("a file");
    let name = path.to_str().expect("text");
    let gateway = GATEWAY.embedded_with(&[("SIGNING_KEYS", name), ("LOG_FORMAT", format)]);
    fs::write(&path, "no key set").expect("a file");
    wait_for("the error is logged", Duration::from_secs(20), || {
        Some(gateway.log()).filter(|log| log.contains("the former keys stay at work"))
    })
}

#[test]
fn a_json_log_is_ascii_and_tells_the_text_as_it_was() {
    let log = log_with_an_odd_name("json");
    assert!(log.is_ascii(), "{log}");
    let line = log.lines().find(|line| line.contains("the former keys")).expect("the error");
    let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let message = record["message"].as_str().expect("a text");
    assert!(message.contains("ke\u{2028}ys\u{2029}\u{eb}\u{1f98a}.json"), "{message}");
}

#[test]
fn a_text_log_spells_out_the_ends_of_lines() {
    let log = log_with_an_odd_name("text");
    let line = log.lines().find(|line| line.contains("the former keys")).expect("the error");
    assert!(line.contains(r"ke\u{2028}ys\u{2029}ë🦊.json"), "{line}");
    let ends = |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    assert!(!log.contains(ends), "{log:?}");
}
