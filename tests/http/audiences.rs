//! The audiences whose access tokens `/v1/me` takes (RFC 9068 section 4).

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::{Api, Tokens, claims};
use token_gateway_testkit::gateway::{Gateway, ISSUER};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;

use super::craft::Craft;
use crate::GATEWAY;

const PARTNER: &str = "https://partner.example";

async fn login_for(api: &Api, aud: &str) -> Tokens {
    api.issue(&json!({"sub": "alice", "aud": aud})).await.tokens()
}

/// Demands that no call of `/v1/me` takes the token, and that none ends anything.
async fn expect_refused(api: &Api, tokens: &Tokens) {
    let (other, before) =
        (format!("/{}", tokens.session), api.user(Method::GET, "alice", "").await.sessions());
    for (method, path) in [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::DELETE, "?except=current"),
        (Method::DELETE, other.as_str()),
    ] {
        let answer = api.me(method, path, &tokens.access).await;
        answer.expect_error(401, "invalid_token");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, Some(r#"Bearer realm="token-gateway", error="invalid_token""#));
    }
    assert_eq!(api.user(Method::GET, "alice", "").await.sessions(), before);
}

async fn expect_taken(api: &Api, tokens: &Tokens) {
    assert!(api.me(Method::GET, "", &tokens.access).await.sessions().contains(&tokens.session));
    let path = format!("/{}", tokens.session);
    assert_eq!(api.me(Method::DELETE, &path, &tokens.access).await.ended(), [tokens.session.as_str()]);
}

#[tokio::test]
async fn a_token_for_somebody_else_neither_lists_nor_ends_the_users_sessions() {
    for gateway in [GATEWAY.embedded(), GATEWAY.start(&Redis::start())] {
        let api = gateway.api();
        let own = api.login("alice").await;
        for aud in [PARTNER, "Api", "api ", "api/", "billing"] {
            expect_refused(&api, &login_for(&api, aud).await).await;
        }
        expect_taken(&api, &login_for(&api, "api").await).await;
        expect_taken(&api, &own).await;
    }
}

#[tokio::test]
async fn without_a_list_the_audience_of_this_gateway_is_taken_and_no_other() {
    let gateway = GATEWAY.embedded_with(&[("AUDIENCE", "https://api.example"), ("ME_AUDIENCES", "")]);
    let api = gateway.api();
    expect_taken(&api, &api.login("alice").await).await;
    expect_refused(&api, &login_for(&api, "api").await).await;
    expect_refused(&api, &login_for(&api, PARTNER).await).await;
}

#[tokio::test]
async fn every_listed_audience_is_taken_and_that_of_the_gateway_only_if_it_is_listed() {
    let gateway = GATEWAY.embedded_with(&[("ME_AUDIENCES", "account,https://id.example")]);
    let api = gateway.api();
    for aud in ["account", "https://id.example"] {
        expect_taken(&api, &login_for(&api, aud).await).await;
    }
    for aud in ["api", "account,https://id.example", "https://id.example/", PARTNER] {
        expect_refused(&api, &login_for(&api, aud).await).await;
    }
    let mut serve = GATEWAY.command("serve", &[("STORE", "embedded"), ("ME_AUDIENCES", PARTNER)]);
    let gateway = Gateway::run({
        serve.args(["--me-audiences", "api,account"]);
        serve
    });
    let api = gateway.api();
    expect_taken(&api, &api.login("alice").await).await;
    expect_taken(&api, &login_for(&api, "account").await).await;
    expect_refused(&api, &login_for(&api, PARTNER).await).await;
}

#[tokio::test]
async fn a_listed_audience_with_typ_jwt_is_taken_and_another_is_not() {
    let settings = [("TYP_JWT_AUDIENCES", "spring,legacy"), ("ME_AUDIENCES", "api,spring")];
    let gateway = GATEWAY.embedded_with(&settings);
    let api = gateway.api();
    let spring = login_for(&api, "spring").await;
    assert_eq!(Craft::access(&spring.access).header["typ"], "JWT");
    expect_taken(&api, &spring).await;
    expect_refused(&api, &login_for(&api, "legacy").await).await;
    expect_taken(&api, &api.login("alice").await).await;
}

#[tokio::test]
async fn the_audience_of_a_refreshed_session_decides_too() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let partner = login_for(&api, PARTNER).await;
    expect_refused(&api, &api.refresh(&partner.refresh).await.tokens()).await;
}

#[tokio::test]
async fn introspection_and_revocation_take_every_audience_of_ours() {
    let gateway = GATEWAY.embedded_with(&[("ME_AUDIENCES", "account")]);
    let api = gateway.api();
    for aud in [PARTNER, "api", "account"] {
        let tokens = login_for(&api, aud).await;
        let ask = || api.form("/oauth/introspect", &[("token", &tokens.access)]).bearer_auth(WEB.key);
        assert_eq!(api.send(ask()).await.json()["aud"], aud);
        assert_eq!(api.revoke(&tokens.access).await.status, 200);
        assert_eq!(api.send(ask()).await.json(), json!({"active": false}), "{aud}");
        api.refresh(&tokens.refresh).await.expect_error(400, "invalid_grant");
    }
    let tokens = api.login("alice").await;
    let issuers = Craft::access(&tokens.access).claim("aud", json!(ISSUER)).sign();
    assert_eq!(api.revoke(&issuers).await.status, 200);
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200, "the issuer is no audience of access tokens");
}

/// RFC 7519 section 4.1.3 has both forms, and libraries send the second one.
#[tokio::test]
async fn an_array_of_one_audience_is_that_audience() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for (aud, signed) in
        [(json!(["billing"]), "billing"), (json!("billing"), "billing"), (json!([""]), "api")]
    {
        let tokens = api.issue(&json!({"sub": "alice", "aud": aud})).await.tokens();
        for tokens in [&tokens, &api.refresh(&tokens.refresh).await.tokens()] {
            assert_eq!(claims(&tokens.access)["aud"], signed, "{aud}");
        }
    }
}

#[tokio::test]
async fn an_array_of_more_or_of_none_is_refused_because_a_session_has_one_audience() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for aud in [json!([]), json!(["a", "b"]), json!(["a", "a"]), json!(["", ""])] {
        let answer = api.issue(&json!({"sub": "alice", "aud": aud})).await;
        answer.expect_error(400, "invalid_request");
        assert!(
            answer.text.contains("'aud'") && answer.text.contains("a session has one audience"),
            "{answer:?}"
        );
    }
    for aud in [json!(1), json!([1]), json!({"aud": "a"}), json!(true), json!([["a"]]), json!([null])] {
        let answer = api.issue(&json!({"sub": "alice", "aud": aud})).await;
        answer.expect_error(400, "invalid_request");
        assert!(answer.text.contains("'aud") && answer.text.contains("is wrong"), "{answer:?}");
    }
    for aud in [json!([ISSUER]), json!(["x".repeat(256)]), json!(["a\n"])] {
        let answer = api.issue(&json!({"sub": "alice", "aud": aud})).await;
        answer.expect_error(400, "invalid_request");
        assert!(answer.text.contains("'aud' must"), "{answer:?}");
    }
    assert!(api.user(Method::GET, "alice", "").await.sessions().is_empty());
}
