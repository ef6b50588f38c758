//! `POST /oauth/revoke` (RFC 7009).

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::{Answer, Api, Tokens};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::{ISSUE_ONLY, WEB};

use super::craft::Craft;
use crate::GATEWAY;

const NOBODYS_SECRET: &str = "a-secret-that-nobody-here-has-ever-seen";

async fn expect_ended(api: &Api, tokens: &Tokens) {
    api.refresh(&tokens.refresh).await.expect_error(400, "invalid_grant");
    api.me(Method::GET, "", &tokens.access).await.expect_error(401, "invalid_token");
    let session = api.user(Method::GET, "alice", &format!("/{}", tokens.session)).await.json();
    assert_eq!((&session["state"], &session["reason"]), (&json!("ended"), &json!("logout")), "{session}");
}

/// Requirement REVOKE-5.
#[tokio::test]
async fn a_refresh_or_an_access_token_ends_its_session_and_no_other_at_once_on_every_node() {
    let redis = Redis::start();
    let (one, two) = (GATEWAY.start(&redis), GATEWAY.start(&redis));
    let (one, two) = (one.api(), two.api());
    let bystander = one.login("alice").await;
    for by_access in [false, true] {
        let tokens = one.login("alice").await;
        assert_eq!(two.me(Method::GET, "", &tokens.access).await.status, 200);
        let answer = one.revoke(if by_access { &tokens.access } else { &tokens.refresh }).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        expect_ended(&two, &tokens).await;
        expect_ended(&one, &tokens).await;
    }
    assert_eq!(one.refresh(&bystander.refresh).await.status, 200);
}

#[tokio::test]
async fn an_expired_token_still_ends_its_session() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for refresh in [true, false] {
        let tokens = api.login("alice").await;
        let token = if refresh { Craft::refresh(&tokens.refresh) } else { Craft::access(&tokens.access) };
        let expired = token.claim("exp", json!(1_000_000_000)).sign();
        assert_eq!(api.revoke(&expired).await.status, 200);
        expect_ended(&api, &tokens).await;
    }
}

/// Useless variants of a token. They are nobody's, and look like a good one.
fn made_useless(craft: &Craft, genuine: &str) -> Vec<String> {
    let expired = json!(1_000_000_000);
    let unknown = craft.clone().claim("sub", json!("nobody"));
    vec![
        unknown.sign(),
        unknown.claim("exp", expired.clone()).sign(),
        craft.clone().under(NOBODYS_SECRET).sign(),
        craft.clone().under(NOBODYS_SECRET).claim("exp", expired).sign(),
        craft.clone().header("alg", json!("none")).sign(),
        craft.clone().header("typ", json!("JWT")).sign(),
        craft.clone().claim("iss", json!("https://elsewhere.example.test")).sign(),
        craft.clone().claim("sid", json!("x")).sign(),
        craft.clone().claim("exp", None).sign(),
        genuine[..genuine.len() - 1].to_owned(),
        genuine[1..].to_owned(),
    ]
}

/// The one answer, which tells nobody the worth of a token.
fn expect_ok(token: &str, answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"), "{token}: {answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
}

/// Requirement REVOKE-1.
#[tokio::test]
async fn whatever_the_token_the_answer_is_the_same_200() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let genuine = api.login("alice").await;
    let mut tokens = made_useless(&Craft::access(&genuine.access), &genuine.access);
    tokens.extend(made_useless(&Craft::refresh(&genuine.refresh), &genuine.refresh));
    tokens.extend(["nonsense", "a.b.c", "...", "\u{1f98a}", " ", "null", "%"].map(str::to_owned));
    tokens.push("x".repeat(12_000));
    for token in &tokens {
        expect_ok(token, &api.revoke(token).await);
    }
    assert_eq!(api.refresh(&genuine.refresh).await.status, 200, "none of these has ended anything");
    for by_access in [false, true] {
        let own = api.login("alice").await;
        let token = if by_access { &own.access } else { &own.refresh };
        for again in [token, token, &own.access] {
            expect_ok(token, &api.revoke(again).await);
            expect_ended(&api, &own).await;
        }
    }
}

