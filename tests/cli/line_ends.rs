//! Line ends at the end of a secret: no part of it, however it comes.

use reqwest::Method;
use serde_json::Value;
use token_gateway_testkit::api::{Api, Tokens, claims};
use token_gateway_testkit::gateway::{Gateway, REFRESH_SECRET, SIGNING_SECRET};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;

use super::refusals::refuses;
use super::{bare, file, run};
use crate::GATEWAY;
use crate::http::craft::Craft;

const SIGNING_WITH_LINE_END: &str = "signing-secret-of-the-tests-0123456789\n";
const REFRESH_WITH_LINE_END: &str = "refresh-secret-of-the-tests-0123456789\n";

/// A node with its three secrets in this form.
fn node(redis: &Redis, written: impl Fn(&str) -> String) -> Gateway {
    let (signing, refresh, keys) = (written(SIGNING_SECRET), written(REFRESH_SECRET), written(WEB.entry));
    let url = written(&redis.url());
    GATEWAY.on(&url, &[("SIGNING_SECRET", &signing), ("REFRESH_SECRET", &refresh), ("SERVICE_KEYS", &keys)])
}

/// The tokens as a node signed them while it took the line end for a part of the secret.
fn under_former_secrets(tokens: &Tokens) -> Tokens {
    Tokens {
        access: Craft::access(&tokens.access).under(SIGNING_WITH_LINE_END).sign(),
        refresh: Craft::refresh(&tokens.refresh).under(REFRESH_WITH_LINE_END).sign(),
        session: tokens.session.clone(),
    }
}

async fn expect_accepted(api: &Api, tokens: &Tokens) {
    assert_eq!(api.me(Method::GET, "", &tokens.access).await.status, 200);
    let verify = api.request(Method::GET, "/verify").bearer_auth(&tokens.access);
    assert_eq!(api.send(verify).await.status, 200);
    let introspect = api.form("/oauth/introspect", &[("token", &tokens.access)]).bearer_auth(WEB.key);
    assert_eq!(api.send(introspect).await.json()["active"], true);
}

/// A node with its secrets in files, with a line feed at their ends.
fn node_with_files(redis: &Redis) -> Gateway {
    let mut serve = GATEWAY.command("serve", &[("REDIS_URL", &redis.url())]);
    let secrets =
        [("SIGNING_SECRET", SIGNING_SECRET), ("REFRESH_SECRET", REFRESH_SECRET), ("SERVICE_KEYS", WEB.entry)];
    let files = secrets.map(|(name, text)| (name, file(&format!("{text}\n"))));
    for (name, (_, path)) in &files {
        serve.env_remove(name).env(format!("{name}_FILE"), path);
    }
    Gateway::run(serve)
}

#[tokio::test]
async fn nodes_agree_on_a_secret_with_line_ends_in_its_variable_on_one_and_in_its_file_on_the_other() {
    let redis = Redis::start();
    let by_file = node_with_files(&redis);
    for ends in ["", "\n", "\r\n", "\n\n", "\r"] {
        let by_variable = node(&redis, |text| format!("{text}{ends}"));
        let (one, other) = (by_variable.api(), by_file.api());
        let first = one.login("alice").await;
        expect_accepted(&other, &first).await;
        let second = other.refresh(&first.refresh).await.tokens();
        expect_accepted(&one, &second).await;
        let third = one.refresh(&second.refresh).await;
        assert_eq!(third.status, 200, "{ends:?}: {third:?}");
    }
}

#[tokio::test]
async fn tokens_of_a_node_that_took_the_line_end_for_a_part_of_the_secret_are_accepted() {
    let redis = Redis::start();
    let plain = GATEWAY.start(&redis);
    let upgraded = node(&redis, |text| format!("{text}\n"));
    let (plain, api) = (plain.api(), upgraded.api());
    let former = under_former_secrets(&plain.login("alice").await);
    expect_accepted(&api, &former).await;
    plain.refresh(&former.refresh).await.expect_error(400, "invalid_grant");
    let next = api.refresh(&former.refresh).await.tokens();
    assert_eq!(claims(&next.refresh)["gen"], 1);
    assert_eq!(plain.refresh(&next.refresh).await.status, 200, "nothing is signed with the line end");
    let other = under_former_secrets(&plain.login("alice").await);
    assert_eq!(api.revoke(&other.access).await.status, 200);
    plain.me(Method::GET, "", &plain.login("bob").await.access).await.sessions();
    let shown = api.user(Method::GET, "alice", &format!("/{}", other.session)).await.json();
    assert_eq!((&shown["state"], &shown["reason"]), (&Value::from("ended"), &Value::from("logout")));
}

