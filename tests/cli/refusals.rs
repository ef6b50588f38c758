//! A wrong setting stops the start with exit code 2 and one line with the name of the setting.

use token_gateway_testkit::gateway::{ISSUER, REFRESH_SECRET, SIGNING_SECRET};

use super::{Ended, bare, run};
use crate::GATEWAY;

/// Demands exit code 2 and one line with `name` in it; hands it back.
#[track_caller]
pub(super) fn expect_refusal(ended: &Ended, name: &str) -> String {
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{name}: {ended:?}");
    let line = ended.stderr.strip_suffix('\n').unwrap_or_else(|| panic!("{ended:?}"));
    assert!(!line.contains('\n') && line.starts_with("error: "), "{ended:?}");
    assert!(line.contains(name), "{name} is not named: {line}");
    line.to_owned()
}

#[track_caller]
pub(super) fn refuses(settings: &[(&str, &str)], name: &str) -> String {
    expect_refusal(&run(&mut GATEWAY.command("serve", settings)), name)
}

#[test]
fn a_value_out_of_range_or_of_a_wrong_form_names_its_setting() {
    for (name, values) in [
        ("BIND_ADDR", &["nonsense", "127.0.0.1", "127.0.0.1:99999", "localhost:8080", ":8080"][..]),
        ("ADMIN_ADDR", &["9090", "x:1"]),
        ("PORT", &["-1", "65536", "http"]),
        ("WORKERS", &["0", "1025", "two"]),
        ("STORE", &["memory", "Redis "]),
        ("REDIS_PREFIX", &["a{b}", "a b", "x*", &"x".repeat(33)]),
        ("REDIS_TIMEOUT_MS", &["0", "60001", "1.5", "1s"]),
        ("REDIS_MAX_IN_FLIGHT", &["0", "1000001"]),
        ("REDIS_WAIT_REPLICAS", &["-1", "101"]),
        ("ACCESS_TTL_SECONDS", &["0", "-900", "15m", "315360001", "604801"]),
        ("REFRESH_TTL_SECONDS", &["0", "315360001"]),
        ("SESSION_MAX_AGE_SECONDS", &["-1", "315360001"]),
        ("REFRESH_GRACE_SECONDS", &["61", "-1"]),
        ("REUSE_SCOPE", &["user", "SUBJECT!"]),
        ("MAX_SESSIONS_PER_SUBJECT", &["0", "1001"]),
        ("TOMBSTONE_TTL_SECONDS", &["0", "x"]),
        ("VERIFY_MAX_STALE_SECONDS", &["1", "3601", "10s"]),
        ("VERIFY_WHEN_STALE", &["open", "yes"]),
        ("SHUTDOWN_GRACE_SECONDS", &["3601", "-1"]),
        ("AUDIENCE", &["two words", "\u{e9}", ISSUER, &"x".repeat(256)]),
        ("ISSUER", &["nonsense", "ftp://x", "https://", "https://x/?q", "https://x/#f"]),
        ("RUST_LOG", &["info,foo=loud", "a=b=c", "warning", "\"info\""]),
        ("LOG_FORMAT", &["xml"]),
        ("SIGNING_KEYS", &["/nowhere/keys.json", "/"]),
        ("JWKS_MAX_AGE_SECONDS", &["0", "86401", "5m"]),
        ("TYP_JWT_AUDIENCES", &["two words", "api,,"]),
        ("ME_AUDIENCES", &["two words", "api,,", ISSUER, &format!("api,{ISSUER}"), &"x".repeat(256)]),
    ] {
        for value in values {
            refuses(&[(name, value)], name);
        }
    }
}

#[test]
fn a_flag_with_a_wrong_value_is_named_too() {
    for (flag, value) in [("--access-ttl-seconds", "0"), ("--bind-addr", "x"), ("--store", "x")] {
        let mut serve = GATEWAY.command("serve", &[]);
        expect_refusal(&run(serve.args([flag, value])), flag);
    }
    for unknown in ["--unknown", "--signing-secret", "-x", "extra"] {
        expect_refusal(&run(GATEWAY.command("serve", &[]).arg(unknown)), unknown);
    }
    expect_refusal(&run(&mut bare(&["serv"])), "serv");
}

