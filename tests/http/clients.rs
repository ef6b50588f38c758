//! Client authentication at `POST /oauth/token` (RFC 6749 sections 2.3.1, 3.2.1, 6 and 10.4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use token_gateway_testkit::api::{Answer, Api, claims};
use token_gateway_testkit::service_key::{ISSUE_ONLY, WEB};

use crate::GATEWAY;

fn basic(request: RequestBuilder, credentials: &str) -> RequestBuilder {
    request.header("Authorization", format!("Basic {}", STANDARD.encode(credentials)))
}

/// A refresh with its client named in the body.
async fn refresh_by(api: &Api, token: &str, client: &[(&str, &str)]) -> Answer {
    let form = [&[("grant_type", "refresh_token"), ("refresh_token", token)], client].concat();
    api.send(api.form("/oauth/token", &form)).await
}

#[tokio::test]
async fn a_client_may_authenticate_by_header_or_body_or_only_name_itself() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let mut token = api.login("alice").await.refresh;
    let requests: [&dyn Fn(&str) -> RequestBuilder; 6] = [
        &|token| api.refresh_request(token).bearer_auth(WEB.key),
        &|token| basic(api.refresh_request(token), &format!("web:{}", WEB.key)),
        &|token| api.refresh_request(token).header("Authorization", format!("bEARER  {}", WEB.key)),
        &|token| with_body(&api, token, &[("client_id", "web"), ("client_secret", WEB.key)]),
        &|token| with_body(&api, token, &[("client_id", "web")]),
        &|token| api.refresh_request(token),
    ];
    for request in requests {
        token = api.send(request(&token)).await.tokens().refresh;
    }
    assert_eq!(claims(&token)["gen"], 6);
}

fn with_body(api: &Api, token: &str, client: &[(&str, &str)]) -> RequestBuilder {
    let form = [&[("grant_type", "refresh_token"), ("refresh_token", token)], client].concat();
    api.form("/oauth/token", &form)
}

/// Requirement TOKEN-6.
#[tokio::test]
async fn credentials_twice_are_invalid_request() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let token = api.login("alice").await.refresh;
    let secret = [("client_id", "web"), ("client_secret", WEB.key)];
    let in_both = with_body(&api, &token, &secret).bearer_auth(WEB.key);
    let basic_in_both = basic(with_body(&api, &token, &secret[1..]), &format!("web:{}", WEB.key));
    let two_headers = api.refresh_request(&token).bearer_auth(WEB.key).bearer_auth(WEB.key);
    let another_id = with_body(&api, &token, &[("client_id", "issuer")]).bearer_auth(WEB.key);
    let nameless = with_body(&api, &token, &secret[1..]);
    for request in [in_both, basic_in_both, two_headers, another_id, nameless] {
        api.send(request).await.expect_error(400, "invalid_request");
    }
    assert_eq!(api.refresh(&token).await.status, 200);
}

/// Requirement TOKEN-6.
#[tokio::test]
async fn credentials_in_the_uri_are_refused() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let token = api.login("alice").await.refresh;
    let body = format!("grant_type=refresh_token&refresh_token={token}");
    for query in [
        format!("refresh_token={token}"),
        format!("refresh%5Ftoken={token}"),
        format!("client_id=web&client_secret={}", WEB.key),
        format!("access_token={token}"),
        "grant_type=refresh_token".into(),
    ] {
        let answer = api.send(api.raw_form(&format!("/oauth/token?{query}"), body.clone())).await;
        answer.expect_error(400, "invalid_request");
        assert!(!answer.text.contains(&token[20..]) && !answer.text.contains(WEB.key), "{answer:?}");
    }
    let all_in_query = api.raw_form(&format!("/oauth/token?{body}"), "");
    api.send(all_in_query).await.expect_error(400, "invalid_request");
    assert_eq!(api.refresh(&token).await.status, 200);
}

