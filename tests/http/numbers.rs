//! Numbers in claims: whole ones are exact or refused by name, fractions are IEEE doubles.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use token_gateway_testkit::api::{Answer, Api, Tokens};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;

use crate::GATEWAY;

/// Claims as they come, and as they are stored and signed.
const TAKEN: [(&str, &str); 18] = [
    ("0", "0"),
    ("-0", "-0"),
    ("-1", "-1"),
    ("9007199254740993", "9007199254740993"),
    ("9223372036854775807", "9223372036854775807"),
    ("9223372036854775808", "9223372036854775808"),
    ("18446744073709551615", "18446744073709551615"),
    ("-9223372036854775808", "-9223372036854775808"),
    ("1.8446744073709552e+19", "1.8446744073709552e+19"),
    ("18446744073709551616.0", "1.8446744073709552e+19"),
    ("1E2", "100.0"),
    ("-0.0", "-0.0"),
    ("0.1", "0.1"),
    ("0.30000000000000004", "0.30000000000000004"),
    ("1e-999", "0.0"),
    ("5e-324", "5e-324"),
    ("1.7976931348623157e308", "1.7976931348623157e+308"),
    ("[ 1 , {\"a\" : -2 } ]", "[1,{\"a\":-2}]"),
];

fn login(api: &Api, claims: &str) -> reqwest::RequestBuilder {
    let request = api.service(Method::POST, "/v1/sessions").header("Content-Type", "application/json");
    request.body(format!(r#"{{"sub":"alice","claims":{claims}}}"#))
}

fn patch(api: &Api, path: &str, claims: &str) -> reqwest::RequestBuilder {
    let request = api.service(Method::PATCH, &format!("/v1/users/alice/sessions{path}"));
    request.header("Content-Type", "application/json").body(format!(r#"{{"claims":{claims}}}"#))
}

/// The claims of a token, as text.
fn payload(token: &str) -> String {
    let payload = token.split('.').nth(1).expect("three parts");
    String::from_utf8(URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("text")
}

async fn introspected(api: &Api, token: &str) -> String {
    api.send(api.form("/oauth/introspect", &[("token", token)]).bearer_auth(WEB.key)).await.text
}

/// Demands this text in tokens, introspection, lists and the store.
async fn expect_everywhere(api: &Api, redis: &Redis, tokens: &Tokens, member: &str) {
    let next = api.refresh(&tokens.refresh).await.tokens();
    for text in [
        payload(&next.access),
        introspected(api, &next.access).await,
        api.user(Method::GET, "alice", &format!("/{}", tokens.session)).await.text,
        redis.ask(&["HGET", &format!("tg:{{alice}}:session:{}", tokens.session), "claims"]),
    ] {
        assert!(
            text.contains(&format!("{member},\"")) || text.contains(&format!("{member}}}")),
            "{member}: {text}"
        );
    }
}

#[tokio::test]
async fn a_whole_number_is_signed_to_its_last_digit_and_a_fraction_as_a_double() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    for (sent, signed) in TAKEN {
        let (claims, member) = (format!("{{\"n\": {sent} }}"), format!("\"n\":{signed}"));
        let tokens = api.send(login(&api, &claims)).await.tokens();
        assert!(payload(&tokens.access).contains(&member), "{sent}: {}", payload(&tokens.access));
        expect_everywhere(&api, &redis, &tokens, &member).await;
    }
}

#[tokio::test]
async fn claims_that_support_staff_set_have_exact_numbers_too() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    for (sent, signed) in TAKEN {
        for by_id in [false, true] {
            let tokens = api.login("alice").await;
            let path = if by_id { format!("/{}", tokens.session) } else { String::new() };
            assert_eq!(api.send(patch(&api, &path, &format!("{{\"n\":{sent}}}"))).await.status, 200);
            expect_everywhere(&api, &redis, &tokens, &format!("\"n\":{signed}")).await;
        }
    }
}

#[track_caller]
fn expect_named(name: &str, answer: &Answer) {
    answer.expect_error(400, "invalid_request");
    let description = answer.json()["error_description"].as_str().expect("a text").to_owned();
    assert!(description.contains(&format!("'{name}'")), "{name} is not named: {description}");
}

#[tokio::test]
async fn a_number_that_cannot_be_kept_is_refused_by_name() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let session = api.login("alice").await.session;
    for (name, claims) in [
        ("claims.n", r#"{"n":18446744073709551616}"#),
        ("claims.n", r#"{"a":1,"n":-9223372036854775809}"#),
        ("claims.n", r#"{"n":123456789012345678901234567890}"#),
        ("claims.n", r#"{"n":100000000000000000000000000000000000000000}"#),
        ("claims.a.b[1]", r#"{"a":{"b":[1,18446744073709551616]}}"#),
        ("claims.a[0][1].c", r#"{"a":[[0,{"c":18446744073709551616}]]}"#),
        ("claims.n", r#"{"n":1e999}"#),
        ("claims.n", r#"{"n":-1e999}"#),
        ("claims.a.n", r#"{"a":{"n":1e309}}"#),
        ("claims.n", r#"{"n":1,"n":18446744073709551616}"#),
        ("claims.", r#"{"":18446744073709551616}"#),
        ("claims.a b", "{\"a b\":\n 18446744073709551616 }"),
    ] {
        expect_named(name, &api.send(login(&api, claims)).await);
        for path in [String::new(), format!("/{session}")] {
            expect_named(name, &api.send(patch(&api, &path, claims)).await);
        }
    }
    let answer = api.send(login(&api, r#"{"n":18446744073709551616}"#)).await;
    assert!(answer.text.contains("18446744073709551615"), "the range is told: {answer:?}");
    assert_eq!(api.user(Method::GET, "alice", "").await.sessions(), [session]);
}

#[tokio::test]
async fn what_is_no_json_is_refused_in_claims_as_elsewhere() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for claims in [
        "01",
        "{\"n\":01}",
        "{\"n\":1.}",
        "{\"n\":.5}",
        "{\"n\":+1}",
        "{\"n\":NaN}",
        "{\"n\":Infinity}",
        "{\"n\":0x10}",
        "{\"n\":1_000}",
        "{\"n\":-}",
        "{\"n\":1e}",
        "{\"s\":\"\\ud800\"}",
        "{\"\\ud800\":1}",
        "{\"s\":\"a\nb\"}",
        "[1]",
        "1",
        "\"text\"",
        "true",
        "{\"a\":1,}",
    ] {
        let answer = api.send(login(&api, claims)).await;
        assert_eq!(answer.status, 400, "{claims}: {answer:?}");
        answer.expect_error(400, "invalid_request");
    }
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(7_000), "]".repeat(7_000));
    expect_named("claims", &api.send(login(&api, &deep)).await);
}

#[tokio::test]
async fn a_member_that_comes_twice_in_claims_has_its_last_value_everywhere() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = api.send(login(&api, r#"{"n":18446744073709551616,"n":7,"k":"x"}"#)).await.tokens();
    assert_eq!(payload(&tokens.access).matches("\"n\":").count(), 1);
    expect_everywhere(&api, &redis, &tokens, "\"n\":7").await;
}

#[tokio::test]
async fn a_reserved_claim_is_refused_however_it_is_spelled() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    expect_named("claims.sub", &api.send(login(&api, r#"{"s\u0075b":1}"#)).await);
    expect_named("claims.gen", &api.send(login(&api, r#"{"a":18446744073709551616,"gen":1}"#)).await);
}
