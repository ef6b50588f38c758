//! Blocks of the pages that are no commands for a node: code of an API, settings, and answers. Code is compiled and run,
//! settings are taken, and printed answers have the members of real ones.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::tempdir;
use token_gateway_core::token::Alg;
use token_gateway_testkit::api::claims;
use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::ISSUER;
use token_gateway_testkit::redis::Redis;
use token_gateway_verify::{Access, BuildError, Feed, Outcome, Verifier};

use super::blocks::{Workplace, blocks, repository};
use crate::interop::foreign::{clean, run};
use crate::{GATEWAY, keys_of};

const API_GUIDE: &str = "docs/guides/check-tokens-in-an-api.md";

/// The only block of a page in this language.
fn block(page: &str, language: &str) -> String {
    let found = blocks(page, language);
    let [block] = found.as_slice() else { panic!("{page}: one block of {language}: {found:?}") };
    block.clone()
}

fn members(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// The lines without their indentation, imports and gaps.
fn dense(code: &str) -> String {
    let lines = code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("use "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Where scripts/test has put the packages of npm.
fn npm() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository("target"), PathBuf::from);
    target.join("interop/npm")
}

#[tokio::test]
async fn the_check_for_node_js_takes_an_access_token_and_no_other() {
    let keys = keys_of(Alg::Es256);
    let gateway = GATEWAY.embedded_with(&[("SIGNING_KEYS", keys.path()), ("SIGNING_SECRET", "")]);
    let tokens = gateway.api().login("alice").await;
    // The issuer of the tests' nodes is no address.
    let check = block(API_GUIDE, "js")
        .replace("https://auth.example", ISSUER)
        .replace("new URL(`${issuer}", "new URL(`${process.env.URL}");
    assert!(check.contains("process.env.URL"), "{check}");
    // Packages are looked for beside the script.
    let file = npm().join("guide.mjs");
    let lines = format!("const token = process.argv[2];\n{check}console.log(payload.sub);\n");
    std::fs::write(&file, lines).expect("a file");
    for (token, is_good) in [(&tokens.access, true), (&tokens.refresh, false), (&"x".to_owned(), false)] {
        let mut node = tokio::process::Command::new("node");
        node.arg(&file).arg(token);
        let mut node = clean(node);
        node.env("URL", format!("http://{}", gateway.address()));
        let ended = run("the check", node, Duration::from_secs(60)).await;
        assert_eq!((ended.success, ended.text == "alice\n"), (is_good, is_good), "{}", ended.text);
    }
}

/// The two fragments of the guide, with the names that it leaves to the reader.
async fn fragments(token: &str, feed_key: &str) -> Result<u16, BuildError> {
    let (serve, answer) = (|_: &Access| 200, |status: u16| status);

    let verifier = Verifier::builder("https://auth.example", "api")
        .jwks("https://auth.example/.well-known/jwks.json")?
        .feed(Feed::http("https://auth.example/v1/revocations", feed_key)?)
        .start()?;
    let outcome = verifier.verify(token).await;

    assert!(matches!(outcome, Outcome::Unknown(_)), "nobody answers there: {outcome:?}");
    Ok(match verifier.verify(token).await {
        Outcome::Accepted(access) => serve(&access),
        Outcome::Refused(_) => answer(401),
        Outcome::Unknown(_) => answer(503),
    })
}

#[tokio::test]
async fn the_check_in_rust_compiles_as_printed_and_cannot_know_without_its_gateway() {
    let here = dense(include_str!("fragments.rs"));
    let printed = blocks(API_GUIDE, "rust");
    assert_eq!(printed.len(), 2);
    for block in printed {
        assert!(here.contains(&dense(&block)), "the function above has not these lines:\n{block}");
    }
    assert_eq!(fragments("x", "a key with the role feed").await.ok(), Some(503));
}

#[test]
fn cargo_takes_each_printed_dependency_and_the_crate_has_its_features() {
    let manifest = std::fs::read_to_string(repository("crates/verify/Cargo.toml")).expect("readable");
    let printed = blocks(API_GUIDE, "toml");
    assert_eq!(printed.len(), 2);
    for block in printed {
        let package = tempdir().expect("a folder");
        let head = "[package]\nname = \"api\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n";
        std::fs::write(package.path().join("Cargo.toml"), head.to_owned() + &block).expect("a file");
        std::fs::create_dir(package.path().join("src")).expect("a folder");
        std::fs::write(package.path().join("src/lib.rs"), "").expect("a file");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
        let output = cargo.current_dir(package.path()).output().expect("cargo runs");
        assert!(output.status.success(), "{block}\n{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let dependency = &metadata["packages"][0]["dependencies"][0];
        assert!(manifest.contains(&format!("name = {}\n", dependency["name"])), "{dependency}");
        for feature in dependency["features"].as_array().expect("features") {
            let feature = feature.as_str().expect("a name");
            assert!(manifest.contains(&format!("\n{feature} = [")), "{feature}");
        }
    }
}

#[tokio::test]
async fn the_printed_claims_are_those_of_an_access_token() {
    let gateway = GATEWAY.embedded();
    let session = json!({"sub": "alice", "scope": "orders:read", "claims": {"roles": ["admin"]}});
    let tokens = gateway.api().issue(&session).await.tokens();
    let printed: Value = serde_json::from_str(&block(API_GUIDE, "json")).expect("JSON");
    assert_eq!(members(&printed), members(&claims(&tokens.access)));
}

#[tokio::test]
async fn the_printed_line_of_the_log_has_the_members_of_a_real_one() {
    let gateway = GATEWAY.embedded_with(&[("LOG_FORMAT", "json")]);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200);
    let line = eventually("the line", Duration::from_secs(10), async || {
        let log = gateway.log();
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["target"] == "access" && line["route"] == "/oauth/token")
    });
    let printed: Value = serde_json::from_str(&block("docs/reference/log-lines.md", "json")).expect("JSON");
    assert_eq!(members(&printed), members(&line.await));
}