/// Requirement TOKEN-7.
#[tokio::test]
async fn basic_credentials_work_raw_and_form_decoded() {
    const KEY: &str = "key with :%+ \u{e9}";
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, KEY.as_bytes());
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let gateway = GATEWAY.embedded_with(&[("SERVICE_KEYS", &format!("odd-name={hash}"))]);
    let api = gateway.api();
    let raw = format!("odd-name:{KEY}");
    let encoded = "odd%2Dname:key+with+%3A%25%2B+%C3%A9";
    for credentials in [raw.as_str(), encoded] {
        let login = basic(api.request(Method::POST, "/v1/sessions"), credentials);
        let tokens = api.send(login.json(&json!({"sub": "alice"}))).await.tokens();
        assert_eq!(claims(&tokens.access)["client_id"], "odd-name");
        assert_eq!(api.send(basic(api.refresh_request(&tokens.refresh), credentials)).await.status, 200);
    }
    for wrong in ["odd-name:key", "odd%2Dname:key+with", "other:key with :%+ \u{e9}", ":", "odd-name"] {
        let login = basic(api.request(Method::POST, "/v1/sessions"), wrong);
        api.send(login.json(&json!({"sub": "alice"}))).await.expect_error(401, "invalid_client");
    }
}

/// Requirement TOKEN-8.
#[tokio::test]
async fn basic_with_an_empty_password_names_a_public_client() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for (client_id, named) in [
        ("web", "web:"),
        ("app-a", "app-a:"),
        ("my app/1+2", "my+app%2F1%2B2:"),
        ("my app/1+2", "my app/1+2:"),
        ("my+app", "my+app:"),
        ("a:b", "a%3Ab:"),
    ] {
        let login = async || api.issue(&json!({"sub": "alice", "client_id": client_id})).await.tokens();
        let first = login().await;
        for other in ["stranger:", "Web:", "app-a2:"] {
            let refresh = basic(api.refresh_request(&first.refresh), other);
            api.send(refresh).await.expect_error(400, "invalid_grant");
            let revoke = basic(api.form("/oauth/revoke", &[("token", &first.refresh)]), other);
            api.send(revoke).await.expect_error(400, "invalid_grant");
        }
        let second = api.send(basic(api.refresh_request(&first.refresh), named)).await.tokens();
        assert_eq!(claims(&second.access)["client_id"], client_id);
        let repeated = with_body(&api, &second.refresh, &[("client_id", client_id)]);
        let third = api.send(basic(repeated, named)).await.tokens();
        for token in [&third.refresh, &login().await.access] {
            let revoke = basic(api.form("/oauth/revoke", &[("token", token)]), named);
            assert_eq!(api.send(revoke).await.status, 200, "{named}");
        }
        api.refresh(&third.refresh).await.expect_error(400, "invalid_grant");
        assert!(api.user(Method::GET, "alice", "").await.sessions().is_empty());
    }
}

#[tokio::test]
async fn basic_with_an_empty_password_is_no_more_than_a_name() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let token = api.login("alice").await.refresh;
    let another = with_body(&api, &token, &[("client_id", "issuer")]);
    let key_too = with_body(&api, &token, &[("client_id", "web"), ("client_secret", WEB.key)]);
    for request in [another, key_too] {
        api.send(basic(request, "web:")).await.expect_error(400, "invalid_request");
    }
    for (path, form) in [("/oauth/introspect", [("token", token.as_str())])] {
        api.send(basic(api.form(path, &form), "web:")).await.expect_error(401, "invalid_client");
    }
    for path in ["/v1/sessions", "/v1/users/alice/sessions", "/v1/revocations"] {
        let method = if path == "/v1/sessions" { Method::POST } else { Method::GET };
        api.send(basic(api.request(method, path), "web:")).await.expect_error(401, "invalid_client");
    }
    api.send(basic(api.request(Method::GET, "/v1/me/sessions"), "web:"))
        .await
        .expect_error(401, "invalid_token");
    // No name and no password: nobody, as with an empty `client_id`.
    let next = api.send(basic(api.refresh_request(&token), ":")).await.tokens();
    let with_secret = with_body(&api, &next.refresh, &[("client_id", "web"), ("client_secret", WEB.key)]);
    let last = api.send(basic(with_secret, ":")).await.tokens();
    api.send(basic(api.refresh_request(&last.refresh), ":x")).await.expect_error(401, "invalid_client");
    let revoke = basic(api.form("/oauth/revoke", &[("token", &last.refresh)]), ":");
    assert_eq!(api.send(revoke).await.status, 200);
    api.refresh(&last.refresh).await.expect_error(400, "invalid_grant");
}

