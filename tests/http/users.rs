//! `/v1/users/{sub}/sessions`: support staff look at, change and end users' sessions.

use std::io::{Read, Write};
use std::net::TcpStream;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use token_gateway_testkit::api::{Answer, Api, claims};
use token_gateway_testkit::gateway::{Gateway, PUBLIC_DOCS};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;

use crate::GATEWAY;

async fn patch(api: &Api, path: &str, body: &Value) -> Answer {
    api.send(api.service(Method::PATCH, &format!("/v1/users/{path}")).json(body)).await
}

#[tokio::test]
async fn a_list_holds_the_live_sessions_without_claims_or_current() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    assert!(api.user(Method::GET, "alice", "").await.sessions().is_empty());
    let (a, b) = (api.login("alice").await, api.login("alice").await);
    api.login("bob").await;
    api.revoke(&b.refresh).await;
    let list = api.user(Method::GET, "alice", "").await;
    assert_eq!(list.sessions(), [a.session]);
    let json = list.json();
    let names: Vec<_> = json["sessions"][0].as_object().unwrap().keys().map(String::as_str).collect();
    let fields = [
        "absolute_expires_at",
        "client",
        "client_id",
        "created_at",
        "expires_at",
        "generation",
        "last_refreshed_at",
        "session_id",
    ];
    assert_eq!(names, fields);
}

#[tokio::test]
async fn a_live_session_shows_its_state_and_claims() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let carried = json!({"role": "admin", "name": "Zo\u{eb}"});
    let tokens = api.issue(&json!({"sub": "alice", "claims": carried})).await.tokens();
    let answer = api.user(Method::GET, "alice", &format!("/{}", tokens.session)).await;
    let shown = answer.json();
    assert_eq!((answer.status.as_u16(), &shown["state"], &shown["claims"]), (200, &json!("live"), &carried));
    assert_eq!((&shown["session_id"], &shown["generation"]), (&json!(tokens.session), &json!(0)));
    assert_eq!(shown.as_object().unwrap().len(), 11, "{shown}");
    assert!(!answer.text.contains(claims(&tokens.refresh)["jti"].as_str().unwrap()), "{shown}");
}

/// A claim that is left out would otherwise outlive its withdrawal. The guide and the document warn of it.
#[tokio::test]
async fn a_patch_replaces_all_claims_and_pages_say_so() {
    const GUIDE: &str = include_str!("../../docs/guides/help-a-user.md");
    assert!(GUIDE.contains("A `PATCH` replaces all claims"));
    let gateway = GATEWAY.embedded_with(&[PUBLIC_DOCS]);
    let api = gateway.api();
    let document = api.send(api.request(Method::GET, "/openapi.json")).await.json();
    for path in ["/v1/users/{sub}/sessions", "/v1/users/{sub}/sessions/{sid}"] {
        let description = document["paths"][path]["patch"]["description"].as_str().unwrap_or_default();
        assert!(description.contains("claims that it leaves out are gone"), "{path}: {description}");
        let tokens =
            api.issue(&json!({"sub": "alice", "claims": {"roles": ["admin"], "team": 7}})).await.tokens();
        let path = path.replace("{sub}", "alice").replace("{sid}", &tokens.session);
        let patch = api.service(Method::PATCH, &path).json(&json!({"claims": {"roles": ["guest"]}}));
        assert_eq!(api.send(patch).await.status, 200);
        let access = claims(&api.refresh(&tokens.refresh).await.tokens().access);
        assert_eq!((&access["roles"], access.get("team")), (&json!(["guest"]), None), "{access}");
    }
}

#[tokio::test]
async fn an_ended_session_shows_state_reason_and_when() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let path = format!("/{}", tokens.session);
    let before = jiff::Timestamp::now().as_millisecond();
    assert_eq!(api.user(Method::DELETE, "alice", &path).await.ended(), std::slice::from_ref(&tokens.session));
    let shown = api.user(Method::GET, "alice", &path).await.json();
    let ended_at: jiff::Timestamp = shown["ended_at"].as_str().unwrap().parse().expect("RFC 3339");
    let expected = json!({
        "session_id": tokens.session, "state": "ended", "reason": "admin", "ended_at": shown["ended_at"],
    });
    assert_eq!(shown, expected);
    assert!((ended_at.as_millisecond() - before).abs() < 10_000, "{shown}");
}

