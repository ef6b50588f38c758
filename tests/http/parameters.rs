//! Query parameters and body members that a route of `/v1` does not know are refused by name: a typing error must
//! change nothing. `/oauth` ignores unknown parameters (RFC 6749 section 3.2).

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use token_gateway_testkit::api::{Answer, Api};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;

use crate::GATEWAY;

/// Demands a 400 that names a parameter or member.
#[track_caller]
fn expect_named(name: &str, answer: &Answer) {
    answer.expect_error(400, "invalid_request");
    assert!(answer.text.contains(&format!("'{name}'")), "{name} is not named: {answer:?}");
}

#[tokio::test]
async fn an_exception_spares_that_session_of_a_user_and_the_others_end() {
    for gateway in [GATEWAY.embedded(), GATEWAY.start(&Redis::start())] {
        let api = gateway.api();
        let (kept, other, third) =
            (api.login("alice").await, api.login("alice").await, api.login("alice").await);
        let mut others = vec![other.session.clone(), third.session];
        others.sort();
        let query = format!("?except={}", kept.session);
        assert_eq!(api.user(Method::DELETE, "alice", &query).await.ended(), others);
        assert_eq!(api.user(Method::GET, "alice", "").await.sessions(), [kept.session.as_str()]);
        assert_eq!(api.refresh(&kept.refresh).await.status, 200);
        api.refresh(&other.refresh).await.expect_error(400, "invalid_grant");
    }
}

#[tokio::test]
async fn an_exception_under_an_encoded_name_spares_the_session_too() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (kept, other) = (api.login("alice").await, api.login("alice").await);
    let query = format!("?exc%65pt=%3{}{}", &kept.session[..1], &kept.session[1..]);
    assert_eq!(api.user(Method::DELETE, "alice", &query).await.ended(), [other.session]);
    assert_eq!(api.refresh(&kept.refresh).await.status, 200);
}

#[tokio::test]
async fn an_exception_that_is_not_live_there_spares_nobody() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (bob, ended) = (api.login("bob").await, api.login("alice").await);
    assert_eq!(api.revoke(&ended.refresh).await.status, 200);
    for except in [bob.session.as_str(), "1000000000000000001", &ended.session] {
        let tokens = api.login("alice").await;
        let answer = api.user(Method::DELETE, "alice", &format!("?except={except}")).await;
        assert_eq!(answer.ended(), [tokens.session], "{except}");
    }
    assert_eq!(api.refresh(&bob.refresh).await.status, 200);
}

#[tokio::test]
async fn an_exception_that_is_no_session_id_is_refused_by_name_and_ends_nothing() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let sid = &tokens.session;
    for query in [
        "?except".to_owned(),
        "?except=".to_owned(),
        "?except=current".to_owned(),
        "?except=1".to_owned(),
        format!("?except={sid}0"),
        format!("?except=%20{sid}"),
        format!("?except={sid},1000000000000000001"),
        format!("?except={sid}&except={sid}"),
        format!("?except={sid}&exc%65pt=1000000000000000001"),
        "?except=%ff".to_owned(),
        "?except=eins".to_owned(),
    ] {
        expect_named("except", &api.user(Method::DELETE, "alice", &query).await);
    }
    assert_eq!(api.user(Method::GET, "alice", "").await.sessions(), [sid.as_str()]);
}

/// Requests to every route of `/v1`, each right but for the query that is appended.
fn requests<'a>(api: &'a Api, access: &'a str, sid: &'a str, query: &'a str) -> Vec<RequestBuilder> {
    let user = |method, path: &str| api.request(method, &format!("{path}{query}")).bearer_auth(access);
    let service = |method, path: &str| api.service(method, &format!("{path}{query}"));
    let (mine, all) = ("/v1/me/sessions", "/v1/users/alice/sessions");
    let (my_one, one) = (format!("{mine}/{sid}"), format!("{all}/{sid}"));
    let claims = json!({"claims": {}});
    vec![
        user(Method::GET, mine),
        user(Method::DELETE, mine),
        user(Method::DELETE, &my_one),
        service(Method::POST, "/v1/sessions").json(&json!({"sub": "alice"})),
        service(Method::GET, all),
        service(Method::PATCH, all).json(&claims),
        service(Method::DELETE, all),
        service(Method::GET, &one),
        service(Method::PATCH, &one).json(&claims),
        service(Method::DELETE, &one),
        service(Method::GET, "/v1/revocations"),
    ]
}

