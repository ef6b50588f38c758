//! Characters that got into a setting on its way: quotes, comments, white space, a byte order mark, control characters.

use token_gateway_testkit::gateway::{Gateway, REFRESH_SECRET, SIGNING_SECRET};
use token_gateway_testkit::redis::Redis;

use super::refusals::{expect_refusal, refuses};
use super::{bare, file, run};
use crate::GATEWAY;

const SECRETS: [&str; 6] = [
    "REDIS_URL",
    "REDIS_SENTINEL_PASSWORD",
    "SIGNING_SECRET",
    "REFRESH_SECRET",
    "REFRESH_SECRET_PREVIOUS",
    "SERVICE_KEYS",
];

/// Each way in which a value goes wrong on its way, and a word of the message.
fn spoilt(value: &str) -> Vec<(String, &'static str)> {
    vec![
        (format!("\"{value}\""), "quotes"),
        (format!("'{value}'"), "quotes"),
        (format!("{value} # note"), "comment"),
        (format!("{value}\t# note"), "control character U+0009"),
        (format!("{value} #"), "comment"),
        (format!("{value} "), "white space U+0020"),
        (format!(" {value}"), "white space U+0020"),
        (format!("{value}\u{a0}"), "white space U+00A0"),
        (format!("{value}\u{200b}"), "invisible character U+200B"),
        (format!("\u{feff}{value}"), "byte order mark"),
        (format!("{value}\u{7}"), "control character U+0007"),
        (format!("{value}\nmore"), "control character U+000A"),
        (format!("{value}\u{85}"), "control character U+0085"),
        (format!("{value}\u{7f}x"), "control character U+007F"),
    ]
}

fn good(name: &str) -> String {
    match name {
        "REDIS_URL" => "redis://127.0.0.1:6379".to_owned(),
        "SERVICE_KEYS" => format!("web={}", "ab".repeat(32)),
        _ => "a-secret-that-nobody-else-has-0123456789".to_owned(),
    }
}

#[test]
fn a_spoilt_secret_is_refused_by_name_in_the_variable_and_in_the_file_and_not_repeated() {
    for name in SECRETS {
        for (value, word) in spoilt(&good(name)) {
            let (_dir, path) = file(&value);
            let named = format!("{name}_FILE");
            for line in [
                refuses(&[(name, &value)], &format!("{name}: ")),
                refuses(&[(name, ""), (&named, path.to_str().unwrap())], &format!("{named}: ")),
            ] {
                assert!(line.contains(word), "{value:?}: {line}");
                assert!(!line.contains("nobody") && !line.contains("abab"), "{line}");
            }
        }
    }
}

#[test]
fn a_spoilt_setting_is_refused_by_name() {
    for (name, value) in [
        ("AUDIENCE", "api"),
        ("ISSUER", "https://auth.example"),
        ("REDIS_SENTINEL_USERNAME", "sentinel-user"),
        ("REDIS_PREFIX", "tg"),
        ("TYP_JWT_AUDIENCES", "legacy,other"),
        ("BIND_ADDR", "127.0.0.1:0"),
        ("ACCESS_TTL_SECONDS", "900"),
        ("REUSE_SCOPE", "subject"),
        ("LOG_FORMAT", "text"),
        ("STORE", "redis"),
        ("SIGNING_KEYS", "/run/keys.json"),
        ("REDIS_TLS_CA", "/run/ca.pem"),
        ("SIGNING_SECRET_FILE", "/run/secret"),
    ] {
        for (value, word) in spoilt(value) {
            let line = refuses(&[(name, &value)], &format!("{name}: "));
            assert!(line.contains(word), "{value:?}: {line}");
        }
        for value in [format!("{value}\n"), format!("{value}\r\n")] {
            assert!(refuses(&[(name, &value)], &format!("{name}: ")).contains("control character"));
        }
    }
}

