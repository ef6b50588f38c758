//! No token, key or secret in any log line, metric or error answer; no path, query or subject in access
//! lines.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Answer, Api, Tokens, claims};
use token_gateway_testkit::gateway::{REFRESH_SECRET, SIGNING_SECRET};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::{ISSUE_ONLY, WEB};
use token_gateway_testkit::wait_for;

use crate::GATEWAY;

const SUBJECT: &str = "subject-that-must-not-be-logged";
const KEY: &str = "idempotency-key-that-must-not-be-logged";
const WRONG_KEY: &str = "tgkwrong-service-key-that-must-not-be-logged";
const SHORT_KEY: &str = "shortidemkey";

/// Texts never to be repeated: the signature of each token, and the secret half of a refresh token's `jti`.
struct Secrets(Vec<String>);

impl Secrets {
    fn new() -> Self {
        let fixed = [KEY, WRONG_KEY, SHORT_KEY, WEB.key, ISSUE_ONLY.key, SIGNING_SECRET, REFRESH_SECRET];
        Self(fixed.map(str::to_owned).to_vec())
    }

    fn add(&mut self, tokens: &Tokens) {
        for token in [&tokens.access, &tokens.refresh] {
            self.0.push(token.rsplit_once('.').unwrap().1.to_owned());
        }
        let jti = claims(&tokens.refresh)["jti"].as_str().unwrap().to_owned();
        self.0.push(jti.rsplit_once('.').unwrap().1.to_owned());
    }

    #[track_caller]
    fn expect_none_in(&self, place: &str, text: &str) {
        for secret in &self.0 {
            assert!(!text.contains(secret.as_str()), "{place} repeats {secret}:\n{text}");
        }
    }
}

/// Wrong requests, with secrets in all places, right and wrong.
async fn mistakes(api: &Api, tokens: &Tokens) -> Vec<Answer> {
    let (access, refresh) = (tokens.access.as_str(), tokens.refresh.as_str());
    let tampered = format!("{refresh}x");
    let requests = [
        api.refresh_request(&tampered).header("Idempotency-Key", KEY),
        api.refresh_request(refresh).header("Idempotency-Key", SHORT_KEY),
        api.refresh_request(refresh).header("Idempotency-Key", KEY).header("Idempotency-Key", KEY),
        api.refresh_request(refresh).bearer_auth(WRONG_KEY),
        api.refresh_request(access),
        api.form("/oauth/token", &[("grant_type", refresh), ("refresh_token", access)]),
        api.form(
            "/oauth/token",
            &[("grant_type", "refresh_token"), ("refresh_token", refresh), ("scope", access)],
        ),
        api.form("/oauth/token", &[("client_id", "web"), ("client_secret", WRONG_KEY)]),
        api.form("/oauth/token", &[("refresh_token", refresh), ("refresh_token", refresh)]),
        api.raw_form(&format!("/oauth/token?refresh_token={refresh}"), ""),
        api.raw_form(&format!("/oauth/revoke?token={refresh}&client_secret={WRONG_KEY}"), ""),
        api.form("/oauth/revoke", &[("token", refresh), ("client_id", access)]),
        api.request(Method::GET, &format!("/v1/me/sessions?access_token={access}")),
        api.request(Method::GET, "/v1/me/sessions").bearer_auth(&tampered),
        api.request(Method::GET, &format!("/{refresh}/{SUBJECT}")),
        api.request(Method::DELETE, &format!("/v1/me/sessions?except={refresh}")).bearer_auth(access),
        api.request(Method::GET, &format!("/v1/users/{SUBJECT}/sessions")).bearer_auth(WRONG_KEY),
        api.service(Method::GET, &format!("/v1/users/{refresh}/sessions/{access}")),
        api.service(Method::POST, "/v1/sessions").body(refresh.to_owned()),
    ];
    let mut answers = Vec::new();
    for request in requests {
        answers.push(api.send(request).await);
    }
    answers.extend(wrong_json(api, tokens).await);
    answers
}

