//! The parameter `client` of a refresh: the device, as a service describes it now.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use token_gateway_testkit::api::{Answer, Api, Tokens, fresh_key};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::{ISSUE_ONLY, WEB};

use crate::GATEWAY;

/// The device at the login.
const FIRST: &str = r#"{"ip":"192.0.2.1","label":"phone"}"#;

/// The device at a refresh.
const LAST: &str = r#"{"ip":"2001:db8::7","user_agent":"Example/2.0"}"#;

async fn login(api: &Api) -> Tokens {
    api.issue(&json!({"sub": "alice", "client": value(FIRST)})).await.tokens()
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// A refresh with this `client`, and with other parameters.
fn refresh(api: &Api, token: &str, client: &str, more: &[(&str, &str)]) -> RequestBuilder {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client", client)];
    api.form("/oauth/token", &[&form, more].concat()).header("Idempotency-Key", fresh_key())
}

async fn by_service(api: &Api, token: &str, client: &str) -> Answer {
    api.send(refresh(api, token, client, &[]).bearer_auth(WEB.key)).await
}

/// The last client and the first, as staff see them. Staff's list and the user's own show the last one.
async fn shown(api: &Api, tokens: &Tokens) -> [Value; 2] {
    let one = api.user(Method::GET, "alice", &format!("/{}", tokens.session)).await.json();
    let lists = [api.user(Method::GET, "alice", "").await, api.me(Method::GET, "", &tokens.access).await]
        .map(|it| it.json());
    for list in lists {
        let listed = list["sessions"].as_array().expect("a list");
        let listed = listed.iter().find(|it| it["session_id"] == tokens.session.as_str()).expect("listed");
        assert_eq!((&listed["client"], listed.get("first_client")), (&one["client"], None), "{list}");
    }
    [one["client"].clone(), one["first_client"].clone()]
}

#[track_caller]
fn expect_named(answer: &Answer, name: &str) {
    answer.expect_error(400, "invalid_request");
    assert!(answer.text.contains(&format!("'{name}'")), "{name} is not named: {answer:?}");
}

#[tokio::test]
async fn a_refresh_by_a_service_brings_its_client_and_the_logins_is_kept() {
    for gateway in [GATEWAY.embedded(), GATEWAY.start(&Redis::start())] {
        let api = gateway.api();
        let basic = format!("Basic {}", STANDARD.encode(format!("web:{}", WEB.key)));
        let in_body = [("client_id", "web"), ("client_secret", WEB.key)];
        let requests: [&dyn Fn(&str) -> RequestBuilder; 3] = [
            &|token| refresh(&api, token, LAST, &[]).bearer_auth(WEB.key),
            &|token| refresh(&api, token, LAST, &[]).header("Authorization", &basic),
            &|token| refresh(&api, token, LAST, &in_body),
        ];
        for request in requests {
            let mut tokens = login(&api).await;
            assert_eq!(shown(&api, &tokens).await, [value(FIRST), value(FIRST)]);
            tokens = api.send(request(&tokens.refresh)).await.tokens();
            assert_eq!(shown(&api, &tokens).await, [value(LAST), value(FIRST)]);
            tokens = api.refresh(&tokens.refresh).await.tokens();
            assert_eq!(shown(&api, &tokens).await, [value(LAST), value(FIRST)], "one without leaves it");
            tokens = by_service(&api, &tokens.refresh, FIRST).await.tokens();
            assert_eq!(shown(&api, &tokens).await, [value(FIRST), value(FIRST)]);
        }
    }
}

#[tokio::test]
async fn a_session_without_a_client_at_its_login_gets_one_at_a_refresh() {
    for gateway in [GATEWAY.embedded(), GATEWAY.start(&Redis::start())] {
        let api = gateway.api();
        let tokens = api.login("alice").await;
        assert_eq!(shown(&api, &tokens).await, [Value::Null, Value::Null]);
        let tokens = by_service(&api, &tokens.refresh, LAST).await.tokens();
        assert_eq!(shown(&api, &tokens).await, [value(LAST), Value::Null]);
    }
}

/// No browser chooses what staff see. For a public client it is an unknown parameter, and so is nonsense in it.
#[tokio::test]
async fn from_anybody_but_a_service_it_is_ignored() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let mut tokens = login(&api).await;
    let access = tokens.access.clone();
    for client in [LAST, "", "ios", "{", "[]", r#"{"x":1}"#, "a\nb", "\u{fffd}", r#"{"label":"\u0000"}"#] {
        let kinds: [&dyn Fn(&str) -> RequestBuilder; 4] = [
            &|token| refresh(&api, token, client, &[]),
            &|token| refresh(&api, token, client, &[]).basic_auth("web", Some("")),
            &|token| refresh(&api, token, client, &[("client_id", "web")]),
            &|token| refresh(&api, token, client, &[]).bearer_auth(&access), // a stray one
        ];
        for kind in kinds {
            tokens = api.send(kind(&tokens.refresh)).await.tokens();
            assert_eq!(shown(&api, &tokens).await, [value(FIRST), value(FIRST)], "{client}");
        }
    }
}