#[tokio::test]
async fn an_unknown_session_or_somebody_elses_is_404() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let bob = api.login("bob").await;
    for id in [bob.session.as_str(), "1000000000000000001", "nonsense", "0", "%7B%7D"] {
        api.user(Method::GET, "alice", &format!("/{id}")).await.expect_error(404, "not_found");
        let body = json!({"claims": {}});
        patch(&api, &format!("alice/sessions/{id}"), &body).await.expect_error(404, "not_found");
    }
    assert_eq!(api.refresh(&bob.refresh).await.status, 200);
}

#[tokio::test]
async fn deleting_answers_which_sessions_ended_also_when_none_was_live() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (a, b, bob) = (api.login("alice").await, api.login("alice").await, api.login("bob").await);
    for id in [bob.session.as_str(), "1000000000000000001", "nonsense"] {
        assert!(api.user(Method::DELETE, "alice", &format!("/{id}")).await.ended().is_empty());
    }
    let path = format!("/{}", a.session);
    assert_eq!(api.user(Method::DELETE, "alice", &path).await.ended(), [a.session]);
    assert!(api.user(Method::DELETE, "alice", &path).await.ended().is_empty());
    assert_eq!(api.user(Method::DELETE, "alice", "").await.ended(), std::slice::from_ref(&b.session));
    let shown = api.user(Method::GET, "alice", &format!("/{}", b.session)).await.json();
    assert_eq!(shown["reason"], "admin");
    assert!(api.user(Method::DELETE, "alice", "").await.ended().is_empty());
    assert!(api.user(Method::DELETE, "nobody", "").await.ended().is_empty());
    for tokens in [a.access, b.access] {
        api.me(Method::GET, "", &tokens).await.expect_error(401, "invalid_token");
    }
    assert_eq!(api.refresh(&bob.refresh).await.status, 200);
}

#[tokio::test]
async fn patched_claims_of_one_session_appear_from_its_next_refresh_on() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let login = json!({"sub": "alice", "claims": {"role": "admin", "old": 1}});
    let (one, two) = (api.issue(&login).await.tokens(), api.issue(&login).await.tokens());
    let path = format!("alice/sessions/{}", one.session);
    let answer = patch(&api, &path, &json!({"claims": {"role": "guest"}})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["claims"]), (200, &json!({"role": "guest"})));
    assert_eq!(api.me(Method::GET, "", &one.access).await.status, 200);
    let (one, two) = (api.refresh(&one.refresh).await.tokens(), api.refresh(&two.refresh).await.tokens());
    let (changed, same) = (claims(&one.access), claims(&two.access));
    assert_eq!((&changed["role"], changed.get("old")), (&json!("guest"), None));
    assert_eq!((&same["role"], &same["old"]), (&json!("admin"), &json!(1)));
    let again = api.refresh(&one.refresh).await.tokens();
    assert_eq!(claims(&again.access)["role"], "guest");
}

#[tokio::test]
async fn patched_claims_of_a_user_reach_every_live_session_and_no_ended_one() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (a, b, gone) = (api.login("alice").await, api.login("alice").await, api.login("alice").await);
    let bob = api.login("bob").await;
    api.revoke(&gone.refresh).await;
    let answer = patch(&api, "alice/sessions", &json!({"claims": {"role": "guest"}})).await;
    let mut updated: Vec<_> = answer.json()["updated"].as_array().unwrap().clone();
    updated.sort_by_key(ToString::to_string);
    let mut expected = vec![json!(a.session), json!(b.session)];
    expected.sort_by_key(ToString::to_string);
    assert_eq!((answer.status.as_u16(), updated), (200, expected));
    for tokens in [&a, &b] {
        assert_eq!(claims(&api.refresh(&tokens.refresh).await.tokens().access)["role"], "guest");
    }
    assert_eq!(claims(&api.refresh(&bob.refresh).await.tokens().access).get("role"), None);
    api.refresh(&gone.refresh).await.expect_error(400, "invalid_grant");
    let one = format!("alice/sessions/{}", gone.session);
    patch(&api, &one, &json!({"claims": {}})).await.expect_error(404, "not_found");
    let nobody = patch(&api, "nobody/sessions", &json!({"claims": {}})).await;
    assert_eq!(nobody.json(), json!({"updated": []}));
}

