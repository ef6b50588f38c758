//! `/v1/me/sessions`: users look at, and end, their own sessions. `access_tokens` has the credentials.

use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_testkit::api::Api;

use crate::GATEWAY;

/// Milliseconds since 1970 of an RFC 3339 text in UTC.
fn millis(value: &Value) -> i64 {
    let text = value.as_str().unwrap_or_else(|| panic!("no text: {value}"));
    assert!(text.ends_with('Z') && text.len() == "2026-01-01T00:00:00.000Z".len(), "{text}");
    text.parse::<jiff::Timestamp>().expect("RFC 3339").as_millisecond()
}

#[tokio::test]
async fn a_list_shows_each_own_session_in_full_and_nobody_elses() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let client = json!({"ip": "192.0.2.1", "user_agent": "test/1", "label": "phone"});
    let phone = api.issue(&json!({"sub": "alice", "client": client, "client_id": "mobile"})).await.tokens();
    let laptop = api.login("alice").await;
    api.login("bob").await;
    let phone = api.refresh(&phone.refresh).await.tokens();
    let answer = api.me(Method::GET, "", &phone.access).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut ids = answer.sessions();
    ids.sort();
    let mut expected = vec![phone.session.clone(), laptop.session.clone()];
    expected.sort();
    assert_eq!(ids, expected);
    let json = answer.json();
    let find =
        |id: &str| json["sessions"].as_array().unwrap().iter().find(|s| s["session_id"] == id).unwrap();
    let (phone, laptop) = (find(&phone.session), find(&laptop.session));
    let names: Vec<_> = phone.as_object().unwrap().keys().map(String::as_str).collect();
    let fields = [
        "absolute_expires_at",
        "client",
        "client_id",
        "created_at",
        "current",
        "expires_at",
        "generation",
        "last_refreshed_at",
        "session_id",
    ];
    assert_eq!(names, fields);
    assert_eq!((&phone["current"], &laptop["current"]), (&json!(true), &json!(false)));
    assert_eq!((&phone["client"], &phone["client_id"]), (&client, &json!("mobile")));
    assert_eq!((&phone["generation"], &laptop["generation"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn the_times_of_a_list_fit_together() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let tokens = api.refresh(&tokens.refresh).await.tokens();
    let session = &api.me(Method::GET, "", &tokens.access).await.json()["sessions"][0];
    let at = |name: &str| millis(&session[name]);
    assert!(at("created_at") <= at("last_refreshed_at"), "{session}");
    assert!((at("expires_at") - at("last_refreshed_at") - 604_800_000).abs() <= 2, "{session}");
    assert!((at("absolute_expires_at") - at("created_at") - 7_776_000_000).abs() <= 2, "{session}");
    let now = jiff::Timestamp::now().as_millisecond();
    assert!((now - at("created_at")).abs() < 60_000, "{session}");
}

#[tokio::test]
async fn ending_one_session_spares_the_others_and_is_repeatable() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (here, there) = (api.login("alice").await, api.login("alice").await);
    let path = format!("/{}", there.session);
    assert_eq!(
        api.me(Method::DELETE, &path, &here.access).await.ended(),
        std::slice::from_ref(&there.session)
    );
    assert!(api.me(Method::DELETE, &path, &here.access).await.ended().is_empty());
    api.me(Method::GET, "", &there.access).await.expect_error(401, "invalid_token");
    api.refresh(&there.refresh).await.expect_error(400, "invalid_grant");
    assert_eq!(api.me(Method::GET, "", &here.access).await.sessions(), [here.session]);
}

#[tokio::test]
async fn ending_everywhere_ends_the_callers_session_too() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (here, there, bob) = (api.login("alice").await, api.login("alice").await, api.login("bob").await);
    let mut both = [here.session.clone(), there.session.clone()];
    both.sort();
    assert_eq!(api.me(Method::DELETE, "", &here.access).await.ended(), both);
    for tokens in [&here, &there] {
        api.me(Method::GET, "", &tokens.access).await.expect_error(401, "invalid_token");
        api.me(Method::DELETE, "", &tokens.access).await.expect_error(401, "invalid_token");
        api.refresh(&tokens.refresh).await.expect_error(400, "invalid_grant");
    }
    assert_eq!(api.refresh(&bob.refresh).await.status, 200);
    assert_eq!(api.issue(&json!({"sub": "alice"})).await.status, 201);
}

#[tokio::test]
async fn ending_everywhere_else_spares_the_callers_session() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (here, there) = (api.login("alice").await, api.login("alice").await);
    assert_eq!(api.me(Method::DELETE, "?except=current", &here.access).await.ended(), [there.session]);
    assert!(api.me(Method::DELETE, "?except=current", &here.access).await.ended().is_empty());
    api.me(Method::GET, "", &there.access).await.expect_error(401, "invalid_token");
    assert_eq!(api.refresh(&here.refresh).await.status, 200);
}

#[tokio::test]
async fn an_unknown_exception_is_refused_and_ends_nothing() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    for query in ["?except=", "?except=Current", "?except=all", "?except=current&except=current", "?except"] {
        let answer = api.me(Method::DELETE, query, &tokens.access).await;
        answer.expect_error(400, "invalid_request");
        assert!(answer.text.contains("'except'"), "{answer:?}");
    }
    assert_eq!(api.me(Method::GET, "", &tokens.access).await.sessions(), [tokens.session]);
}

#[tokio::test]
async fn somebody_elses_session_cannot_be_ended() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (alice, bob) = (api.login("alice").await, api.login("bob").await);
    for id in [bob.session.as_str(), "1000000000000000001", "nonsense", "%00", "..%2f"] {
        assert!(api.me(Method::DELETE, &format!("/{id}"), &alice.access).await.ended().is_empty(), "{id}");
    }
    assert_eq!(api.refresh(&bob.refresh).await.status, 200);
}

#[tokio::test]
async fn other_methods_are_405_with_allow() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let allow =
        |path: &'static str, method: Method| refused(api.clone(), path, method, tokens.access.clone());
    assert_eq!(allow("", Method::POST).await, "GET, HEAD, DELETE");
    assert_eq!(allow("", Method::PUT).await, "GET, HEAD, DELETE");
    assert_eq!(allow("/1000000000000000001", Method::GET).await, "DELETE");
    assert_eq!(allow("/1000000000000000001", Method::POST).await, "DELETE");
}

async fn refused(api: Api, path: &str, method: Method, access: String) -> String {
    let answer = api.me(method, path, &access).await;
    answer.expect_error(405, "invalid_request");
    answer.header("allow").expect("Allow").to_owned()
}