#[tokio::test]
async fn a_wrong_one_is_refused_by_name_before_redis_is_asked() {
    let mut redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = login(&api).await;
    redis.stop();
    for (client, name) in [
        ("ios", "client"),
        ("{", "client"),
        ("{} {}", "client"),
        ("[]", "client"),
        (r#"["192.0.2.7"]"#, "client"),
        ("1", "client"),
        (r#""192.0.2.7""#, "client"),
        (r#"{"ip":1}"#, "client.ip"),
        (r#"{"user_agent":["x"]}"#, "client.user_agent"),
        (r#"{"label":{}}"#, "client.label"),
        (r#"{"label":"a","label":"b"}"#, "client"),
        (r#"{"os":"x"}"#, "client.os"),
    ] {
        let answer = by_service(&api, &tokens.refresh, client).await;
        answer.expect_error(400, "invalid_request");
        assert!(answer.text.contains(&format!("'{name}")), "{client}: {answer:?}");
    }
    let secret = by_service(&api, &tokens.refresh, &format!(r#"{{"ip":["{}"]}}"#, WEB.key)).await;
    assert!(!secret.text.contains(WEB.key), "{secret:?}");
    by_service(&api, &tokens.refresh, LAST).await.expect_error(503, "temporarily_unavailable");
    let wrong = refresh(&api, &tokens.refresh, "{", &[]).bearer_auth("wrong");
    api.send(wrong).await.expect_error(401, "invalid_client");
}

#[tokio::test]
async fn one_without_content_leaves_the_last_one() {
    for gateway in [GATEWAY.embedded(), GATEWAY.start(&Redis::start())] {
        let api = gateway.api();
        let mut tokens = login(&api).await;
        tokens = by_service(&api, &tokens.refresh, LAST).await.tokens();
        for client in ["", "{}", " {} ", "null", "{\n}", r#"{"ip":null,"user_agent":null,"label":null}"#] {
            tokens = by_service(&api, &tokens.refresh, client).await.tokens();
            assert_eq!(shown(&api, &tokens).await, [value(LAST), value(FIRST)], "{client}");
        }
    }
}

#[tokio::test]
async fn it_is_read_as_at_the_login() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for client in [
        json!({"ip": "2001:DB8::0:1"}),
        json!({"user_agent": "\u{e9}".repeat(200)}),
        json!({"user_agent": format!("x{}", "\u{1f98a}".repeat(100)), "label": "Zo\u{eb}'s \"phone\"\u{2028}\n"}),
        json!({"label": "x".repeat(300), "ip": "[2001:db8::1%eth0]:443"}),
        json!({"ip": "unknown", "label": "phone"}),
    ] {
        let at_login = api.issue(&json!({"sub": "alice", "client": client})).await.tokens();
        let tokens = login(&api).await;
        let tokens = by_service(&api, &tokens.refresh, &client.to_string()).await.tokens();
        assert_eq!(shown(&api, &tokens).await[0], shown(&api, &at_login).await[0]);
    }
}

/// A user agent that was cut inside a character, in a form.
#[tokio::test]
async fn a_broken_character_at_the_end_is_left_out() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let mut tokens = login(&api).await;
    for (client, kept) in [
        ("%7B%22user_agent%22%3A%22a%E2%82%22%7D", "a"),
        ("%7B%22user_agent%22%3A%22a%C3+b%F0%9F%22%7D", "a\u{fffd} b"),
        (r#"{"user_agent":"a\ud83d"}"#, "a"),
    ] {
        let form = format!("grant_type=refresh_token&refresh_token={}&client={client}", tokens.refresh);
        tokens = api.send(api.raw_form("/oauth/token", form).bearer_auth(WEB.key)).await.tokens();
        assert_eq!(shown(&api, &tokens).await[0], json!({"user_agent": kept}), "{client}");
    }
}

#[tokio::test]
async fn a_replay_changes_nothing() {
    for gateway in [GATEWAY.embedded(), GATEWAY.start(&Redis::start())] {
        let api = gateway.api();
        let first = login(&api).await;
        let request = |client| {
            let form =
                [("grant_type", "refresh_token"), ("refresh_token", &first.refresh), ("client", client)];
            let request = api.form("/oauth/token", &form).bearer_auth(WEB.key);
            request.header("Idempotency-Key", "the-same-attempt-again")
        };
        let tokens = api.send(request(LAST)).await.tokens();
        let again = api.send(request(r#"{"label":"another"}"#)).await.tokens();
        assert_eq!(again.refresh, tokens.refresh);
        assert_eq!(shown(&api, &tokens).await, [value(LAST), value(FIRST)]);
    }
}

#[tokio::test]
async fn of_another_services_session_and_of_an_ended_one_nothing_is_kept() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = login(&api).await;
    let foreign = refresh(&api, &tokens.refresh, LAST, &[]).bearer_auth(ISSUE_ONLY.key);
    api.send(foreign).await.expect_error(400, "invalid_grant");
    assert_eq!(shown(&api, &tokens).await, [value(FIRST), value(FIRST)]);
    assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
    by_service(&api, &tokens.refresh, LAST).await.expect_error(400, "invalid_grant");
    let ended = api.user(Method::GET, "alice", &format!("/{}", tokens.session)).await.json();
    assert_eq!((&ended["state"], ended.get("client")), (&json!("ended"), None), "{ended}");
}

/// A node from before the field leaves it in the tombstone that it makes.
#[tokio::test]
async fn one_left_in_a_tombstone_is_not_shown() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = login(&api).await;
    assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
    redis.ask::<u64>(&["HSET", &format!("tg:{{alice}}:session:{}", tokens.session), "last_client", LAST]);
    let ended = api.user(Method::GET, "alice", &format!("/{}", tokens.session)).await.json();
    let names: Vec<_> = ended.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["ended_at", "reason", "session_id", "state"]);
    assert!(api.user(Method::GET, "alice", "").await.sessions().is_empty());
    by_service(&api, &tokens.refresh, FIRST).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn twice_or_in_the_uri_it_is_refused() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = login(&api).await;
    let twice = refresh(&api, &tokens.refresh, LAST, &[("client", LAST)]).bearer_auth(WEB.key);
    expect_named(&api.send(twice).await, "client");
    let form = format!("grant_type=refresh_token&refresh_token={}", tokens.refresh);
    let in_uri =
        api.raw_form("/oauth/token?client=%7B%22ip%22%3A%22192.0.2.7%22%7D", form).bearer_auth(WEB.key);
    expect_named(&api.send(in_uri).await, "client");
    assert_eq!(shown(&api, &tokens).await, [value(FIRST), value(FIRST)]);
}

/// Beyond `hash-max-listpack-value` Redis would make a table of the record. Every character of these texts takes six
/// bytes as stored.
#[tokio::test]
async fn the_largest_clients_make_no_table_of_the_record_and_it_does_not_grow() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let client =
        |c: &str| json!({"ip": "2001:db8:1:2:3:4:5:6", "user_agent": c.repeat(256), "label": "phone"});
    let largest = client("\u{1}");
    let mut tokens = api.issue(&json!({"sub": "alice", "client": largest})).await.tokens();
    let key = format!("tg:{{alice}}:session:{}", tokens.session);
    let mut sizes = Vec::new();
    for n in 0..20 {
        let other = client(["\u{2}", "\u{3}", "\u{7f}"][n % 3]);
        tokens = by_service(&api, &tokens.refresh, &other.to_string()).await.tokens();
        assert_eq!(redis.ask::<String>(&["OBJECT", "ENCODING", &key]), "listpack");
        sizes.push(redis.ask::<u64>(&["MEMORY", "USAGE", &key]));
        assert_eq!(redis.ask::<Vec<String>>(&["KEYS", "*"]).len(), 3, "no new key");
    }
    assert!(sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
    for name in ["client", "last_client"] {
        let stored: String = redis.ask(&["HGET", &key, name]);
        assert!(
            stored.len() <= 2048 && stored.bytes().all(|b| (b' '..=b'~').contains(&b)),
            "{name}: {stored}"
        );
    }
}

#[tokio::test]
async fn a_refresh_with_a_client_is_one_round_trip() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("WORKERS", "1")]);
    let api = gateway.api();
    let mut tokens = login(&api).await;
    tokens = by_service(&api, &tokens.refresh, LAST).await.tokens();
    let (scripts, fields) = (redis.calls("evalsha"), redis.calls("hget"));
    for _ in 0..20 {
        tokens = by_service(&api, &tokens.refresh, LAST).await.tokens();
    }
    assert_eq!((redis.calls("evalsha") - scripts, redis.calls("hget") - fields), (20, 20));
    for _ in 0..20 {
        tokens = api.refresh(&tokens.refresh).await.tokens();
    }
    assert_eq!(
        (redis.calls("evalsha") - scripts, redis.calls("hget") - fields),
        (40, 20),
        "without: as before"
    );
}

/// A bare `&` ends the parameter.
#[tokio::test]
async fn a_client_that_is_cut_off_gets_a_question_about_percent_encoding() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = login(&api).await;
    for (client, field, is_cut) in [
        (r#"{"label":"a&b"}"#, "client.label", true),
        (r#"{"label":"a"&"ip":"192.0.2.1"}"#, "client", true),
        (r#"{"label":1}"#, "client.label", false),
    ] {
        let body = format!("grant_type=refresh_token&refresh_token={}&client={client}", tokens.refresh);
        let request = api.request(Method::POST, "/oauth/token").bearer_auth(WEB.key);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(body);
        let answer = api.send(request).await;
        expect_named(&answer, field);
        assert_eq!(answer.text.contains("; is it percent-encoded?"), is_cut, "{answer:?}");
    }
}