/// The nodes of the example, each upgraded with the settings that it has.
#[tokio::test]
async fn a_node_with_files_takes_the_tokens_of_a_former_node_with_variables() {
    let redis = Redis::start();
    let (plain, by_file) = (GATEWAY.start(&redis), node_with_files(&redis));
    let former = under_former_secrets(&plain.api().login("alice").await);
    expect_accepted(&by_file.api(), &former).await;
    let next = by_file.api().refresh(&former.refresh).await.tokens();
    assert_eq!(plain.api().refresh(&next.refresh).await.status, 200, "nothing is signed with the line end");
    assert!(!by_file.log().contains("line end"), "a file usually has one: {}", by_file.log());
}

#[tokio::test]
async fn tokens_under_a_previous_secret_with_a_line_end_are_accepted() {
    let redis = Redis::start();
    let plain = GATEWAY.start(&redis);
    let settings = [
        ("REFRESH_SECRET", "another-refresh-secret-of-the-tests-0123456789"),
        ("REFRESH_SECRET_PREVIOUS", REFRESH_WITH_LINE_END),
    ];
    let rotated = GATEWAY.start_with(&redis, &settings);
    let first = plain.api().login("alice").await;
    let second = rotated.api().refresh(&first.refresh).await;
    assert_eq!(second.status, 200, "without the line end: {second:?}");
    let former = under_former_secrets(&plain.api().login("bob").await);
    let second = rotated.api().refresh(&former.refresh).await;
    assert_eq!(second.status, 200, "with the line end: {second:?}");
}

#[tokio::test]
async fn the_start_and_check_warn_of_line_ends_and_show_no_secret() {
    let redis = Redis::start();
    let settings = [("SIGNING_SECRET", SIGNING_WITH_LINE_END), ("REFRESH_SECRET", REFRESH_SECRET)];
    let gateway = GATEWAY.start_with(&redis, &settings);
    let mut check = GATEWAY.command("check", &settings);
    let ended = run(check.env("REDIS_URL", redis.url()));
    assert_eq!(ended.code, 0, "{ended:?}");
    for text in [gateway.log(), ended.stdout] {
        let line = text.lines().find(|line| line.contains("SIGNING_SECRET")).expect("a warning");
        assert!(line.to_lowercase().contains("warn") && line.contains("line end"), "{line}");
        assert!(!text.contains("REFRESH_SECRET:") && !text.contains(SIGNING_SECRET), "{text}");
    }
    let quiet = GATEWAY.start(&redis);
    assert!(!quiet.log().contains("line end"), "{}", quiet.log());
}

#[test]
fn a_secret_that_differs_by_line_ends_alone_is_the_same_secret() {
    for (name, value) in [
        ("REFRESH_SECRET", format!("{SIGNING_SECRET}\n")),
        ("REFRESH_SECRET_PREVIOUS", format!("{SIGNING_SECRET}\r\n")),
        ("SIGNING_SECRET", format!("{REFRESH_SECRET}\n")),
    ] {
        let line = refuses(&[(name, &value)], "SIGNING_SECRET");
        assert!(line.contains("must differ"), "{line}");
    }
    let short = format!("{}\n", "x".repeat(31));
    assert!(refuses(&[("SIGNING_SECRET", &short)], "SIGNING_SECRET").contains("31 bytes"));
}

#[tokio::test]
async fn base64_with_a_line_end_is_the_secret_it_says() {
    use base64::Engine as _;
    let encoded = format!("base64:{}\n", base64::engine::general_purpose::STANDARD.encode(SIGNING_SECRET));
    let gateway = GATEWAY.embedded_with(&[("SIGNING_SECRET", &encoded)]);
    let tokens = gateway.api().login("alice").await;
    let resigned = Craft::access(&tokens.access).sign();
    assert_eq!(gateway.api().me(Method::GET, "", &resigned).await.status, 200);
}

/// Nothing is left of such a variable.
#[test]
fn a_variable_of_line_ends_alone_is_unset() {
    refuses(&[("SIGNING_SECRET", "\n")], "SIGNING_SECRET: is missing");
    refuses(&[("SERVICE_KEYS", "\r\n")], "SERVICE_KEYS: is missing");
}

#[test]
fn the_commands_of_operators_take_a_redis_url_with_a_line_end() {
    let redis = Redis::start();
    let (_dir, path) = file(&format!("{}\r\n", redis.url()));
    for (name, value) in [
        ("REDIS_URL", format!("{}\n", redis.url())),
        ("REDIS_URL", format!("{}\r\n", redis.url())),
        ("REDIS_URL_FILE", path.to_str().unwrap().to_owned()),
    ] {
        for args in [&["sessions", "list"][..], &["stats"], &["sessions", "end", "alice", "--all", "--yes"]] {
            let ended = run(bare(args).env(name, &value));
            assert_eq!(ended.code, 0, "{args:?} {ended:?}");
        }
    }
}
