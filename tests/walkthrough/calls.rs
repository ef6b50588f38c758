//! The calls of the pages, against one node, with the status of each answer.

use std::collections::BTreeSet;
use std::process::Output;

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;

use super::blocks::{Workplace, blocks, pages};
use crate::GATEWAY;

/// A page, and the statuses of its calls in their order.
const CALLS: [(&str, &[&str]); 10] = [
    ("README.md", &["201", "200", "200"]),
    ("docs/start/try-it.md", &["201"]),
    ("docs/start/log-in-refresh-log-out.md", &["201", "200", "200", "200", "400"]),
    ("docs/guides/ask-a-proxy-to-check.md", &["200"]),
    ("docs/guides/begin-a-session.md", &["201"]),
    ("docs/guides/check-tokens-in-an-api.md", &["200", "200", "200", "200"]),
    ("docs/guides/follow-the-revocation-feed.md", &["200"]),
    ("docs/guides/help-a-user.md", &["200", "200", "200", "200", "200"]),
    ("docs/guides/refresh-from-a-service.md", &["200"]),
    ("docs/guides/show-and-end-devices.md", &["200", "200", "200", "200"]),
];

const REASONS: &str = "docs/guides/why-was-a-user-logged-out.md";

/// Keeps the status of each call, and ends a stream.
const CURL: &str = r#"
curl() {
  local limit=() code=0
  case "$*" in *"/v1/revocations"*) limit=(--max-time 1) ;; esac
  command curl "${limit[@]}" -w '%{stderr}status %{http_code}\n' "$@" || code=$?
  [ "$code" = 0 ] || [ "$code" = 28 ]
}
"#;

/// Whether a test of this file runs a block.
pub fn runs(page: &str, block: &str) -> bool {
    let is_called = CALLS.iter().any(|(listed, _)| *listed == page) && is_run_here(block);
    is_called || (page == REASONS && is_run_with_redis(block))
}

fn is_run_here(block: &str) -> bool {
    block.contains("$URL") || block.starts_with("token-gateway service-key")
}

fn is_run_with_redis(block: &str) -> bool {
    block.starts_with("token-gateway sessions")
}

/// The values of a reader who has logged alice in, twice.
async fn follow(page: &str, gateway: &Gateway) -> Output {
    let api = gateway.api();
    let session = json!({"sub": "alice", "scope": "orders:read", "claims": {"roles": ["admin"]}});
    let (own, other) = (api.issue(&session).await.tokens(), api.issue(&session).await.tokens());
    let here: String = blocks(page, "sh").into_iter().filter(|block| is_run_here(block)).collect();
    let workplace = Workplace::new();
    let mut bash = workplace.bash(&(CURL.to_owned() + &here));
    bash.env("URL", format!("http://{}", gateway.address())).env("KEY", WEB.key);
    bash.env("ACCESS_TOKEN", &own.access).env("REFRESH_TOKEN", &own.refresh);
    bash.env("SESSION_ID", &own.session).env("OTHER_SESSION_ID", &other.session);
    bash.output().expect("bash is installed")
}

#[tokio::test]
async fn every_call_of_the_pages_has_the_answer_that_they_tell() {
    for (page, statuses) in CALLS {
        let output = follow(page, &GATEWAY.embedded()).await;
        let [said, met] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
        let found: Vec<_> = met.lines().filter_map(|line| line.strip_prefix("status ")).collect();
        assert!(output.status.success() && found == statuses, "{page}: {found:?}\n{said}\n{met}");
        let last_words = match page {
            "docs/start/log-in-refresh-log-out.md" => "the same successor\n",
            "docs/start/try-it.md" => "ready\n",
            _ => "",
        };
        assert!(said.contains(last_words), "{page}: {said}");
        if page == "docs/start/log-in-refresh-log-out.md" {
            let refusal = blocks(page, "json").concat();
            assert!(!refusal.is_empty() && said.trim_end().ends_with(refusal.trim_end()), "{refusal}{said}");
        }
    }
}

/// The answers printed beside the calls have the members of real ones.
#[tokio::test]
async fn the_answers_of_the_readme_have_the_members_of_real_ones() {
    let gateway = GATEWAY.embedded();
    let output = follow("README.md", &gateway).await;
    let said = String::from_utf8(output.stdout).expect("text");
    let members = |text: &str| {
        let value: serde_json::Value =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        value.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>()
    };
    let printed: Vec<_> = blocks("README.md", "json").iter().map(|block| members(block)).collect();
    let answered: Vec<_> = said.lines().filter(|line| !line.is_empty()).map(members).collect();
    assert_eq!(printed, answered);
}

/// A reader without openssl would send an empty key, and see no error.
#[test]
fn the_calls_of_the_pages_need_curl_and_no_openssl() {
    for page in pages() {
        for block in blocks(&page, "sh") {
            assert!(!block.contains("openssl"), "{page}:\n{block}");
        }
    }
}

/// The feed ends its lines, and `/verify` shows its headers.
#[test]
fn each_printed_answer_ends_its_line() {
    for page in pages() {
        let joined = blocks(&page, "sh").concat().replace("\\\n", "");
        let shown = joined.lines().filter(|line| line.starts_with("curl "));
        for line in shown.filter(|line| !line.contains("/verify") && !line.contains("/v1/revocations")) {
            assert!(line.contains("; echo"), "{page}: the prompt would follow the answer of\n{line}");
        }
    }
}

#[tokio::test]
async fn the_reason_of_a_logout_is_found_as_the_guide_says() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    assert_eq!(api.me(Method::DELETE, "", &tokens.access).await.status, 200);
    let lines: String = blocks(REASONS, "sh").into_iter().filter(|block| is_run_with_redis(block)).collect();
    let workplace = Workplace::new();
    let mut bash = workplace.bash(&lines.replace("4830719265501837429", &tokens.session));
    let output = bash.env("REDIS_URL", redis.url()).output().expect("bash is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.matches("logout").count() >= 2, "{output:?}");
}