#[tokio::test]
async fn an_unknown_parameter_is_refused_by_name_on_every_route_and_changes_nothing() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (tokens, other) = (api.login("alice").await, api.login("alice").await);
    let (access, sid) = (&tokens.access, &other.session);
    let excpet = format!("?excpet={sid}");
    for (query, name) in [
        (excpet.as_str(), "excpet"),
        ("?x", "x"),
        ("?Limit=1", "Limit"),
        ("?Except=current", "Except"),
        ("?%65xc%65p=1", "excep"),
        ("?=1", ""),
        ("?except%20=current", "except "),
        ("?dry_run=true&x=1", "dry_run"),
        ("?access_token=1", "access_token"),
        ("?lastEventId=1790000000000", "lastEventId"),
    ] {
        for request in requests(&api, access, sid, query) {
            expect_named(name, &api.send(request).await);
        }
    }
    let mut live = api.user(Method::GET, "alice", "").await.sessions();
    live.sort();
    let mut both = [tokens.session.clone(), other.session];
    both.sort();
    assert_eq!(live, both);
}

#[tokio::test]
async fn an_unknown_parameter_beside_a_known_one_ends_nothing() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let query = format!("?except={}&reason=x", tokens.session);
    expect_named("reason", &api.user(Method::DELETE, "alice", &query).await);
    expect_named("reason", &api.me(Method::DELETE, "?except=current&reason=x", &tokens.access).await);
    for method in [Method::GET, Method::PATCH] {
        let query = format!("/v1/users/alice/sessions?except={}", tokens.session);
        let request = api.service(method, &query).json(&json!({"claims": {}}));
        expect_named("except", &api.send(request).await);
    }
    expect_named("except", &api.me(Method::GET, "?except=current", &tokens.access).await);
    assert_eq!(api.user(Method::GET, "alice", "").await.sessions(), [tokens.session]);
}

#[tokio::test]
async fn an_empty_query_is_none() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    for query in ["?", "?&", "?&&"] {
        assert_eq!(api.me(Method::GET, query, &tokens.access).await.status, 200, "{query}");
        assert_eq!(api.user(Method::GET, "alice", query).await.status, 200, "{query}");
    }
}

#[tokio::test]
async fn an_unknown_parameter_is_400_without_redis_and_401_without_credentials() {
    let mut redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    redis.stop();
    for request in requests(&api, &tokens.access, &tokens.session, "?x=1") {
        expect_named("x", &api.send(request).await);
    }
    let path = "/v1/users/alice/sessions?x=1";
    for request in [api.request(Method::DELETE, path), api.request(Method::DELETE, path).bearer_auth("wrong")]
    {
        api.send(request).await.expect_error(401, "invalid_client");
    }
    let request = api.request(Method::DELETE, "/v1/me/sessions?x=1");
    api.send(request).await.expect_error(401, "invalid_token");
    let request = api.service(Method::PUT, path);
    api.send(request).await.expect_error(405, "invalid_request");
}