/// Requirement TOKEN-9.
#[tokio::test]
async fn invalid_client_is_401_and_challenges_with_the_scheme_that_was_used() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let token = api.login("alice").await.refresh;
    let wrong = [("client_id", "web"), ("client_secret", "wrong")];
    let key_of_another = format!("issuer:{}", WEB.key);
    for (request, scheme) in [
        (api.refresh_request(&token).bearer_auth("wrong"), "Bearer"),
        (basic(api.refresh_request(&token), "web:wrong"), "Basic"),
        (basic(api.refresh_request(&token), &key_of_another), "Basic"),
        (with_body(&api, &token, &wrong), "Basic"),
    ] {
        let answer = api.send(request).await;
        answer.expect_error(401, "invalid_client");
        let challenge = answer.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with(scheme), "{challenge}");
    }
    let digest = api.refresh_request(&token).header("Authorization", "Digest username=web");
    api.send(digest).await.expect_error(401, "invalid_client");
    assert_eq!(api.refresh(&token).await.status, 200);
}

/// Requirement TOKEN-10.
#[tokio::test]
async fn a_token_shown_by_another_client_is_invalid_grant_and_neither_rotated_nor_revoked() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let login = api.issue(&json!({"sub": "alice", "client_id": "app-a"})).await.tokens();
    let other = [("client_id", "issuer"), ("client_secret", ISSUE_ONLY.key)];
    refresh_by(&api, &login.refresh, &[("client_id", "app-b")]).await.expect_error(400, "invalid_grant");
    refresh_by(&api, &login.refresh, &[("client_id", "App-A")]).await.expect_error(400, "invalid_grant");
    refresh_by(&api, &login.refresh, &other).await.expect_error(400, "invalid_grant");
    let by_header = api.refresh_request(&login.refresh).bearer_auth(ISSUE_ONLY.key);
    api.send(by_header).await.expect_error(400, "invalid_grant");
    let session = &api.user(Method::GET, "alice", "").await.json()["sessions"][0];
    assert_eq!((&session["generation"], &session["client_id"]), (&json!(0), &json!("app-a")));
    let refreshed = refresh_by(&api, &login.refresh, &[("client_id", "app-a")]).await.tokens();
    assert_eq!(claims(&refreshed.refresh)["gen"], 1);
    assert_eq!(claims(&refreshed.access)["client_id"], "app-a");
}

#[tokio::test]
async fn an_old_token_shown_by_another_client_raises_no_alarm() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let first = api.login("alice").await;
    let second = api.refresh(&first.refresh).await.tokens();
    let stranger = [("client_id", "stranger")];
    refresh_by(&api, &first.refresh, &stranger).await.expect_error(400, "invalid_grant");
    assert_eq!(api.refresh(&second.refresh).await.status, 200);
}

/// `X-Auth-Client` would lose the space on its way, and name another client.
#[tokio::test]
async fn a_client_id_with_a_space_at_an_end_is_refused_wherever_it_is_read() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let token = api.login("alice").await.refresh;
    for id in [" app", "app ", " ", " the app "] {
        let login = api.issue(&json!({"sub": "alice", "client_id": id})).await;
        let refresh = refresh_by(&api, &token, &[("client_id", id)]).await;
        let revoke = api.send(api.form("/oauth/revoke", &[("token", &token), ("client_id", id)])).await;
        let form = [("token", token.as_str()), ("client_id", id), ("client_secret", "x")];
        let introspect = api.send(api.form("/oauth/introspect", &form)).await;
        let header = api.send(basic(api.refresh_request(&token), &format!("{id}:"))).await;
        for answer in [login, refresh, revoke, introspect, header] {
            answer.expect_error(400, "invalid_request");
            assert!(answer.text.contains("'client_id' must not begin or end with a space"), "{answer:?}");
        }
        let keyed = api.send(basic(api.refresh_request(&token), &format!("{id}:x"))).await;
        keyed.expect_error(401, "invalid_client");
    }
    assert_eq!(api.issue(&json!({"sub": "alice", "client_id": "the app"})).await.status, 201);
    assert_eq!(api.refresh(&token).await.status, 200);
}

#[tokio::test]
async fn an_empty_key_is_nobodys() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for empty in ["Bearer ", "Bearer", "Basic d2ViOg=="] {
        for (method, path) in [(Method::POST, "/v1/sessions"), (Method::GET, "/v1/users/alice/sessions")] {
            let request =
                api.request(method, path).header("Authorization", empty).json(&json!({"sub": "alice"}));
            api.send(request).await.expect_error(401, "invalid_client");
        }
    }
}
