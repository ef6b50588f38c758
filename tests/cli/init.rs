//! `token-gateway init`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::{claims, read};
use token_gateway_testkit::gateway::Gateway;

use super::{Ended, bare, run};

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

/// The secrets of `init`, a file each.
const SECRETS: [&str; 5] =
    ["refresh_secret", "service_keys", "redis_url", "redis_operator_url", "redis_users.acl"];

#[test]
fn the_file_is_complete_and_every_secret_is_a_file_of_its_own_and_fresh() {
    let dir = tempfile::tempdir().unwrap();
    let folders = ["one", "two"].map(|name| dir.path().join(name));
    let keys = folders.each_ref().map(|folder| {
        std::fs::create_dir(folder).unwrap();
        key_in(&init(&folder.join(".env"), &[]).stdout)
    });
    let env = std::fs::read_to_string(folders[0].join(".env")).unwrap();
    for name in super::help::settings() {
        let is_named = env.contains(&format!("{name}=")) || env.contains(&format!("{name}_FILE="));
        assert!(
            is_named || ["PORT", "STORE", "REFRESH_SECRET_PREVIOUS"].contains(&name.as_str()),
            "{name} is missing"
        );
    }
    let secret = |folder: usize, name| {
        std::fs::read_to_string(folders[folder].join("secrets").join(name)).expect(name)
    };
    for name in SECRETS {
        let text = secret(0, name);
        assert_ne!(text, secret(1, name), "{name} is fresh");
        for word in text.split([' ', '\n', ':', '@', '=', '#']).filter(|word| word.len() >= 32) {
            assert!(!env.contains(word), "{name}: {word} is in .env");
        }
        assert!(!text.contains(&keys[0]), "a service key is kept as its hash");
    }
    for (user, file) in [("gateway", "redis_url"), ("operator", "redis_operator_url")] {
        let url = secret(0, file);
        let password = url.split([':', '@']).nth(2).expect("a password");
        let plain = password.bytes().all(|b| b.is_ascii_alphanumeric());
        assert!(password.len() == 64 && plain, "it stands in a URL as it is: {url}");
        let users = secret(0, "redis_users.acl");
        assert!(!users.contains(password) && users.contains(&format!("user {user} on")), "{users}");
    }
    assert!(secret(0, "redis_users.acl").starts_with("user default off ~* &* +@all\n"));
}

#[test]
fn existing_secrets_are_never_touched() {
    for name in SECRETS {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets").join(name);
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "precious").unwrap();
        let ended = init(&dir.path().join(".env"), &[]);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
            (1, "", 1),
            "{ended:?}"
        );
        assert!(ended.stderr.contains(name), "{ended:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        assert!(!dir.path().join(".env").exists() && !dir.path().join("keys").exists());
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