#[tokio::test]
async fn a_body_member_is_refused_by_name_where_a_route_takes_none() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (tokens, other) = (api.login("alice").await, api.login("alice").await);
    for body in [json!({"except": other.session}), json!({"except": null}), json!({"reason": {"a": 1}})] {
        let name = body.as_object().expect("an object").keys().next().expect("a member");
        for request in requests(&api, &tokens.access, &other.session, "") {
            expect_named(name, &api.send(request.json(&body)).await);
        }
    }
    assert_eq!(api.user(Method::GET, "alice", "").await.sessions().len(), 2);
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused_where_a_route_takes_none() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let delete = || api.service(Method::DELETE, "/v1/users/alice/sessions");
    let json = |body: &'static str| delete().header("Content-Type", "application/json").body(body);
    for body in ["[]", "{", "{} x", "\"except\"", "null x"] {
        api.send(json(body)).await.expect_error(400, "invalid_request");
    }
    let form = format!("except={}", tokens.session);
    let form = delete().header("Content-Type", "application/x-www-form-urlencoded").body(form);
    expect_named("except", &api.send(form).await);
    let json_as_form = delete().header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
    expect_named("{'except':1}", &api.send(json_as_form.body(r#"{"except":1}"#)).await);
    api.send(delete().body("except")).await.expect_error(400, "invalid_request");
    expect_named("except", &api.send(delete().body(r#"{"except":1}"#)).await);
    api.send(json(" ").body("x".repeat(17_000))).await.expect_error(413, "invalid_request");
    assert_eq!(api.user(Method::GET, "alice", "").await.sessions(), [tokens.session.as_str()]);
    assert_eq!(api.send(json("{}")).await.ended(), [tokens.session]);
}

#[tokio::test]
async fn a_body_without_members_is_fine_whatever_its_media_type() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let media_types = ["application/json", "application/x-www-form-urlencoded", "text/plain"];
    let bodies = ["", " \r\n", "{}", "{ }", "{\n}\n", "null"];
    for (media_type, body) in media_types.into_iter().flat_map(|it| bodies.map(|body| (it, body))) {
        let tokens = api.login("alice").await;
        let request = |method: Method| {
            let request = api.request(method, "/v1/me/sessions").bearer_auth(&tokens.access);
            request.header("Content-Type", media_type).body(body)
        };
        assert_eq!(api.send(request(Method::GET)).await.sessions(), [tokens.session.as_str()]);
        assert_eq!(api.send(request(Method::DELETE)).await.ended(), [tokens.session.as_str()]);
    }
}

/// Java's client offers HTTP/2 this way with its first request. A body that may never end is not waited for.
#[tokio::test]
async fn a_request_that_offers_an_upgrade_has_no_body() {
    let gateway = GATEWAY.embedded();
    let tokens = gateway.api().login("alice").await;
    let head = format!(
        "GET /v1/users/alice/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQBAAAAAAIAAAAA\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        WEB.key
    );
    let answer = gateway.say(head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(&tokens.session), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "the client is told: {answer}");
}

#[tokio::test]
async fn a_chunked_body_is_read_where_a_route_takes_none() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let say = |body: &str| {
        let head = "DELETE /v1/users/alice/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer";
        let chunk = if body.is_empty() { String::new() } else { format!("{:x}\r\n{body}\r\n", body.len()) };
        gateway.say(format!("{head} {}\r\n\r\n{chunk}0\r\n\r\n", WEB.key).as_bytes())
    };
    let answer = say(r#"{"excpet":"1"}"#);
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("'excpet'"), "{answer}");
    assert_eq!(api.user(Method::GET, "alice", "").await.sessions(), [tokens.session]);
    assert!(say("").starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn unknown_and_repeated_members_of_bodies_are_refused_by_their_path() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let session = api.login("alice").await.session;
    for (name, body) in [
        ("claim", r#"{"sub":"alice","claim":{}}"#),
        ("", r#"{"sub":"alice","":1}"#),
        ("client.ipp", r#"{"sub":"alice","client":{"ipp":"192.0.2.1"}}"#),
        ("client.ip.v4", r#"{"sub":"alice","client":{"ip.v4":"192.0.2.1"}}"#),
        ("sub", r#"{"sub":"alice","sub":"alice"}"#),
        ("sub", r#"{"sub":"alice","s\u0075b":"bob"}"#),
        ("label", r#"{"sub":"alice","client":{"label":"a","label":"b"}}"#),
        ("claims", r#"{"sub":"alice","claims":{},"claims":{}}"#),
    ] {
        let request = api.service(Method::POST, "/v1/sessions").header("Content-Type", "application/json");
        expect_named(name, &api.send(request.body(body)).await);
    }
    for (name, body) in [
        ("clams", r#"{"clams":{}}"#),
        ("except", r#"{"claims":{},"except":1}"#),
        ("claims", r#"{"claims":{},"claims":{}}"#),
    ] {
        for path in [String::new(), format!("/{session}")] {
            let request = api.service(Method::PATCH, &format!("/v1/users/alice/sessions{path}"));
            let request = request.header("Content-Type", "application/json").body(body);
            expect_named(name, &api.send(request).await);
        }
    }
    assert_eq!(api.user(Method::GET, "alice", "").await.sessions(), [session]);
}

#[tokio::test]
async fn a_long_or_odd_name_is_named_in_plain_characters() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for query in ["?%00%0a%22=1", "?%ff", "?\u{e9}=1", &format!("?{}=1", "x".repeat(3_000))] {
        let answer = api.user(Method::GET, "alice", query).await;
        answer.expect_error(400, "invalid_request");
        assert!(answer.text.len() < 400, "{answer:?}");
    }
    let answer = api.user(Method::GET, "alice", &format!("?{}", WEB.key)).await;
    answer.expect_error(400, "invalid_request");
    assert!(!answer.text.contains(WEB.key), "{answer:?}");
}

#[tokio::test]
async fn oauth_goes_on_ignoring_unknown_parameters() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let form = format!("grant_type=refresh_token&refresh_token={}&resource=x&except=1", tokens.refresh);
    let tokens = api.send(api.raw_form("/oauth/token?x=1&except=2", form)).await.tokens();
    let form = format!("token={}&x=1", tokens.access);
    let asked = api.send(api.raw_form("/oauth/introspect?x=1", form.clone()).bearer_auth(WEB.key)).await;
    assert_eq!(asked.json()["active"], true);
    assert_eq!(api.send(api.raw_form("/oauth/revoke?x=1", form)).await.status, 200);
    api.refresh(&tokens.refresh).await.expect_error(400, "invalid_grant");
}
