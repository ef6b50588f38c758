//! Real answers of the gateway, held against the document: status, media type, headers and body.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use token_gateway_testkit::api::{Answer, Api, Tokens};
use token_gateway_testkit::gateway::{Gateway, PUBLIC_DOCS};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::{ISSUE_ONLY, WEB};

use super::document;
use super::schema::Document;
use crate::GATEWAY;
use crate::http::metadata;

const ALL: &str = "/v1/users/{sub}/sessions";
const ONE: &str = "/v1/users/{sub}/sessions/{sid}";
const MINE: &str = "/v1/me/sessions";
const MY_OTHER: &str = "/v1/me/sessions/{sid}";
const NOBODY: &str = "1000000000000000000";
const TOKEN: &str = "/oauth/token";
const INTROSPECT: &str = "/oauth/introspect";

/// Calls a gateway, and holds each answer against the document.
struct Witness {
    api: Api,
    document: Document,
}

impl Witness {
    async fn of(gateway: &Gateway) -> Self {
        Self { api: gateway.api(), document: document(gateway).await }
    }

    /// A request for a documented path, with its parameters filled in.
    fn request(&self, method: &str, pattern: &str, sid: &str) -> RequestBuilder {
        let path = pattern.replace("{sub}", "alice").replace("{sid}", sid);
        self.api.request(method.parse().expect("a method"), &path)
    }

    fn service(&self, method: &str, pattern: &str, sid: &str) -> RequestBuilder {
        self.request(method, pattern, sid).bearer_auth(WEB.key)
    }

    async fn expect(&self, status: u16, method: &str, pattern: &str, request: RequestBuilder) -> Answer {
        let answer = self.api.send(request).await;
        assert_eq!(answer.status, status, "{method} {pattern}: {answer:?}");
        self.hold(method, pattern, &answer);
        answer
    }

    fn hold(&self, method: &str, pattern: &str, answer: &Answer) {
        let operation = self.document.operation(pattern, method);
        let found = operation.answers().find(|(status, _)| answer.status == *status);
        let (_, documented) = found.unwrap_or_else(|| panic!("{operation} does not document {answer:?}"));
        for name in documented["headers"].as_object().into_iter().flatten().map(|(name, _)| name) {
            assert!(answer.header(name).is_some(), "{operation}: no {name} in {answer:?}");
        }
        let Some(media_type) = answer.header("content-type") else { return };
        let Some(content) = documented["content"].get(media_type) else {
            assert_eq!(method, "HEAD", "{operation} does not document {media_type}");
            return;
        };
        let is_json = media_type.contains("json");
        let body = if is_json { answer.json() } else { answer.text.clone().into() };
        let problem = self.document.check(&content["schema"], &body);
        assert_eq!(problem, Ok(()), "{operation} {}: {body}", answer.status);
    }

    fn introspection(&self, token: &str) -> RequestBuilder {
        self.api.form(INTROSPECT, &[("token", token)]).bearer_auth(WEB.key)
    }

    async fn login(&self, body: &Value) -> Tokens {
        let request = self.service("POST", "/v1/sessions", "").json(body);
        self.expect(201, "POST", "/v1/sessions", request).await.tokens()
    }
}

