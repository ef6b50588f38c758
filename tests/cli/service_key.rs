//! `token-gateway service-key new`.

use reqwest::Method;
use serde_json::{Value, json};

use token_gateway::gateway::service_keys::sha256_hex;
use token_gateway_testkit::service_key::WEB;

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

/// `echo -n "" | sha256sum` and its like: a hash that somebody made of no key at all.
#[test]
fn the_hash_of_a_known_text_is_refused_with_the_text() {
    for (text, said) in [
        ("", "the empty text"),
        ("\n", "a line end"),
        ("\r\n", "a line end"),
        ("changeme", "'changeme'"),
        ("secret", "'secret'"),
        ("secret\n", "'secret' and a line end"),
        ("password\r\n", "'password' and a line end"),
        ("test", "'test'"),
        ("token", "'token'"),
        ("shop", "the service's own name"),
        ("shop\n", "the service's own name and a line end"),
    ] {
        let entry = format!("{},shop={}", WEB.entry, sha256_hex(text));
        let ended = run(&mut GATEWAY.command("serve", &[("STORE", "embedded"), ("SERVICE_KEYS", &entry)]));
        assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{text:?}: {ended:?}");
        let wanted =
            format!("SERVICE_KEYS: entry 2: the hash is the SHA-256 of {said}, which anybody can guess");
        assert!(ended.stderr.contains(&wanted) && ended.stderr.contains("service-key new"), "{ended:?}");
        assert!(!ended.stderr.contains(&sha256_hex(text)), "{ended:?}");
    }
}

#[test]
fn a_confidential_key_has_the_mark_in_its_entry_and_all_roles_with_it_alone() {
    for (words, beginning) in [
        (&["confidential"][..], "web+confidential="),
        (&["issue", "confidential"], "web+issue+confidential="),
        (&["confidential", "issue"], "web+issue+confidential="),
    ] {
        let ended = run(bare(&["service-key", "new", "web"]).args(words).arg("--json"));
        let made: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert!(made["entry"].as_str().is_some_and(|entry| entry.starts_with(beginning)), "{ended:?}");
    }
    let help = run(&mut bare(&["service-key", "new", "--help"])).stdout.replace('\n', " ");
    assert!(help.contains("confidential"), "{help}");
}