/// Requirement REVOKE-2.
#[tokio::test]
async fn a_wrong_or_unknown_token_type_hint_changes_nothing() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for (hint, by_access) in
        [("access_token", false), ("refresh_token", true), ("mystery", false), ("", true)]
    {
        let tokens = api.login("alice").await;
        let token = if by_access { &tokens.access } else { &tokens.refresh };
        let form = [("token", token.as_str()), ("token_type_hint", hint)];
        assert_eq!(api.send(api.form("/oauth/revoke", &form)).await.status, 200);
        expect_ended(&api, &tokens).await;
    }
}

/// Requirement REVOKE-3.
#[tokio::test]
async fn an_already_rotated_refresh_token_ends_its_session_and_raises_no_alarm() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (first, phone) = (api.login("alice").await, api.login("alice").await);
    let second = api.refresh(&first.refresh).await.tokens();
    let third = api.refresh(&second.refresh).await.tokens();
    assert_eq!(api.revoke(&first.refresh).await.status, 200);
    expect_ended(&api, &third).await;
    api.refresh(&first.refresh).await.expect_error(400, "invalid_grant");
    assert_eq!(api.refresh(&phone.refresh).await.status, 200, "no alarm");
}

/// Requirement REVOKE-5.
#[tokio::test]
async fn a_missing_token_or_a_broken_body_is_invalid_request() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    for body in ["", "token=", "token_type_hint=refresh_token", "token=a&token=b"] {
        api.send(api.raw_form("/oauth/revoke", body)).await.expect_error(400, "invalid_request");
    }
    let in_uri = api.raw_form(&format!("/oauth/revoke?token={}", tokens.refresh), "");
    api.send(in_uri).await.expect_error(400, "invalid_request");
    let json = api.request(Method::POST, "/oauth/revoke").json(&json!({"token": tokens.refresh}));
    api.send(json).await.expect_error(415, "invalid_request");
    let get = api.send(api.request(Method::GET, "/oauth/revoke")).await;
    get.expect_error(405, "invalid_request");
    assert_eq!(get.header("allow"), Some("POST"));
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn another_client_cannot_revoke_and_bad_credentials_are_401() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let form = || api.form("/oauth/revoke", &[("token", &tokens.refresh)]);
    api.send(form().bearer_auth(ISSUE_ONLY.key)).await.expect_error(400, "invalid_grant");
    let answer = api.send(form().bearer_auth("wrong")).await;
    answer.expect_error(401, "invalid_client");
    assert!(answer.header("www-authenticate").is_some());
    let after = api.refresh(&tokens.refresh).await.tokens();
    let own = api.form("/oauth/revoke", &[("token", &after.refresh)]).bearer_auth(WEB.key);
    assert_eq!(api.send(own).await.status, 200);
    expect_ended(&api, &after).await;
}

/// A token as people paste it: with white space, quotes or `Bearer ` around it.
fn pasted(token: &str) -> Vec<String> {
    let bare = [
        "{}",
        " {}",
        "{} ",
        "\t{}",
        "{}\n",
        "{}\r\n",
        "\r\n {} \t\n",
        "\u{a0}{}\u{2028}",
        "\u{feff}{}\u{200b}",
    ];
    let quoted = ["\"{}\"", "'{}'", " \"{}\" ", "\" {}\n\"", "\u{201c}{}\u{201d}", "\u{2018}{}\u{2019}"];
    let named = ["Bearer {}", "bearer {}", "BEARER   {}", " Bearer\t{}", "Bearer\n{}\n", "Bearer\u{a0}{}"];
    let nested = ["\"Bearer {}\"", "Bearer \"{}\"", "'bearer {}'\n", " Bearer '{}' ", "\" Bearer  {} \""];
    let all = [&bare[..], &quoted, &named, &nested].concat();
    all.into_iter().map(|form| form.replace("{}", token)).collect()
}