/// The content in place of its file, a URL with a password, or a key: no error repeats them.
#[test]
fn a_secret_in_place_of_another_value_is_not_repeated() {
    let key = format!("tgk{}", "cd".repeat(32));
    let jwk = r#"{"keys":[{"kty":"EC","d":"s3cret"}]}"#;
    let pem = "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----\n";
    let url = "redis://:s3cret@h:6379";
    for (name, value, said) in [
        ("SIGNING_KEYS", jwk, "takes the path of a file, and this is its content"),
        ("SIGNING_KEYS", pem, "takes the path of a file, and this is its content"),
        ("SIGNING_KEYS", url, "takes the path of a file, and this is a URL"),
        ("SIGNING_KEYS", &key, "name the key set file"),
        ("REDIS_TLS_CA", url, "takes the path of a file, and this is a URL"),
        ("REDIS_TLS_KEY", pem, "takes the path of a file, and this is its content"),
        ("REDIS_TLS_CERT", &key, "cannot be read"),
        ("REFRESH_SECRET_FILE", jwk, "takes the path of a file"),
        ("SERVICE_KEYS_FILE", url, "takes the path of a file"),
        ("REFRESH_SECRET_FILE", &key, "cannot be read"),
        ("RUST_LOG", url, "neither a level nor target=level"),
        ("RUST_LOG", &key, "neither a level nor target=level"),
        ("RUST_LOG", &format!("info,{key}"), "neither a level nor target=level"),
        ("ISSUER", &key, "http(s) URL"),
        ("ISSUER", "https://s3cret@host", "http(s) URL"),
        ("BIND_ADDR", url, "IP address and a port"),
        ("REDIS_PREFIX", &key, "must be"),
        ("LOG_FORMAT", &key, "text or json"),
        ("PORT", jwk, "a whole number"),
    ] {
        let settings = if name.ends_with("_FILE") {
            vec![(name.trim_end_matches("_FILE"), ""), (name, value)]
        } else {
            vec![(name, value)]
        };
        let line = refuses(&settings, name);
        assert!(line.contains(said), "{said}: {line}");
        assert!(!line.contains("s3cret") && !line.contains("cdcdcd"), "{line}");
    }
    for args in [
        &["keys", "list", "--signing-keys", jwk][..],
        &["keys", "new", "--signing-keys", pem],
        &["serve", jwk],
    ] {
        let line = expect_refusal(&run(&mut bare(args)), "error: ");
        assert!(!line.contains("s3cret"), "{line}");
    }
}

#[test]
fn an_address_with_a_scheme_is_told_to_leave_it_out() {
    for (name, value, said) in [
        ("BIND_ADDR", "http://127.0.0.1:8080", "leave http:// out"),
        ("ADMIN_ADDR", "https://127.0.0.1:9090", "leave https:// out"),
    ] {
        let line = refuses(&[(name, value)], name);
        assert!(line.contains(said), "{line}");
    }
}

#[test]
fn what_is_required_and_missing_is_named() {
    for name in ["ISSUER", "SIGNING_SECRET", "REFRESH_SECRET", "SERVICE_KEYS"] {
        refuses(&[(name, "")], name);
        expect_refusal(&run(GATEWAY.command("serve", &[]).env_remove(name)), name);
    }
}

/// Requirement SECRET-2.
#[test]
fn a_weak_secret_is_refused_with_a_hint_how_to_make_a_good_one() {
    for name in ["SIGNING_SECRET", "REFRESH_SECRET", "REFRESH_SECRET_PREVIOUS"] {
        for weak in ["too-short-a-secret", &"x".repeat(31), "base64:dG9vLXNob3J0LWEtc2VjcmV0"] {
            let line = refuses(&[(name, weak)], name);
            assert!(line.contains("32") && line.contains("token-gateway init"), "{line}");
            assert!(!line.contains(weak), "{line}");
        }
        let broken = refuses(&[(name, "base64:not!base64!but-long-enough-to-be-a-secret")], name);
        assert!(!broken.contains("not!base64"), "{broken}");
    }
}

#[test]
fn equal_secrets_are_refused_in_whatever_form_they_come() {
    use base64::Engine as _;
    let encoded = format!("base64:{}", base64::engine::general_purpose::STANDARD.encode(SIGNING_SECRET));
    for same in [SIGNING_SECRET, &encoded] {
        for name in ["REFRESH_SECRET", "REFRESH_SECRET_PREVIOUS"] {
            let line = refuses(&[(name, same)], name);
            assert!(line.contains("SIGNING_SECRET") && !line.contains(same), "{line}");
        }
    }
}