#[tokio::test]
async fn answers_of_calls_that_go_well_are_documented() {
    let gateway = GATEWAY.embedded_with(&[PUBLIC_DOCS]);
    let witness = Witness::of(&gateway).await;
    let first = witness.login(&json!({"sub": "alice"})).await;
    let device = json!({"ip": "2001:db8::1", "user_agent": "Example/1.0", "label": "phone"});
    let body = json!({"sub": "alice", "claims": {"role": "admin"}, "client": device, "scope": "read write",
        "client_id": "app", "aud": "api-2"});
    let second = witness.login(&body).await;
    witness.login(&json!({"sub": "alice", "claims": null, "client": null, "scope": "", "aud": ""})).await;
    let refresh = witness.api.refresh_request(&second.refresh);
    witness.expect(200, "POST", TOKEN, refresh.header("Idempotency-Key", "a-key-of-16-and-more")).await;
    for (method, pattern, sid) in [
        ("GET", MINE, ""),
        ("DELETE", MY_OTHER, NOBODY),
        ("DELETE", MY_OTHER, "no-id"),
        ("DELETE", MY_OTHER, second.session.as_str()),
    ] {
        let request = witness.request(method, pattern, sid).bearer_auth(&first.access);
        witness.expect(200, method, pattern, request).await;
    }
    for token in [&first.access, &first.refresh, "nonsense"] {
        witness.expect(200, "POST", INTROSPECT, witness.introspection(token)).await;
    }
    let ended = &second.session;
    for (method, pattern, sid) in [
        ("GET", ALL, ""),
        ("GET", ONE, &first.session),
        ("GET", ONE, ended),
        ("DELETE", ONE, ended),
        ("DELETE", ONE, "no-id"),
    ] {
        witness.expect(200, method, pattern, witness.service(method, pattern, sid)).await;
    }
    for pattern in [ALL, ONE] {
        let request = witness.service("PATCH", pattern, &first.session);
        witness.expect(200, "PATCH", pattern, request.json(&json!({"claims": {"role": "guest"}}))).await;
    }
    let third = witness.login(&json!({"sub": "alice"})).await;
    let request =
        witness.request("DELETE", MINE, "").query(&[("except", "current")]).bearer_auth(&third.access);
    witness.expect(200, "DELETE", MINE, request).await;
    witness.expect(200, "DELETE", ALL, witness.service("DELETE", ALL, "")).await;
    witness.expect(200, "POST", "/oauth/revoke", witness.api.form("/oauth/revoke", &[("token", "x")])).await;
    for path in ["/livez", "/readyz", metadata::DOCUMENTS[0], metadata::DOCUMENTS[1], metadata::JWKS] {
        for method in ["GET", "HEAD"] {
            witness.expect(200, method, path, witness.request(method, path, "")).await;
        }
    }
    witness.expect(200, "GET", "/openapi.json", witness.request("GET", "/openapi.json", "")).await;
    witness.expect(404, "GET", "/docs/{asset}", witness.request("GET", "/docs/nothing.js", "")).await;
}

#[tokio::test]
async fn refusals_of_callers_are_documented() {
    let gateway = GATEWAY.embedded_with(&[PUBLIC_DOCS]);
    let witness = Witness::of(&gateway).await;
    for operation in witness.document.operations() {
        let Some(required) = operation.json["security"].as_array() else { continue };
        let (method, path) = (operation.method.to_uppercase(), operation.path);
        let request = || witness.request(&method, path, NOBODY);
        if !required.contains(&json!({})) {
            witness.expect(401, &method, path, request()).await;
        }
        if required.iter().all(|scheme| scheme.get("access_token").is_none()) {
            let form = [("grant_type", "x"), ("client_id", "web"), ("client_secret", "wrong")];
            let request =
                || if path.starts_with("/oauth") { witness.api.form(path, &form) } else { request() };
            for scheme in ["Bearer", "bASIC", "Digest"] {
                let request = request().header("Authorization", format!("{scheme} d2ViOndyb25n"));
                witness.expect(401, &method, path, request).await;
            }
        }
        if ["manage", "introspect"].iter().any(|role| required[0]["service_key"] == json!([role])) {
            witness.expect(403, &method, path, request().bearer_auth(ISSUE_ONLY.key)).await;
        }
        if !path.starts_with("/oauth") {
            let twice = request().bearer_auth(WEB.key).bearer_auth(WEB.key);
            witness.expect(400, &method, path, twice).await;
        }
    }
}

#[tokio::test]
async fn refusals_of_bodies_are_documented() {
    let gateway = GATEWAY.embedded_with(&[PUBLIC_DOCS]);
    let witness = Witness::of(&gateway).await;
    for operation in witness.document.operations() {
        let (method, path) = (operation.method.to_uppercase(), operation.path);
        let Some(content) = operation.json["requestBody"]["content"].as_object() else {
            if path.starts_with("/v1/") {
                refused_without_a_body(&witness, &method, path).await;
            }
            continue;
        };
        let media_type = content.keys().next().expect("a media type");
        let request = |media_type: &str, body: String| {
            witness.service(&method, path, NOBODY).header("Content-Type", media_type).body(body)
        };
        witness.expect(400, &method, path, request(media_type, String::new())).await;
        witness.expect(400, &method, path, request(media_type, "{".into())).await;
        witness.expect(413, &method, path, request(media_type, "x".repeat(17_000))).await;
        witness.expect(415, &method, path, request("text/plain", "x".into())).await;
    }
}

