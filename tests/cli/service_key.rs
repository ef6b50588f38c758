//! `token-gateway service-key new`.

use reqwest::Method;
use serde_json::{Value, json};

use super::{bare, run};
use crate::GATEWAY;

#[tokio::test]
async fn a_new_key_opens_what_its_roles_say() {
    let ended = run(&mut bare(&["service-key", "new", "shop.v2", "issue", "--json"]));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    let made: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let (key, entry) = (made["key"].as_str().unwrap(), made["entry"].as_str().unwrap());
    assert_eq!(made["name"], "shop.v2");
    assert!(entry.starts_with("shop.v2+issue=") && !entry.contains(key), "{entry}");
    let gateway = GATEWAY.embedded_with(&[("SERVICE_KEYS", entry)]);
    let api = gateway.api();
    let login = api.request(Method::POST, "/v1/sessions").bearer_auth(key).json(&json!({"sub": "alice"}));
    assert_eq!(api.send(login).await.status, 201);
    let list = api.request(Method::GET, "/v1/users/alice/sessions").bearer_auth(key);
    api.send(list).await.expect_error(403, "insufficient_scope");
}

#[test]
fn the_text_form_shows_key_and_entry_and_every_key_is_another() {
    let texts = [0, 1].map(|_| run(&mut bare(&["service-key", "new", "web", "issue", "manage"])).stdout);
    let lines: Vec<Vec<&str>> = texts.iter().map(|text| text.lines().map(str::trim).collect()).collect();
    for lines in &lines {
        assert!(lines.iter().any(|line| line.starts_with("tgk") && line.len() == 67), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("web+issue+manage=")), "{lines:?}");
    }
    assert_ne!(lines[0], lines[1]);
}

/// The role is kept, so that keys made now open the events once there are any.
#[test]
fn a_key_for_events_is_made_with_a_note_that_nothing_serves_them_yet() {
    for args in [&["audit", "events"][..], &["audit", "feed", "events", "--json"]] {
        let ended = run(bare(&["service-key", "new"]).args(args));
        assert!(ended.code == 0 && ended.stdout.contains("+events="), "{ended:?}");
        assert!(ended.stderr.contains("events is reserved: nothing serves it yet"), "{ended:?}");
        assert!(!ended.stdout.contains("reserved"), "{ended:?}");
    }
    let quiet = run(&mut bare(&["service-key", "new", "web"]));
    assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""), "{quiet:?}");
    let help = run(&mut bare(&["service-key", "new", "--help"])).stdout.replace('\n', " ");
    assert!(help.contains("role events is reserved"), "{help}");
    let refused = run(&mut bare(&["service-key", "new", "web", "admin"])).stderr;
    assert!(refused.contains("events is reserved"), "{refused}");
}

#[test]
fn a_bad_name_or_role_is_exit_code_2() {
    let long = "x".repeat(65);
    for args in
        [&["two words"][..], &[""], &["a=b"], &["a,b"], &[&long], &["web", "root"], &["web", "Issue"], &[]]
    {
        let ended = run(bare(&["service-key", "new"]).args(args));
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{args:?} {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
}
