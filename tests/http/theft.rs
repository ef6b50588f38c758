//! The alarm of a theft: user, session, client, address and user agent. The address is the client's, behind trusted proxies, too.

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Api, Tokens, decided};
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;

use super::request_id::{line, lines};
use crate::GATEWAY;

const TARGET: &str = "token_gateway::gateway::theft";
const FORWARDED: &str = "x-forwarded-for";

fn node(settings: &[(&str, &str)]) -> Gateway {
    GATEWAY.embedded_with(&[&[("LOG_FORMAT", "json")], settings].concat())
}

/// Steals a token, and uses it as `change` says; returns the alarm.
async fn alarm(
    gateway: &Gateway,
    subject: &str,
    change: impl FnOnce(RequestBuilder) -> RequestBuilder,
) -> (Value, Tokens) {
    let api = gateway.api();
    let tokens = api.issue(&json!({"sub": subject, "client_id": "app"})).await.tokens();
    api.refresh(&tokens.refresh).await.tokens();
    let replay = change(api.refresh_request(&tokens.refresh));
    let again = || replay.try_clone().expect("a body of text");
    decided(|| api.send(again())).await.expect_error(400, "invalid_grant");
    (line(gateway, |line| line["target"] == TARGET && line["sid"] == *tokens.session), tokens)
}

#[tokio::test]
async fn the_alarm_has_every_fact_as_a_field_and_in_its_text() {
    let gateway = node(&[]);
    gateway.api().login("zo\u{eb} a}b").await;
    let (alarm, tokens) = alarm(&gateway, "zo\u{eb} a}b", |request| {
        request.header("User-Agent", "Example/1.0").header("X-Request-Id", "req-7")
    })
    .await;
    for (name, expected) in [
        ("level", json!("warn")),
        ("sid", json!(tokens.session)),
        ("subject", json!("zo%C3%AB%20a%7Db")),
        ("address", json!("127.0.0.1")),
        ("user_agent", json!("Example/1.0")),
        ("client", json!("app")),
        ("sessions", json!(2)),
        ("request_id", json!("req-7")),
    ] {
        assert_eq!(alarm[name], expected, "{name}: {alarm}");
    }
    let expected = format!(
        "refresh token reused: session {} of zo%C3%AB%20a%7Db, from 127.0.0.1 (\"Example/1.0\"), client app; 2 sessions ended",
        tokens.session
    );
    assert_eq!(alarm["message"], expected);
    for token in [&tokens.refresh, &tokens.access] {
        let (_, signature) = token.rsplit_once('.').expect("a JWT");
        assert!(!gateway.log().contains(signature), "{alarm}");
    }
}

#[tokio::test]
async fn without_a_user_agent_the_alarm_has_none() {
    let gateway = node(&[]);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    api.refresh(&tokens.refresh).await.tokens();
    let body = format!("grant_type=refresh_token&refresh_token={}", tokens.refresh);
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let answer = gateway.say((head + &body).as_bytes());
    assert!(answer.contains("invalid_grant"), "{answer}");
    let alarm = line(&gateway, |line| line["target"] == TARGET);
    assert!(alarm.get("user_agent").is_none(), "{alarm}");
    assert!(alarm["message"].as_str().expect("text").contains("from 127.0.0.1, client "), "{alarm}");
}

#[tokio::test]
async fn a_hostile_user_agent_neither_ends_its_line_nor_fills_the_log() {
    for format in ["text", "json"] {
        let gateway = node(&[("LOG_FORMAT", format)]);
        let api = gateway.api();
        for agent in [
            b"x\x1b[2J\"), client nobody; 0 sessions ended".to_vec(),
            "\u{202e}\u{2028}\u{85}evil\u{1f98a}".as_bytes().to_vec(),
            vec![0xff, 0xfe],
            vec![b'A'; 10_000],
        ] {
            let tokens = api.login("alice").await;
            api.refresh(&tokens.refresh).await.tokens();
            let agent = reqwest::header::HeaderValue::from_bytes(&agent);
            let Ok(agent) = agent else { continue }; // no client can send it
            let replay = || api.refresh_request(&tokens.refresh).header("User-Agent", &agent);
            decided(|| api.send(replay())).await.expect_error(400, "invalid_grant");
            let log =
                token_gateway_testkit::wait_for("the alarm", std::time::Duration::from_secs(10), || {
                    Some(gateway.log()).filter(|log| log.contains(&tokens.session))
                });
            let alarm = log.lines().find(|line| line.contains(&tokens.session)).expect("it is there");
            assert!(alarm.is_ascii() && alarm.len() < 1_200 && !alarm.contains('\u{1b}'), "{alarm}");
            assert!(alarm.contains(" sessions ended") && alarm.contains("client "), "{alarm}");
        }
    }
}

