//! The device in `client` of `POST /v1/sessions`: it describes, so it never refuses a login.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Answer, Api};
use token_gateway_testkit::redis::Redis;

use crate::GATEWAY;

/// A login with a body as it stands, in bytes.
async fn login(api: &Api, body: Vec<u8>) -> Answer {
    let request = api.service(Method::POST, "/v1/sessions").header(CONTENT_TYPE, "application/json");
    api.send(request.body(body)).await
}

/// A login with this `client`.
async fn login_from(api: &Api, client: impl AsRef<[u8]>) -> Answer {
    login(api, [br#"{"sub":"alice","client":"#, client.as_ref(), b"}"].concat()).await
}

/// The device of a new session, as its list and its page show it.
async fn shown(api: &Api, client: impl AsRef<[u8]>) -> Value {
    let session = login_from(api, client).await.tokens().session;
    let one = api.user(Method::GET, "alice", &format!("/{session}")).await.json();
    let list = api.user(Method::GET, "alice", "").await.json();
    let items = list["sessions"].as_array().expect("a list");
    let item = items.iter().find(|item| item["session_id"] == session.as_str()).expect("the session");
    assert_eq!(item["client"], one["client"]);
    api.user(Method::DELETE, "alice", "").await.ended();
    one["client"].clone()
}

#[tokio::test]
async fn an_address_is_taken_out_of_the_forms_in_which_proxies_hand_it_on() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for (sent, address) in [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:5678", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("\"[2001:db8::1]:443\"", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:443", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ] {
        let client = json!({"ip": sent, "label": "phone"});
        assert_eq!(shown(&api, client.to_string()).await, json!({"ip": address, "label": "phone"}), "{sent}");
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_left_out() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for sent in [
        "",
        " ",
        "unknown",
        "_hidden",
        "192.0.2.1, 10.0.0.1",
        "192.0.2.1 10.0.0.1",
        "300.1.1.1",
        "192.0.2.1:port",
        "[2001:db8::1",
        "[2001:db8::1], [2001:db8::2]",
        "10.0.0.0/8",
        "localhost",
        "\u{4e2d}",
        "\0",
    ] {
        assert_eq!(shown(&api, json!({"ip": sent}).to_string()).await, Value::Null, "{sent:?}");
        let client = json!({"ip": sent, "label": "phone"});
        assert_eq!(shown(&api, client.to_string()).await, json!({"label": "phone"}), "{sent:?}");
    }
    assert_eq!(shown(&api, r#"{"ip":null,"user_agent":null,"label":null}"#).await, Value::Null);
    assert_eq!(shown(&api, b"{\"ip\":\"\xff\"}").await, Value::Null);
}

#[tokio::test]
async fn a_text_is_cut_between_characters_however_long_it_is() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let cjk = "\u{4e2d}";
    for (name, sent, kept) in [
        ("label", cjk.repeat(86), cjk.repeat(85)),
        ("label", "x".repeat(255), "x".repeat(255)),
        ("label", "x".repeat(5000), "x".repeat(255)),
        ("label", format!("{}\u{e9}", "x".repeat(254)), "x".repeat(254)),
        ("user_agent", cjk.repeat(86), cjk.repeat(85)),
        ("user_agent", "x".repeat(5000), "x".repeat(256)),
        ("user_agent", "\u{1f98a}".repeat(65), "\u{1f98a}".repeat(64)),
    ] {
        assert_eq!(shown(&api, json!({name: sent}).to_string()).await, json!({name: kept}));
    }
}

#[tokio::test]
async fn a_text_that_its_sender_has_cut_inside_a_character_ends_before_it() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for name in ["user_agent", "label"] {
        for (sent, kept) in [
            (&br"Zo\u00eb \ud83d"[..], "Zo\u{eb} "),
            (br"\ud83e\udd8a", "\u{1f98a}"),
            (br"a\ud83d\ud83e\udd8a", "a\u{fffd}\u{1f98a}"),
            (br"a\udd8ab", "a\u{fffd}b"),
            (b"Zo\xc3", "Zo"),
            (b"a \xe4\xb8", "a "),
            (b"\xf0\x9f\xa6", ""),
            (b"caf\xe9 1", "caf\u{fffd} 1"),
        ] {
            let client = [br#"{""#, name.as_bytes(), br#"":""#, sent, br#""}"#].concat();
            assert_eq!(shown(&api, &client).await, json!({name: kept}), "{}", client.escape_ascii());
        }
    }
}

#[tokio::test]
async fn a_wrong_json_type_and_an_unknown_member_stay_refused_by_name() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for (field, client) in [
        ("client", "[]"),
        ("client", "\"phone\""),
        ("client.ip", r#"{"ip":1}"#),
        ("client.ip", r#"{"ip":["192.0.2.1"]}"#),
        ("client.ip", r#"{"ip":{}}"#),
        ("client.user_agent", r#"{"user_agent":true}"#),
        ("client.user_agent", r#"{"user_agent":[65,66]}"#),
        ("client.label", r#"{"label":1.5}"#),
        ("client.os", r#"{"os":"x"}"#),
    ] {
        let answer = login_from(&api, client).await;
        answer.expect_error(400, "invalid_request");
        assert!(answer.text.contains(&format!("'{field}' is wrong")), "{client}: {answer:?}");
    }
    assert!(api.user(Method::GET, "alice", "").await.sessions().is_empty());
}

/// These members decide.
#[tokio::test]
async fn a_broken_character_elsewhere_stays_refused() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for body in [
        &b"{\"sub\":\"alice\xc3\"}"[..],
        br#"{"sub":"alice\ud83d"}"#,
        b"{\"sub\":\"alice\",\"client_id\":\"app\xc3\"}",
        b"{\"sub\":\"alice\",\"scope\":\"read\xc3\"}",
        br#"{"sub":"alice","aud":"shop\ud83d"}"#,
        b"{\"sub\":\"alice\",\"claims\":{\"name\":\"Zo\xc3\"}}",
        b"{\"sub\":\"alice\",\"client\":{\"label\":\"a\"},\"x\xc3\":1}",
        b"{\"sub\":\"alice\",\"client\":{\"label\":\"a}}",
    ] {
        login(&api, body.to_vec()).await.expect_error(400, "invalid_request");
    }
    assert!(api.user(Method::GET, "alice", "").await.sessions().is_empty());
}

#[tokio::test]
async fn half_a_surrogate_pair_is_named_as_such() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for (body, field) in [
        (&br#"{"sub":"alice\ud83d"}"#[..], "sub"),
        (br#"{"sub":"\ude00alice"}"#, "sub"),
        (br#"{"sub":"alice","aud":"\ud83d\u0041"}"#, "aud"),
        (br#"{"sub":"alice","client_id":"\ud83d"}"#, "client_id"),
        (br#"{"sub":"alice","scope":"\ud83dx"}"#, "scope"),
    ] {
        let answer = login(&api, body.to_vec()).await;
        answer.expect_error(400, "invalid_request");
        let needed = format!("'{field}' holds half a surrogate pair, which is no text");
        assert!(answer.text.contains(&needed), "{}: {answer:?}", String::from_utf8_lossy(body));
    }
}

#[tokio::test]
async fn a_name_outside_of_printable_ascii_is_told_the_right_characters() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for field in ["client_id", "aud"] {
        let answer = api.issue(&json!({"sub": "alice", field: "zo\u{eb}"})).await;
        answer.expect_error(400, "invalid_request");
        let needed = format!("'{field}' must be 1 to 255 printable ASCII characters");
        assert!(answer.text.contains(&needed), "{answer:?}");
        api.issue(&json!({"sub": "alice", field: "my api"})).await.tokens();
    }
}

/// Redis turns a hash with one value above `hash-max-listpack-value` into a table.
#[tokio::test]
async fn no_description_makes_a_table_of_its_record() {
    let redis = Redis::start();
    redis.ask::<String>(&["CONFIG", "SET", "hash-max-listpack-value", "2048"]);
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    for character in [r"\u0000", "\u{7f}", "\u{85}", "\u{2028}", "\u{1f98a}", r"\ud83d", r#"\""#, "x"] {
        let text = character.repeat(300);
        let client = format!(
            r#"{{"ip":"2001:db8:1111:2222:3333:4444:5555:6666","user_agent":"{text}","label":"{text}"}}"#
        );
        let session = login_from(&api, client).await.tokens().session;
        let key = format!("tg:{{alice}}:session:{session}");
        let stored: String = redis.ask(&["HGET", &key, "client"]);
        assert!(stored.len() <= 2048 && stored.bytes().all(|b| (b' '..=b'~').contains(&b)), "{stored}");
        assert_eq!(redis.ask::<String>(&["OBJECT", "ENCODING", &key]), "listpack", "{stored}");
    }
}