#[test]
fn the_printed_proxies_are_taken() {
    let setting = block("docs/reference/log-lines.md", "sh");
    let check = format!("STORE=embedded {} token-gateway check 2>&1", setting.trim());
    let output = Workplace::new().bash(&check).output().expect("bash is installed");
    let found = String::from_utf8_lossy(&output.stdout);
    assert!(found.contains("ISSUER") && !found.contains("TRUSTED_PROXIES"), "{found}");
}

#[test]
fn the_settings_for_prometheus_are_yaml_and_ask_for_openmetrics_first() {
    let settings: Value = yaml_serde::from_str(&block("docs/reference/metrics.md", "yaml")).expect("YAML");
    let job = &settings["scrape_configs"][0];
    assert_eq!(job["scrape_protocols"][0], "OpenMetricsText1.0.0");
    assert_eq!(job["fallback_scrape_protocol"], "OpenMetricsText1.0.0");
    let targets = json!(["gateway-1:9090", "gateway-2:9090"]);
    assert_eq!(job["static_configs"][0]["targets"], targets, "as ADMIN_ADDR in docker-compose.yml");
}

#[tokio::test]
async fn the_layout_is_looked_at_as_its_notes_say() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let session = api.login("alice").await.session;
    let other = api.login("alice").await;
    assert_eq!(api.revoke(&other.refresh).await.status, 200);
    let lines = block("migrations-notes/v1.md", "sh")
        .replace("redis-cli ", &format!("redis-cli -e -p {} ", redis.port()))
        .replace("4830719265501837429", &session);
    let output = Workplace::new().bash(&lines).output().expect("bash is installed");
    let found = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for part in ["1\n", "\nlive\n", &format!("\n{session}\n"), "\nradix-tree-keys\n"] {
        assert!(found.contains(part), "{part:?}: {found}");
    }
}

/// For a second, not for twenty.
#[test]
fn the_program_of_the_report_on_actix_http_floods_its_own_server() {
    let line = block("docs/upstream/actix-http-pipelining.md", "sh");
    let line = line.trim().replace("--release", "--quiet --locked").replace("-- 2 20", "-- 1 1");
    assert!(line.ends_with(" --example pipelined-requests -- 1 1"), "{line}");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(line.split(' ').skip(1)).current_dir(repository(""));
    let output = cargo.output().expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains(" KiB a connection, "), "{output:?}");
}
