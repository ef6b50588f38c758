//! Secrets come from the environment or from files.

use token_gateway_testkit::gateway::{Gateway, REFRESH_SECRET, SIGNING_SECRET};
use token_gateway_testkit::service_key::WEB;

use super::{file, run};
use crate::GATEWAY;

const SECRETS: [&str; 5] =
    ["REDIS_URL", "SIGNING_SECRET", "REFRESH_SECRET", "REFRESH_SECRET_PREVIOUS", "SERVICE_KEYS"];

#[tokio::test]
async fn every_secret_may_come_from_a_file_with_a_trailing_newline() {
    let (_a, signing) = file(&format!("{SIGNING_SECRET}\n"));
    let (_b, refresh) = file(&format!("{REFRESH_SECRET}\r\n"));
    let (_c, keys) = file(&format!("{}\n", WEB.entry));
    let mut serve = GATEWAY.command("serve", &[("STORE", "embedded")]);
    for (name, path) in [("SIGNING_SECRET", signing), ("REFRESH_SECRET", refresh), ("SERVICE_KEYS", keys)] {
        serve.env_remove(name).env(format!("{name}_FILE"), path);
    }
    let gateway = Gateway::run(serve);
    let tokens = gateway.api().login("alice").await;
    let plain = GATEWAY.embedded();
    let answer = plain.api().revoke(&tokens.refresh).await;
    assert_eq!(answer.status, 200);
    let resigned = crate::http::craft::Craft::refresh(&tokens.refresh).sign();
    assert_eq!(gateway.api().refresh(&resigned).await.status, 200, "the newline is no part of the secret");
}

/// A relative path begins elsewhere than its writer thought.
#[test]
fn a_relative_path_that_leads_nowhere_is_shown_with_the_folder_at_which_it_begins() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().canonicalize().unwrap();
    for (name, path) in [
        ("REFRESH_SECRET_FILE", "secrets/refresh_secret"),
        ("SERVICE_KEYS_FILE", "./secrets/service_keys"),
        ("SIGNING_KEYS", "keys/signing.json"),
        ("REDIS_TLS_CA", "tls/ca.pem"),
    ] {
        let cleared = name.trim_end_matches("_FILE");
        let mut serve = GATEWAY.command("serve", &[(cleared, ""), (name, path)]);
        let ended = run(serve.current_dir(&folder));
        assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{ended:?}");
        let begins = format!("a relative path begins at the working folder, {}", folder.display());
        for part in [name, path, "No such file", &begins] {
            assert!(ended.stderr.contains(part), "{part}: {ended:?}");
        }
    }
    let absolute = folder.join("nowhere/secret");
    let settings = [("REFRESH_SECRET", ""), ("REFRESH_SECRET_FILE", absolute.to_str().unwrap())];
    let ended = run(&mut GATEWAY.command("serve", &settings));
    assert!(ended.stderr.contains(absolute.to_str().unwrap()), "{ended:?}");
    assert!(!ended.stderr.contains("relative"), "{ended:?}");
    for secret in [
        "a-secret-without-a-slash-0123456789",
        "with a blank/0123456789",
        "cd/cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
    ] {
        let ended =
            run(&mut GATEWAY.command("serve", &[("REFRESH_SECRET", ""), ("REFRESH_SECRET_FILE", secret)]));
        assert!(ended.code == 2 && !ended.stderr.contains(secret), "{ended:?}");
    }
}

#[test]
fn a_secret_given_twice_is_refused_by_name() {
    let (_dir, path) = file("a-secret-that-nobody-else-has-0123456789");
    for name in SECRETS {
        let both = [
            (name, "another-secret-that-nobody-has-012345"),
            (&format!("{name}_FILE"), path.to_str().unwrap()),
        ];
        let ended = run(&mut GATEWAY.command("serve", &both));
        assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{ended:?}");
        assert!(ended.stderr.contains(name) && ended.stderr.contains("both"), "{ended:?}");
        assert!(!ended.stderr.contains("nobody"), "{ended:?}");
    }
}

#[test]
fn a_secret_file_that_cannot_be_read_or_is_empty_is_refused_by_name() {
    let (dir, empty) = file("\n");
    let (_other, binary) = file("");
    std::fs::write(&binary, b"\xff\xfe").unwrap();
    let missing = dir.path().join("missing");
    for name in SECRETS {
        for path in [&missing, &empty, &binary, &dir.path().to_owned()] {
            let file = format!("{name}_FILE");
            let settings = [(name, ""), (&file, path.to_str().unwrap())];
            let ended = run(&mut GATEWAY.command("serve", &settings));
            assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{path:?} {ended:?}");
            assert!(ended.stderr.contains(&file), "{ended:?}");
        }
    }
}
