//! `/.well-known/*`: the metadata for clients and verifiers (RFC 8414, OpenID Connect Discovery, RFC 7517).

use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_core::token::Alg;
use token_gateway_testkit::api::{Answer, Api};
use token_gateway_testkit::gateway::ISSUER;
use token_gateway_testkit::service_key::WEB;

use crate::{GATEWAY, keys_of};

pub const DOCUMENTS: [&str; 2] =
    ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

pub const JWKS: &str = "/.well-known/jwks.json";

async fn get(api: &Api, path: &str) -> Answer {
    let answer = api.send(api.request(Method::GET, path)).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
    answer
}

/// Requirement KEYS-1.
#[tokio::test]
async fn both_documents_say_the_same_and_the_issuer_is_that_of_the_tokens_to_the_byte() {
    for issuer in [ISSUER, "https://auth.example.test/", "https://auth.example.test/a%2Fb"] {
        let gateway = GATEWAY.embedded_with(&[("ISSUER", issuer)]);
        let api = gateway.api();
        let tokens = api.login("alice").await;
        for path in DOCUMENTS {
            let path = if issuer.ends_with("a%2Fb") { format!("{path}/a%2Fb") } else { path.to_owned() };
            let document = get(&api, &path).await.json();
            assert_eq!(document["issuer"], issuer, "{path}");
            assert_eq!(document["issuer"], token_gateway_testkit::api::claims(&tokens.access)["iss"]);
            assert_eq!(document["grant_types_supported"], json!(["refresh_token"]));
            assert_eq!(document["response_types_supported"], json!([]), "there is no authorization endpoint");
        }
    }
}

/// An advertised URL, on the node itself.
fn local(issuer: &str, document: &Value, name: &str) -> String {
    let url = document[name].as_str().unwrap_or_else(|| panic!("no {name}: {document}"));
    let origin = url::Url::parse(issuer).unwrap().origin().ascii_serialization();
    url.strip_prefix(&origin).unwrap_or_else(|| panic!("{url} is not at {origin}")).to_owned()
}

/// Requirement KEYS-3.
#[tokio::test]
async fn each_advertised_endpoint_works_below_the_issuers_path_too() {
    for (issuer, inserted) in [(ISSUER, ""), ("https://auth.example.test/tenant/one", "/tenant/one")] {
        let keys = keys_of(Alg::Es256);
        let gateway = GATEWAY.embedded_with(&[("ISSUER", issuer), ("SIGNING_KEYS", keys.path())]);
        let api = gateway.api();
        let document = get(&api, &format!("{}{inserted}", DOCUMENTS[0])).await.json();
        let appended = get(&api, &format!("{inserted}{}", DOCUMENTS[1])).await.json();
        assert_eq!(document["token_endpoint"], appended["token_endpoint"]);
        let at = |name: &str| local(issuer, &document, name);
        let tokens = api.login("alice").await;
        let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
        let tokens = api.send(api.form(&at("token_endpoint"), &form)).await.tokens();
        let introspect = api.form(&at("introspection_endpoint"), &[("token", &tokens.access)]);
        let answer = api.send(introspect.bearer_auth(WEB.key)).await;
        assert_eq!(answer.json()["active"], true, "{answer:?}");
        let jwks = get(&api, &at("jwks_uri")).await.json();
        assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
        let revoke = api.form(&at("revocation_endpoint"), &[("token", &tokens.access)]);
        assert_eq!(api.send(revoke).await.status, 200);
        assert!(api.user(Method::GET, "alice", "").await.sessions().is_empty());
        if !inserted.is_empty() {
            let path = format!("{inserted}/v1/users/al%2Fice/sessions");
            let answer = api.send(api.service(Method::GET, &path)).await;
            assert!(answer.sessions().is_empty(), "path parameters are found below the issuer's path");
        }
    }
}

/// Requirement KEYS-2.
#[tokio::test]
async fn each_advertised_way_to_authenticate_works_and_no_other() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let document = get(&api, DOCUMENTS[0]).await.json();
    let methods = |endpoint: &str| document[format!("{endpoint}_endpoint_auth_methods_supported")].clone();
    assert_eq!(methods("token"), json!(["none", "client_secret_basic", "client_secret_post"]));
    assert_eq!(methods("revocation"), methods("token"));
    assert_eq!(methods("introspection"), json!(["client_secret_basic", "client_secret_post", "Bearer"]));
    let form = |extra: &[(&str, &str)]| api.form("/oauth/introspect", &[&[("token", "x")], extra].concat());
    let post = [("client_id", "web"), ("client_secret", WEB.key)];
    for accepted in [form(&[]).basic_auth("web", Some(WEB.key)), form(&post), form(&[]).bearer_auth(WEB.key)]
    {
        assert_eq!(api.send(accepted).await.json(), json!({"active": false}));
    }
    for refused in [form(&[]), form(&[("client_id", "web")]), form(&[]).header("Authorization", "Digest x")] {
        api.send(refused).await.expect_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn an_issuers_path_that_begins_like_ours_hides_nothing() {
    for path in ["/v1", "/oauth", "/v1/me"] {
        let gateway = GATEWAY.embedded_with(&[("ISSUER", &format!("https://auth.example.test{path}"))]);
        let api = gateway.api();
        let tokens = api.login("alice").await;
        let tokens = api.refresh(&tokens.refresh).await.tokens();
        let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
        let tokens = api.send(api.form(&format!("{path}/oauth/token"), &form)).await.tokens();
        assert_eq!(api.me(Method::GET, "", &tokens.access).await.sessions(), [tokens.session]);
        assert_eq!(get(&api, &format!("{path}{JWKS}")).await.json(), json!({"keys": []}));
    }
}

#[tokio::test]
async fn documents_and_keys_may_be_cached_no_longer_than_a_new_key_waits() {
    let gateway = GATEWAY.embedded_with(&[("JWKS_MAX_AGE_SECONDS", "77")]);
    let api = gateway.api();
    for path in [DOCUMENTS[0], DOCUMENTS[1], JWKS] {
        assert_eq!(get(&api, path).await.header("cache-control"), Some("public, max-age=77"), "{path}");
        let head = api.send(api.request(Method::HEAD, path)).await;
        assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""), "{path}");
        let post = api.send(api.request(Method::POST, path)).await;
        post.expect_error(405, "invalid_request");
        assert_eq!(post.header("allow"), Some("GET, HEAD"), "{path}");
    }
}

#[tokio::test]
async fn the_algorithms_that_are_told_are_those_of_the_published_keys() {
    for (alg, told) in
        [(Alg::EdDsa, json!(["EdDSA"])), (Alg::Ed25519, json!(["Ed25519"])), (Alg::Hs256, json!([]))]
    {
        let keys = keys_of(alg);
        let gateway = GATEWAY.embedded_with(&[("SIGNING_KEYS", keys.path()), ("SIGNING_SECRET", "")]);
        let document = get(&gateway.api(), DOCUMENTS[1]).await.json();
        assert_eq!(document["id_token_signing_alg_values_supported"], told, "{alg:?}");
        assert_eq!(document["subject_types_supported"], json!(["public"]));
    }
}