/// Where a route takes no body, one with members is refused.
async fn refused_without_a_body(witness: &Witness, method: &str, path: &str) {
    let users = path.starts_with("/v1/me/");
    let tokens = witness.login(&json!({"sub": "alice"})).await;
    let bearer = if users { &tokens.access } else { WEB.key };
    let request = |media_type: &str, body: String| {
        let request = witness.request(method, path, NOBODY).bearer_auth(bearer);
        request.header("Content-Type", media_type).body(body)
    };
    witness.expect(400, method, path, request("application/json", r#"{"x":1}"#.into())).await;
    witness.expect(413, method, path, request("application/json", " ".repeat(17_000))).await;
    witness.expect(400, method, path, request("text/plain", "x".into())).await;
}

#[tokio::test]
async fn refusals_of_parameters_are_documented() {
    let gateway = GATEWAY.embedded_with(&[PUBLIC_DOCS]);
    let witness = Witness::of(&gateway).await;
    for (pattern, path) in [(ALL, "/v1/users/%0A/sessions"), (ONE, "/v1/users/%FF/sessions/1")] {
        let answer = witness.api.send(witness.api.service(Method::GET, path)).await;
        answer.expect_error(400, "invalid_request");
        witness.hold("GET", pattern, &answer);
    }
    let answer = witness.api.send(witness.api.service(Method::GET, "/v1/users//sessions")).await;
    answer.expect_error(404, "not_found");
    witness.hold("GET", ALL, &answer);
    witness.expect(404, "GET", ONE, witness.service("GET", ONE, NOBODY)).await;
    let patch = witness.service("PATCH", ONE, NOBODY).json(&json!({"claims": {}}));
    witness.expect(404, "PATCH", ONE, patch).await;
    let tokens = witness.login(&json!({"sub": "alice"})).await;
    for query in [("except", "all"), ("unknown", "1")] {
        let request = witness.request("DELETE", MINE, "").query(&[query]).bearer_auth(&tokens.access);
        witness.expect(400, "DELETE", MINE, request).await;
        witness.expect(400, "DELETE", ALL, witness.service("DELETE", ALL, "").query(&[query])).await;
    }
    for request in [
        witness.api.refresh_request("nonsense"),
        witness.api.refresh_request(&tokens.refresh).header("Idempotency-Key", "short"),
        witness.api.form(TOKEN, &[("grant_type", "password")]),
        witness.api.form(TOKEN, &[("grant_type", "refresh_token"), ("scope", " ")]),
    ] {
        witness.expect(400, "POST", TOKEN, request).await;
    }
}

#[tokio::test]
async fn answers_without_redis_are_documented() {
    let mut redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[PUBLIC_DOCS]);
    let witness = Witness::of(&gateway).await;
    let tokens = witness.login(&json!({"sub": "alice"})).await;
    redis.stop();
    for operation in witness.document.operations() {
        let Some(required) = operation.json["security"].as_array() else { continue };
        let (method, path) = (operation.method.to_uppercase(), operation.path);
        let request = witness.request(&method, path, NOBODY);
        let users = required[0]["access_token"].is_array();
        let request = request.bearer_auth(if users { &tokens.access } else { WEB.key });
        let request = match path {
            TOKEN => witness.api.refresh_request(&tokens.refresh),
            "/oauth/revoke" => witness.api.form(path, &[("token", &tokens.refresh)]),
            INTROSPECT => witness.introspection(&tokens.refresh),
            "/v1/sessions" => request.json(&json!({"sub": "alice"})),
            _ if method == "PATCH" => request.json(&json!({"claims": {}})),
            _ => request,
        };
        witness.expect(503, &method, path, request).await;
    }
    for method in ["GET", "HEAD"] {
        witness.expect(503, method, "/readyz", witness.request(method, "/readyz", "")).await;
    }
}
