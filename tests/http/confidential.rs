//! Confidential clients (RFC 6749 sections 2.1, 6 and 10.4): sessions are refreshed and revoked with their key alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::RequestBuilder;
use serde_json::json;
use token_gateway_testkit::api::{Api, claims};
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::{ISSUE_ONLY, WEB};

use crate::GATEWAY;

/// `web` with the mark, and `issuer` without.
fn services() -> String {
    format!("{},{}", WEB.entry.replace("web=", "web+confidential="), ISSUE_ONLY.entry)
}

fn gateway() -> Gateway {
    GATEWAY.embedded_with(&[("SERVICE_KEYS", &services())])
}

fn basic(request: RequestBuilder, credentials: &str) -> RequestBuilder {
    request.header("Authorization", format!("Basic {}", STANDARD.encode(credentials)))
}

/// A refresh or a revocation with parameters of the client.
fn with(api: &Api, path: &str, token: &str, client: &[(&str, &str)]) -> RequestBuilder {
    let form = match path {
        "/oauth/token" => vec![("grant_type", "refresh_token"), ("refresh_token", token)],
        _ => vec![("token", token)],
    };
    api.form(path, &[&form, client].concat())
}

/// Requests without the key of `web`, each in another way.
fn keyless(api: &Api, path: &str, token: &str) -> Vec<RequestBuilder> {
    let bare = |client: &[(&str, &str)]| with(api, path, token, client);
    vec![
        bare(&[]),
        bare(&[("client_id", "web")]),
        bare(&[("client_id", "web"), ("client_secret", "")]),
        bare(&[("client_id", "stranger")]),
        basic(bare(&[]), "web:"),
        basic(bare(&[]), ":"),
        bare(&[]).header("Authorization", "Bearer undefined"),
        bare(&[]).header("Authorization", "Bearer "),
        bare(&[]).bearer_auth(ISSUE_ONLY.key),
        bare(&[("client_id", "issuer"), ("client_secret", ISSUE_ONLY.key)]),
        basic(bare(&[]), &format!("issuer:{}", ISSUE_ONLY.key)),
    ]
}

#[tokio::test]
async fn a_confidential_client_refreshes_with_its_key_alone() {
    let gateway = gateway();
    let api = gateway.api();
    let mut token = api.login("alice").await.refresh;
    for request in keyless(&api, "/oauth/token", &token) {
        let answer = api.send(request).await;
        answer.expect_error(401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), Some(r#"Basic realm="token-gateway""#));
    }
    let key = [("client_id", "web"), ("client_secret", WEB.key)];
    for request in [
        (|api, token| with(api, "/oauth/token", token, &[]).bearer_auth(WEB.key)) as fn(&Api, &str) -> _,
        |api, token| basic(with(api, "/oauth/token", token, &[]), &format!("web:{}", WEB.key)),
    ] {
        token = api.send(request(&api, &token)).await.tokens().refresh;
    }
    let last = api.send(with(&api, "/oauth/token", &token, &key)).await.tokens();
    assert_eq!(claims(&last.refresh)["gen"], 3);
}

#[tokio::test]
async fn a_confidential_client_revokes_with_its_key_alone() {
    let gateway = gateway();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    for token in [&tokens.refresh, &tokens.access] {
        for request in keyless(&api, "/oauth/revoke", token) {
            api.send(request).await.expect_error(401, "invalid_client");
        }
    }
    assert_eq!(api.send(api.refresh_request(&tokens.refresh).bearer_auth(WEB.key)).await.status, 200);
    let by_key = with(&api, "/oauth/revoke", &tokens.access, &[]).bearer_auth(WEB.key);
    assert_eq!(api.send(by_key).await.status, 200);
    assert!(api.user(reqwest::Method::GET, "alice", "").await.sessions().is_empty());
    assert_eq!(api.revoke("nonsense").await.status, 200, "no session is concerned");
}

/// A superseded token without the key is refused before anything is looked up: a stolen copy cannot end the sessions.
#[tokio::test]
async fn a_token_without_the_key_reaches_no_redis_and_raises_no_alarm() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("SERVICE_KEYS", &services())]);
    let api = gateway.api();
    let first = api.login("alice").await;
    let second = api.send(api.refresh_request(&first.refresh).bearer_auth(WEB.key)).await.tokens();
    let before = redis.calls("evalsha");
    for token in [&first.refresh, &second.refresh] {
        api.send(api.refresh_request(token)).await.expect_error(401, "invalid_client");
        api.revoke(token).await.expect_error(401, "invalid_client");
    }
    assert_eq!(redis.calls("evalsha"), before, "Redis was asked");
    assert!(!gateway.log().contains("token_gateway::gateway::theft"), "{}", gateway.log());
    assert_eq!(api.send(api.refresh_request(&second.refresh).bearer_auth(WEB.key)).await.status, 200);
}

#[tokio::test]
async fn sessions_of_other_clients_need_no_key_and_a_confidential_client_has_other_rights() {
    let gateway = gateway();
    let api = gateway.api();
    let app = api.issue(&json!({"sub": "alice", "client_id": "app"})).await.tokens();
    assert_eq!(api.refresh(&app.refresh).await.status, 200);
    let own = api.login("alice").await;
    let of_another = api
        .refresh_request(&api.issue(&json!({"sub": "bob", "client_id": "app"})).await.tokens().refresh)
        .bearer_auth(WEB.key);
    api.send(of_another).await.expect_error(400, "invalid_grant");
    let introspection = api.form("/oauth/introspect", &[("token", &own.access)]).bearer_auth(WEB.key);
    assert_eq!(api.send(introspection).await.json()["active"], true);
}

#[tokio::test]
async fn the_mark_is_no_role_and_counts_on_any_entry_of_the_name() {
    let spare = "1".repeat(64);
    let entries = format!("{},web+confidential+issue={spare}", WEB.entry);
    let gateway = GATEWAY.embedded_with(&[("SERVICE_KEYS", &entries)]);
    let api = gateway.api();
    let tokens = api.login("alice").await; // by the key without a mark, which has all roles
    api.refresh(&tokens.refresh).await.expect_error(401, "invalid_client");
    assert_eq!(api.send(api.refresh_request(&tokens.refresh).bearer_auth(WEB.key)).await.status, 200);
    let marked = self::gateway();
    assert_eq!(marked.api().user(reqwest::Method::GET, "alice", "").await.status, 200, "all roles");
}