#[tokio::test]
async fn the_second_alarm_has_the_same_facts() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("LOG_FORMAT", "json")]);
    let (first, tokens) = alarm(&gateway, "alice", |request| request).await;
    assert_eq!(first["sessions"], 1, "{first}");
    // As if the first node had died before it published the end, and with it the first alarm.
    redis.ask::<()>(&["HSET", &format!("tg:{{alice}}:session:{}", tokens.session), "announced", "0"]);
    redis.ask::<()>(&["DEL", "tg:revocations"]);
    let other = GATEWAY.start_with(&redis, &[("LOG_FORMAT", "json")]);
    let again = other.api().refresh_request(&tokens.refresh).header("User-Agent", "Example/2.0");
    other.api().send(again).await.expect_error(400, "invalid_grant");
    let second = line(&other, |line| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.starts_with("ended by a reuse whose answer was lost"))
    });
    let facts = ["target", "sid", "subject", "address", "user_agent", "client"].map(|name| &second[name]);
    let session = json!(tokens.session);
    let expected = [
        &json!(TARGET),
        &session,
        &json!("alice"),
        &json!("127.0.0.1"),
        &json!("Example/2.0"),
        &json!("app"),
    ];
    assert_eq!(facts, expected, "{second}");
}

#[tokio::test]
async fn an_address_is_believed_of_trusted_proxies_alone() {
    for (trusted, forwarded, expected) in [
        ("", vec!["192.0.2.1"], "127.0.0.1"),
        ("10.0.0.0/8", vec!["192.0.2.1"], "127.0.0.1"),
        ("127.0.0.1", vec!["192.0.2.1"], "192.0.2.1"),
        ("127.0.0.0/8,10.0.0.0/8", vec!["6.6.6.6, 192.0.2.1, 10.1.2.3"], "192.0.2.1"),
        ("127.0.0.0/8,10.0.0.0/8", vec!["6.6.6.6, 192.0.2.1", "10.1.2.3"], "192.0.2.1"),
        ("127.0.0.0/8,10.0.0.0/8", vec!["192.0.2.1, unknown, 10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1/8,::1", vec!["[2001:db8::1]:4711"], "2001:db8::1"),
        ("::ffff:127.0.0.0/104", vec!["192.0.2.1:80"], "192.0.2.1"),
        ("127.0.0.1", vec![], "127.0.0.1"),
    ] {
        let gateway = node(&[("TRUSTED_PROXIES", trusted)]);
        let (alarm, _) = alarm(&gateway, "alice", |request| {
            forwarded.iter().fold(request, |request, value| request.header(FORWARDED, *value))
        })
        .await;
        assert_eq!(alarm["address"], expected, "{trusted}: {forwarded:?}");
    }
}

#[tokio::test]
async fn access_lines_name_no_subject_address_or_user_agent() {
    let gateway = node(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    let api: Api = gateway.api();
    let request =
        api.refresh_request("nonsense").header(FORWARDED, "192.0.2.77").header("User-Agent", "Odd/7");
    api.send(request.header("X-Request-Id", "last")).await.expect_error(400, "invalid_grant");
    line(&gateway, |line| line["request_id"] == "last");
    let told = lines(&gateway).iter().map(Value::to_string).collect::<String>();
    assert!(!told.contains("192.0.2.77") && !told.contains("Odd/7"), "{told}");
}