#[test]
fn bad_service_keys_are_refused_without_being_repeated() {
    let hash = "ab".repeat(32);
    let key = format!("tgk{}", "cd".repeat(32));
    for bad in [
        "web".to_owned(),
        format!("web={}", &hash[1..]),
        format!("web={hash}0"),
        format!("web={key}"),
        format!("web+root={hash}"),
        format!("web+={hash}"),
        format!("two words={hash}"),
        format!("={hash}"),
        format!("{}={hash}", "x".repeat(65)),
        format!("web={hash},mobile"),
        ",".to_owned(),
        key.clone(),
    ] {
        let line = refuses(&[("SERVICE_KEYS", &bad)], "SERVICE_KEYS");
        assert!(!line.contains(&hash[1..]) && !line.contains(&key[..40]), "{line}");
    }
}

#[test]
fn a_secret_that_was_put_into_service_keys_by_mistake_is_not_repeated() {
    let key = format!("tgk{}", "cd".repeat(32));
    let hash = "ab".repeat(32);
    let signing = "base64:c2lnbmluZy1zZWNyZXQtb2YtdGhlLXRlc3RzLTAxMjM=";
    for (mistake, secret) in [
        (format!("{key}={hash}"), &key[..40]),
        (format!("web+{key}={hash}"), &key[..40]),
        (signing.to_owned(), &signing[7..40]),
        (SIGNING_SECRET.to_owned(), SIGNING_SECRET),
        (format!("{SIGNING_SECRET}="), SIGNING_SECRET),
    ] {
        let line = refuses(&[("SERVICE_KEYS", &mistake)], "SERVICE_KEYS");
        assert!(!line.contains(secret), "{line}");
    }
}

#[test]
fn a_bad_redis_url_is_refused_and_its_password_not_repeated() {
    for bad in [
        "127.0.0.1:6379",
        "http://:hunter2hunter2@x",
        "redis://:hunter2hunter2@host:port",
        "redis://user:hunter2hunter2@host/database",
        "redis+cluster://:hunter2hunter2@x:1/3",
        "redis+cluster://:hunter2hunter2@x:1,",
        "redis+sentinel://:hunter2hunter2@x:1",
        "redis+sentinel://:hunter2hunter2@x:1/m/database",
        "redis://:hunter2hunter2@a,redis://b:port",
    ] {
        let line = refuses(&[("REDIS_URL", bad)], "REDIS_URL");
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[test]
fn tls_files_that_are_of_no_use_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("text");
    std::fs::write(&text, "no PEM").expect("a file");
    let (text, tls) = (text.to_str().expect("a path"), "rediss://localhost");
    for (settings, named) in [
        (vec![("REDIS_URL", tls), ("REDIS_TLS_CA", "/nowhere.pem")], "REDIS_TLS_CA"),
        (vec![("REDIS_URL", tls), ("REDIS_TLS_CERT", text)], "REDIS_TLS_KEY"),
        (vec![("REDIS_URL", tls), ("REDIS_TLS_KEY", text)], "REDIS_TLS_CERT"),
        (vec![("REDIS_URL", tls), ("REDIS_TLS_CERT", text), ("REDIS_TLS_KEY", text)], "REDIS_TLS_CERT"),
        (vec![("REDIS_URL", "redis://localhost"), ("REDIS_TLS_CA", text)], "REDIS_TLS_CA"),
    ] {
        refuses(&settings, named);
    }
}

#[test]
fn a_secret_is_no_flag_and_is_not_repeated_when_somebody_tries() {
    for flag in ["--signing-secret", "--refresh-secret", "--service-keys", "--redis-url"] {
        let glued = format!("{flag}={REFRESH_SECRET}x");
        let line = expect_refusal(&run(GATEWAY.command("serve", &[]).arg(glued)), flag);
        assert!(!line.contains(REFRESH_SECRET), "{line}");
        let line = expect_refusal(&run(GATEWAY.command("serve", &[]).args([flag, SIGNING_SECRET])), flag);
        assert!(!line.contains(SIGNING_SECRET), "{line}");
    }
}

#[test]
fn without_a_command_the_help_is_shown_and_the_exit_code_is_2() {
    let ended = run(&mut bare(&[]));
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("serve") && ended.stderr.contains("init"), "{ended:?}");
}