#[tokio::test]
async fn invalid_patches_are_refused_by_name_and_change_nothing() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.issue(&json!({"sub": "alice", "claims": {"role": "admin"}})).await.tokens();
    for path in ["alice/sessions".to_owned(), format!("alice/sessions/{}", tokens.session)] {
        for (field, body) in [
            ("claims", json!({})),
            ("claims", json!({"claims": null})),
            ("claims", json!({"claims": "x"})),
            ("claims", json!({"claims": {"k": "x".repeat(2041)}})),
            ("claims.sub", json!({"claims": {"sub": "bob"}})),
            ("scope", json!({"claims": {}, "scope": "root"})),
            ("body", json!([{"role": "root"}])),
        ] {
            let answer = patch(&api, &path, &body).await;
            assert_eq!(answer.status, 400, "{body}: {answer:?}");
            answer.expect_error(400, "invalid_request");
            assert!(answer.text.contains(field), "{answer:?}");
        }
        let text = api.service(Method::PATCH, &format!("/v1/users/{path}")).body("{\"claims\":{}}");
        api.send(text.header(CONTENT_TYPE, "text/plain")).await.expect_error(415, "invalid_request");
    }
    assert_eq!(claims(&api.refresh(&tokens.refresh).await.tokens().access)["role"], "admin");
}

#[tokio::test]
async fn odd_subjects_are_reached_percent_encoded() {
    let redis = Redis::start();
    let gateways = [GATEWAY.embedded(), GATEWAY.start(&redis)];
    for gateway in &gateways {
        let api = gateway.api();
        let bystander = api.login("a").await;
        for (sub, path) in [
            ("a/b", "a%2Fb"),
            ("a%2Fb", "a%252Fb"),
            ("Zo\u{eb} \u{1f98a}", "Zo%C3%AB%20%F0%9F%A6%8A"),
            ("a+b", "a+b"),
            ("a b", "a%20b"),
            ("}:{*?#", "%7D%3A%7B%2A%3F%23"),
            ("x/sessions/1", "x%2fsessions%2f1"),
        ] {
            let tokens = api.login(sub).await;
            assert_eq!(
                api.user(Method::GET, path, "").await.sessions(),
                std::slice::from_ref(&tokens.session),
                "{sub}"
            );
            let one = format!("/{}", tokens.session);
            assert_eq!(api.user(Method::GET, path, &one).await.json()["state"], "live", "{sub}");
            assert_eq!(api.user(Method::DELETE, path, "").await.ended(), [tokens.session], "{sub}");
        }
        assert_eq!(api.refresh(&bystander.refresh).await.status, 200);
    }
}

/// Sends a path as it is; an HTTP library would tidy it up.
fn status_of(gateway: &Gateway, path: &str) -> u16 {
    let mut stream = TcpStream::connect(gateway.address()).expect("it listens");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        WEB.key
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn subjects_that_are_none_are_refused_in_the_path_too() {
    let gateway = GATEWAY.embedded();
    let long = "x".repeat(256);
    for sub in [".", "..", "%2E%2E", "%2e", "%00", "%0A", "%FF", "%C3", &long] {
        assert_eq!(status_of(&gateway, &format!("/v1/users/{sub}/sessions")), 400, "{sub}");
    }
    assert_eq!(status_of(&gateway, "/v1/users//sessions"), 404);
    assert_eq!(status_of(&gateway, "/v1/users/alice/sessions"), 200);
}

#[tokio::test]
async fn only_a_service_may_ask_and_an_access_token_will_not_do() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let one = format!("/v1/users/alice/sessions/{}", tokens.session);
    for path in ["/v1/users/alice/sessions", &one] {
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            let with = |f: &dyn Fn(RequestBuilder) -> RequestBuilder| f(api.request(method.clone(), path));
            let bare = api.send(with(&|request| request)).await;
            bare.expect_error(401, "invalid_client");
            assert_eq!(bare.header("www-authenticate"), Some(r#"Bearer realm="token-gateway""#));
            let user = api.send(with(&|request| request.bearer_auth(&tokens.access))).await;
            user.expect_error(401, "invalid_client");
            let twice = with(&|request| request.bearer_auth(WEB.key).bearer_auth(WEB.key));
            api.send(twice).await.expect_error(400, "invalid_request");
        }
        let answer = api.send(api.service(Method::POST, path)).await;
        answer.expect_error(405, "invalid_request");
        assert_eq!(answer.header("allow"), Some("GET, HEAD, PATCH, DELETE"));
    }
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn a_subject_with_broken_percent_encoding_is_refused_and_not_taken_literally() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for sub in ["%", "%zz", "a%4", "%C3"] {
        for method in [Method::GET, Method::DELETE] {
            let answer = api.user(method, sub, "").await;
            answer.expect_error(400, "invalid_request");
            assert!(answer.text.contains("'sub'"), "{answer:?}");
        }
    }
}