/// Secrets where another JSON type or another value belongs.
async fn wrong_json(api: &Api, tokens: &Tokens) -> Vec<Answer> {
    let (refresh, key) = (tokens.refresh.as_str(), WEB.key);
    let bodies = [
        json!({"sub": SUBJECT, "claims": refresh}),
        json!({"sub": SUBJECT, "claims": key}),
        json!({"sub": SUBJECT, "client": refresh}),
        json!({"sub": SUBJECT, "client": {"ip": [key]}}),
        json!({"sub": [key]}),
        json!({"sub": format!("{refresh}{refresh}")}),
        json!({"sub": SUBJECT, "scope": format!("{refresh}\"")}),
        json!({"sub": SUBJECT, "aud": format!("{refresh}\n")}),
        json!(refresh),
        json!(key),
    ];
    let mut answers = Vec::new();
    for body in &bodies {
        answers.push(api.issue(body).await);
    }
    answers
}

async fn good_use(api: &Api, secrets: &mut Secrets) -> Tokens {
    let first = api.issue(&json!({"sub": SUBJECT, "claims": {"role": "admin"}})).await.tokens();
    let second = api.refresh_as(&first.refresh, KEY).await.tokens();
    let other = api.login(SUBJECT).await;
    api.me(Method::GET, "", &second.access).await.sessions();
    api.user(Method::GET, SUBJECT, "").await.sessions();
    api.user(Method::GET, SUBJECT, &format!("/{}", second.session)).await.json();
    api.revoke(&other.refresh).await;
    for tokens in [&first, &second, &other] {
        secrets.add(tokens);
    }
    second
}

/// Tries everything against one gateway, and gives back its whole log.
async fn log_of_a_busy_gateway(format: &str) -> String {
    let redis = Redis::start();
    let settings = [("RUST_LOG", "trace"), ("LOG_FORMAT", format), ("ADMIN_ADDR", "127.0.0.1:0")];
    let gateway = GATEWAY.start_with(&redis, &settings);
    let api = gateway.api();
    let mut secrets = Secrets::new();
    let tokens = good_use(&api, &mut secrets).await;
    for answer in mistakes(&api, &tokens).await {
        assert!(answer.status.is_client_error(), "{answer:?}");
        secrets.expect_none_in("an error answer", &format!("{:?} {}", answer.headers, answer.text));
    }
    let third = api.refresh(&tokens.refresh).await.tokens();
    secrets.add(&third);
    api.reuse(&tokens.refresh).await;
    redis.freeze();
    api.refresh(&third.refresh).await.expect_error(503, "temporarily_unavailable");
    redis.thaw();
    let log = wait_for("the last access line", Duration::from_secs(5), || {
        Some(gateway.log()).filter(|log| log.contains("POST /oauth/token 503"))
    });
    secrets.expect_none_in("the log", &log);
    let admin = Api::new(&gateway.admin());
    let metrics = admin.send(admin.request(Method::GET, "/metrics")).await.text;
    secrets.expect_none_in("the metrics", &metrics);
    assert!(!metrics.contains(SUBJECT), "{metrics}");
    log
}

/// Requirement SECRET-1.
#[tokio::test]
async fn a_text_log_at_trace_level_holds_no_secret_and_access_lines_show_the_pattern_alone() {
    let log = log_of_a_busy_gateway("text").await;
    names_its_subject_in_the_alarm_alone(&log);
    for pattern in [
        "POST /v1/sessions 201",
        "POST /oauth/token 200",
        "POST /oauth/token 400",
        "POST /oauth/revoke 200",
        "GET /v1/me/sessions 200",
        "GET /v1/me/sessions 401",
        "GET /v1/users/{sub}/sessions 200",
        "GET /v1/users/{sub}/sessions/{sid} 200",
        "GET unmatched 404",
    ] {
        let line = log.lines().find(|line| line.contains(pattern)).unwrap_or_else(|| panic!("no {pattern}"));
        assert!(line.contains(" access "), "{line}");
    }
    assert!(log.contains("refresh token reused"), "{log}");
}

/// Requirement SECRET-1.
#[tokio::test]
async fn a_json_log_is_one_object_per_line_without_secrets() {
    let log = log_of_a_busy_gateway("json").await;
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    for line in &lines {
        for name in ["level", "message", "target", "time"] {
            assert!(line[name].is_string(), "{name}: {line}");
        }
    }
    let access = |line: &&Value| line["target"] == "access";
    assert!(lines.iter().filter(access).count() > 20);
    names_its_subject_in_the_alarm_alone(&log);
}

#[track_caller]
fn names_its_subject_in_the_alarm_alone(log: &str) {
    let named: Vec<_> = log.lines().filter(|line| line.contains(SUBJECT)).collect();
    assert!(named.len() == 1 && named[0].contains("refresh token reused"), "{named:?}");
}
