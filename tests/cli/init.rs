//! `token-gateway init`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::json;

use super::{Ended, bare, run};
use crate::support::api::{claims, read};
use crate::support::gateway::Gateway;

fn init(path: &Path, args: &[&str]) -> Ended {
    run(bare(&["init", "--output"]).arg(path).args(args))
}

fn key_in(stdout: &str) -> String {
    let line = stdout.lines().find(|line| line.contains("service key")).expect("it shows the key");
    line.rsplit_once(' ').expect("a key").1.to_owned()
}

#[tokio::test]
async fn a_gateway_starts_with_what_init_has_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(".env");
    let ended = init(&path, &["--issuer", "https://login.example.test", "--service", "backend"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let keys = dir.path().join("keys/signing.json");
    assert_eq!(std::fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o600);
    let script = "cd \"$(dirname \"$1\")\"; set -a; . \"$1\"; set +a; BIND_ADDR=127.0.0.1:0 STORE=embedded exec \"$2\" serve";
    let mut shell = Command::new("sh");
    shell.env_clear().args(["-c", script, "sh"]).arg(&path).arg(env!("CARGO_BIN_EXE_token-gateway"));
    let gateway = Gateway::run(shell);
    let api = gateway.api();
    let login = api.request(Method::POST, "/v1/sessions").bearer_auth(key_in(&ended.stdout));
    let tokens = api.send(login.json(&json!({"sub": "alice"}))).await.tokens();
    assert_eq!(read(&tokens.access).0["alg"], "ES256");
    let access = claims(&tokens.access);
    assert_eq!(
        (&access["iss"], &access["client_id"]),
        (&json!("https://login.example.test"), &json!("backend"))
    );
}

#[test]
fn an_existing_file_is_never_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(".env");
    std::fs::write(&path, "PRECIOUS=1\n").unwrap();
    let ended = init(&path, &[]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (1, "", 1), "{ended:?}");
    assert!(ended.stderr.contains("--output"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "PRECIOUS=1\n");
    assert!(!dir.path().join("keys").exists(), "nothing else was written");
}

#[test]
fn existing_keys_are_never_touched() {
    let dir = tempfile::tempdir().unwrap();
    let (path, keys) = (dir.path().join(".env"), dir.path().join("keys/signing.json"));
    std::fs::create_dir(keys.parent().unwrap()).unwrap();
    std::fs::write(&keys, "precious").unwrap();
    let ended = init(&path, &[]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (1, "", 1), "{ended:?}");
    assert!(ended.stderr.contains("keys/signing.json"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(&keys).unwrap(), "precious");
    assert!(!path.exists());
}

#[test]
fn the_file_is_complete_and_holds_no_service_key_but_its_hash() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one/.env"), dir.path().join("two/.env"));
    for path in [&one, &two] {
        std::fs::create_dir(path.parent().unwrap()).unwrap();
    }
    let key = key_in(&init(&one, &[]).stdout);
    init(&two, &[]);
    let (one, two) = (std::fs::read_to_string(one).unwrap(), std::fs::read_to_string(two).unwrap());
    assert!(!one.contains(&key));
    for name in super::help::SETTINGS {
        if !["PORT", "STORE", "REFRESH_SECRET_PREVIOUS"].contains(&name) {
            assert!(one.contains(&format!("{name}=")), "{name} is missing:\n{one}");
        }
    }
    let value = |text: &str, name: &str| {
        text.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).expect(name).to_owned()
    };
    let secrets = ["REFRESH_SECRET", "REDIS_PASSWORD", "REDIS_OPERATOR_PASSWORD"];
    let values = [&one, &two].map(|text| secrets.map(|name| value(text, name)));
    let distinct: std::collections::BTreeSet<_> = values.iter().flatten().collect();
    assert_eq!(distinct.len(), 6, "every secret is fresh");
    for password in &values[0][1..] {
        let plain = password.bytes().all(|b| b.is_ascii_alphanumeric());
        assert!(password.len() == 64 && plain, "it stands in a URL as it is: {password}");
    }
}

#[test]
fn wrong_arguments_are_exit_code_2_and_write_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(".env");
    for (flag, value) in [("--issuer", "nonsense"), ("--service", "two words"), ("--unknown", "x")] {
        let ended = init(&path, &[flag, value]);
        assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{ended:?}");
        assert!(ended.stderr.contains(flag), "{ended:?}");
    }
    assert!(!path.exists());
}