#[test]
fn a_single_quote_is_refused_in_a_setting_and_in_an_element_of_a_list() {
    for (name, value) in [
        ("AUDIENCE", "\"api"),
        ("AUDIENCE", "api'"),
        ("AUDIENCE", "`api`"),
        ("AUDIENCE", "# none"),
        ("REDIS_SENTINEL_USERNAME", "'user"),
        ("TYP_JWT_AUDIENCES", "one,\"two\",three"),
    ] {
        refuses(&[(name, value)], &format!("{name}: "));
    }
}

#[test]
fn a_spoilt_flag_is_named_as_a_flag_and_a_good_one_covers_its_variable() {
    for args in [&["--audience", "'api'"][..], &["--audience='api'"]] {
        let mut serve = GATEWAY.command("serve", &[("STORE", "embedded")]);
        let line = expect_refusal(&run(serve.args(args)), "--audience: ");
        assert!(line.contains("quotes"), "{line}");
    }
    let mut serve = GATEWAY.command("serve", &[("STORE", "embedded"), ("AUDIENCE", "\"api\"")]);
    serve.args(["--audience", "api"]);
    Gateway::run(serve);
}

#[test]
fn other_commands_refuse_a_spoilt_setting_too_and_mind_only_their_own() {
    for (args, name, value) in [
        (&["sessions", "list"][..], "REDIS_PREFIX", "'tg'"),
        (&["sessions", "list"], "REDIS_URL", "\"redis://127.0.0.1:6379\""),
        (&["sessions", "end", "alice", "--all", "--yes"], "REDIS_SENTINEL_USERNAME", "user # note"),
        (&["stats"], "REDIS_URL", "redis://127.0.0.1:6379 # the old one"),
        (&["keys", "list"], "SIGNING_KEYS", "\"keys.json\""),
        (&["healthcheck"], "BIND_ADDR", "'127.0.0.1:8080'"),
        (&["check"], "AUDIENCE", "api\n"),
        (&["dev"], "ISSUER", "\"https://auth.example\""),
    ] {
        let line = expect_refusal(&run(bare(args).env(name, value)), name);
        assert!(line.contains(&format!("{name}: ")), "{line}");
    }
    let redis = Redis::start();
    let mut list = bare(&["sessions", "list"]);
    let ended = run(list.env("REDIS_URL", redis.url()).env("AUDIENCE", "\"api\""));
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn a_credential_of_redis_with_an_encoded_control_character_is_refused() {
    for url in [
        "redis://:hunter2%0A@127.0.0.1:6379",
        "redis://us%0Der:hunter2@127.0.0.1:6379",
        "redis+sentinel://user%00:hunter2@127.0.0.1/main",
        "redis+cluster://user:hunter2%7F@127.0.0.1",
    ] {
        let line = refuses(&[("REDIS_URL", url)], "REDIS_URL: ");
        assert!(line.contains("control character") && !line.contains("hunter2"), "{line}");
    }
}

#[test]
fn files_that_settings_name_may_not_begin_with_a_byte_order_mark() {
    let (_dir, path) = file("\u{feff}{\"keys\":[]}");
    let line = refuses(&[("SIGNING_KEYS", path.to_str().unwrap())], "SIGNING_KEYS");
    assert!(line.contains("byte order mark"), "{line}");
    let tls = [("REDIS_URL", "rediss://localhost"), ("REDIS_TLS_CA", path.to_str().unwrap())];
    assert!(refuses(&tls, "REDIS_TLS_CA").contains("byte order mark"));
}

#[test]
fn a_hash_sign_a_space_and_quotes_inside_a_secret_are_legal() {
    for (signing, refresh) in [
        ("signing#secret-of-the-tests-0123456789", "#refresh-secret-of-the-tests-0123456789"),
        ("signing secret of the tests 0123456789", "refresh'secret\"of-the-tests-0123456789"),
        ("\"signing-secret-of-the-tests-0123456789", "refresh-secret-of-the-tests-0123456789#"),
        ("signing-secret-of-the-t\u{eb}sts-0123456789", "refresh-secret-of-the-tests-0123456789'"),
    ] {
        assert!(SIGNING_SECRET != signing || REFRESH_SECRET != refresh);
        GATEWAY.embedded_with(&[("SIGNING_SECRET", signing), ("REFRESH_SECRET", refresh)]);
    }
}