#[tokio::test]
async fn a_token_with_white_space_quotes_or_bearer_around_it_ends_its_session() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for at in 0..pasted("").len() {
        for by_access in [false, true] {
            let tokens = api.login("alice").await;
            let token = pasted(if by_access { &tokens.access } else { &tokens.refresh }).remove(at);
            let answer = api.revoke(&token).await;
            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"), "{token:?}: {answer:?}");
            expect_ended(&api, &tokens).await;
        }
    }
}

#[tokio::test]
async fn what_is_around_a_token_is_taken_off_in_every_encoding_of_a_form() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for form in [
        "token=+{}",
        "token=%20{}%20",
        "token={}%0A",
        "token={}%0D%0A&token_type_hint=refresh_token",
        "token=%09{}",
        "token=%22{}%22",
        "token=\"{}\"",
        "token=Bearer+{}",
        "token=Bearer%20{}",
        "token=%22Bearer+{}%22%0A",
        "token= {}",
        "x=1&t%6fken=%27{}%27",
    ] {
        let tokens = api.login("alice").await;
        let body = form.replace("{}", &tokens.refresh);
        let answer = api.send(api.raw_form("/oauth/revoke", body)).await;
        assert_eq!(answer.status, 200, "{form}: {answer:?}");
        expect_ended(&api, &tokens).await;
    }
}

#[tokio::test]
async fn what_is_then_no_token_is_200_and_ends_nothing() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let refresh = &tokens.refresh;
    for token in [
        " ".to_owned(),
        "\n".to_owned(),
        "\"\"".to_owned(),
        "\" \"".to_owned(),
        "\"".to_owned(),
        "'".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "\"Bearer \"".to_owned(),
        "undefined".to_owned(),
        format!("\"\"{refresh}\"\""),
        format!("Bearer Bearer {refresh}"),
        format!("'\"{refresh}\"'"),
        format!("\"{refresh}"),
        format!("{refresh}\""),
        format!("\"{refresh}'"),
        format!("Basic {refresh}"),
        format!("Bearer{refresh}"),
        format!("token {refresh}"),
        format!("{}  {}", &refresh[..20], &refresh[20..]),
    ] {
        let answer = api.revoke(&token).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"), "{token:?}: {answer:?}");
    }
    let (head, tail) = refresh.split_at(20);
    for nonsense in ["%00", "%20", "a%0Ab", "%FF", "a%C2%85", &format!("{head}%0A{tail}")] {
        let answer = api.send(api.raw_form("/oauth/revoke", format!("token={nonsense}"))).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"), "{nonsense}: {answer:?}");
    }
    for body in ["token=", "token", ""] {
        api.send(api.raw_form("/oauth/revoke", body)).await.expect_error(400, "invalid_request");
    }
    let hint = format!("token={refresh}&token_type_hint=%0A");
    api.send(api.raw_form("/oauth/revoke", hint)).await.expect_error(400, "invalid_request");
    assert_eq!(api.refresh(refresh).await.status, 200);
}

#[tokio::test]
async fn elsewhere_nothing_is_taken_off_a_token() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    for at in 1..pasted("").len() {
        let refresh = api.refresh(&pasted(&tokens.refresh)[at]).await;
        assert_eq!(refresh.status, 400, "{refresh:?}");
        let token = &pasted(&tokens.access)[at];
        let ask = api.send(api.form("/oauth/introspect", &[("token", token)]).bearer_auth(WEB.key)).await;
        let is_inactive = ask.status == 200 && ask.json() == json!({"active": false});
        assert!(is_inactive || ask.status == 400, "{token:?}: {ask:?}");
    }
    let spaced = api.refresh(&format!("{} ", tokens.refresh)).await;
    spaced.expect_error(400, "invalid_grant");
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200);
}
