//! `Authorization: Bearer` at `/oauth/token` and `/oauth/revoke` with a value that is no service key. Client libraries
//! add it to every request of their application, and the body still says who asks.

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use token_gateway_testkit::api::{Api, Tokens};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::{ISSUE_ONLY, WEB};

use super::craft::Craft;
use crate::GATEWAY;

/// Values of the header that are no client authentication here.
fn stray(tokens: &Tokens) -> Vec<String> {
    let (access, refresh) = (&tokens.access, &tokens.refresh);
    let expired = Craft::access(access).claim("exp", json!(1_000_000_000)).sign();
    let unsigned = format!("{}.", access.rsplit_once('.').expect("three parts").0);
    let others = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL290aGVyLmV4YW1wbGUifQ.c2ln";
    let encrypted = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..aXY.Y2lwaGVy.dGFn";
    let values = [access, refresh, &expired, &unsigned, others, encrypted, "a.b-c.d_e", "undefined", "null"];
    let bearers = values.iter().map(|value| format!("Bearer {value}"));
    let forms = ["", "Bearer", "Bearer ", "bearer    ", "BEARER null", "Bearer  undefined "];
    bearers.chain(forms.map(str::to_owned)).chain([format!("bEaReR   {access}")]).collect()
}

fn revocation(api: &Api, form: &[(&str, &str)], authorization: &str) -> RequestBuilder {
    api.form("/oauth/revoke", form).header("Authorization", authorization)
}

#[tokio::test]
async fn a_logout_with_a_stray_bearer_ends_the_session() {
    for gateway in [GATEWAY.embedded(), GATEWAY.start(&Redis::start())] {
        let api = gateway.api();
        let count = stray(&api.login("alice").await).len();
        for at in 0..count {
            for by_access in [false, true] {
                let tokens = api.login("alice").await;
                let token = if by_access { &tokens.access } else { &tokens.refresh };
                let value = &stray(&tokens)[at];
                let answer = api.send(revocation(&api, &[("token", token)], value)).await;
                assert_eq!(answer.status, 200, "{value}: {answer:?}");
                api.refresh(&tokens.refresh).await.expect_error(400, "invalid_grant");
            }
        }
    }
}

#[tokio::test]
async fn a_refresh_with_a_stray_bearer_gets_its_pair() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let first = api.login("alice").await;
    let mut token = first.refresh.clone();
    for value in stray(&first) {
        let request = api.refresh_request(&token).header("Authorization", &value);
        let answer = api.send(request).await;
        assert_eq!(answer.status, 200, "{value}: {answer:?}");
        token = answer.tokens().refresh;
    }
}

#[tokio::test]
async fn beside_a_stray_bearer_the_body_decides_who_the_client_is() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for (client_id, secret, status) in [
        ("web", Some(WEB.key), 200),
        ("web", None, 200),
        ("web", Some("wrong"), 401),
        ("issuer", Some(ISSUE_ONLY.key), 400),
        ("other", None, 400),
    ] {
        let tokens = api.login("alice").await;
        for value in stray(&tokens) {
            let mut form = vec![("token", tokens.refresh.as_str()), ("client_id", client_id)];
            form.extend(secret.map(|secret| ("client_secret", secret)));
            assert_eq!(api.send(revocation(&api, &form, &value)).await.status, status, "{client_id} {value}");
        }
        let is_live = api.user(Method::GET, "alice", "").await.sessions().contains(&tokens.session);
        assert_eq!(is_live, status != 200, "{client_id}");
    }
}

#[tokio::test]
async fn any_other_bearer_is_a_service_key_and_401_when_it_is_wrong() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let cut = &WEB.key[..WEB.key.len() - 1];
    let padded = format!("{}=", tokens.access);
    for value in [
        "wrong",
        cut,
        "a.b",
        "a.b.c.d",
        ".b.c",
        "a b.c.d",
        "None",
        "NULL",
        "[object Object]",
        "undefined undefined",
        "\"null\"",
        "nullnull",
        &padded,
        "a.b\u{e9}.c",
    ] {
        let authorization = format!("Bearer {value}");
        for request in [
            revocation(&api, &[("token", &tokens.refresh)], &authorization),
            api.refresh_request(&tokens.refresh).header("Authorization", &authorization),
        ] {
            let answer = api.send(request).await;
            assert_eq!(answer.status, 401, "{value}: {answer:?}");
            answer.expect_error(401, "invalid_client");
        }
    }
    for value in ["Basic", "Basic undefined", "Digest null", "undefined", "DPoP a.b.c"] {
        let request = revocation(&api, &[("token", &tokens.refresh)], value);
        api.send(request).await.expect_error(401, "invalid_client");
    }
    let twice = revocation(&api, &[("token", &tokens.refresh)], "Bearer null").bearer_auth(&tokens.access);
    api.send(twice).await.expect_error(400, "invalid_request");
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200, "nothing was ended");
}

#[tokio::test]
async fn a_service_key_in_the_form_of_a_jwt_is_a_service_key() {
    const KEY: &str = "my.service.key";
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, KEY.as_bytes());
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let gateway = GATEWAY.embedded_with(&[("SERVICE_KEYS", &format!("dots={hash},{}", WEB.entry))]);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let request = || api.refresh_request(&tokens.refresh);
    api.send(request().bearer_auth(KEY)).await.expect_error(400, "invalid_grant");
    assert_eq!(api.send(request().bearer_auth("my.service.kez")).await.status, 200);
}

#[tokio::test]
async fn a_stray_bearer_is_no_credential_elsewhere() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    for value in stray(&tokens) {
        let ask = api.form("/oauth/introspect", &[("token", &tokens.access)]);
        api.send(ask.header("Authorization", &value)).await.expect_error(401, "invalid_client");
        let list = api.request(Method::GET, "/v1/users/alice/sessions").header("Authorization", &value);
        api.send(list).await.expect_error(401, "invalid_client");
        let login = api.request(Method::POST, "/v1/sessions").json(&json!({"sub": "alice"}));
        api.send(login.header("Authorization", &value)).await.expect_error(401, "invalid_client");
    }
}
