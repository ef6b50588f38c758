//! `token-gateway sessions show`.

use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Tokens, claims};
use token_gateway_testkit::redis::Redis;

use super::{HOSTILE, HOSTILE_KEY};
use crate::GATEWAY;
use crate::cli::{fill, json, operator, run, text};

/// The only session in the output of `show`.
#[track_caller]
fn only(redis: &Redis, args: &[&str]) -> Value {
    let found = json(redis, &[&["sessions", "show"], args].concat());
    let [session] = found["sessions"].as_array().unwrap().as_slice() else { panic!("{found}") };
    session.clone()
}

#[tokio::test]
async fn a_live_session_is_shown_with_all_that_the_api_tells_and_its_token() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let claims_of_all_kinds = json!({"role": "ädmin", "trick": "\u{9b}2J"});
    let login = json!({"sub": HOSTILE, "claims": claims_of_all_kinds, "client": {"label": "phone"},
        "scope": "read", "aud": "billing"});
    let tokens = api.issue(&login).await.tokens();
    let over_http = api.user(Method::GET, HOSTILE_KEY, &format!("/{}", tokens.session)).await.json();
    for args in [&[tokens.session.as_str()][..], &[&tokens.session, "--sub", HOSTILE]] {
        let mut shown = only(&redis, args);
        let fields = shown.as_object_mut().unwrap();
        assert_eq!(fields.remove("sub"), Some(json!(HOSTILE)));
        assert_eq!(fields.remove("jti"), Some(claims(&tokens.refresh)["jti"].clone()));
        assert_eq!(
            (fields.remove("scope"), fields.remove("aud")),
            (Some(json!("read")), Some(json!("billing")))
        );
        assert_eq!(fields.remove("prev"), Some(Value::Null));
        let ttl = fields.remove("ttl_seconds").unwrap().as_u64().unwrap();
        assert!((604_700..=604_800).contains(&ttl), "{ttl}");
        assert_eq!(shown, over_http);
    }
    let text = text(&redis, &["sessions", "show", &tokens.session]);
    for part in [
        HOSTILE,
        "live",
        "phone",
        r#"{"role":"ädmin","trick":"\u{9b}2J"}"#,
        over_http["expires_at"].as_str().unwrap(),
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_jti_names_its_session_and_hears_whether_it_is_the_current_one() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let mut tokens = gateway.api().login("alice").await;
    let mut jtis = vec![claims(&tokens.refresh)["jti"].as_str().unwrap().to_owned()];
    for _ in 0..2 {
        tokens = gateway.api().refresh(&tokens.refresh).await.tokens();
        jtis.push(claims(&tokens.refresh)["jti"].as_str().unwrap().to_owned());
    }
    for (jti, place) in jtis.iter().zip(["neither current nor previous", "previous", "current"]) {
        let shown = only(&redis, &[jti]);
        assert_eq!((shown["given_jti"].as_str(), &shown["generation"]), (Some(place), &json!(2)));
        assert_eq!((&shown["jti"], &shown["prev"]), (&json!(jtis[2]), &json!(jtis[1])));
        assert!(text(&redis, &["sessions", "show", jti]).contains(place));
    }
    assert!(only(&redis, &[&tokens.session]).get("given_jti").is_none());
}

#[tokio::test]
async fn the_jti_of_an_access_token_stands_for_the_refresh_token_beside_it() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let mut tokens = gateway.api().login("alice").await;
    let jti = |tokens: &Tokens| claims(&tokens.access)["jti"].as_str().unwrap().to_owned();
    let mut jtis = vec![jti(&tokens)];
    for _ in 0..2 {
        tokens = gateway.api().refresh(&tokens.refresh).await.tokens();
        jtis.push(jti(&tokens));
    }
    for (jti, place) in jtis.iter().zip(["neither current nor previous", "previous", "current"]) {
        let shown = only(&redis, &[jti]);
        assert_eq!(
            (shown["given_jti"].as_str(), &shown["session_id"]),
            (Some(place), &json!(tokens.session))
        );
        assert!(text(&redis, &["sessions", "show", jti, "--sub", "alice"]).contains(place));
    }
    let other = gateway.api().login("alice").await;
    let ended = json(&redis, &["sessions", "end", "alice", "--all", "--except", &jtis[0]]);
    assert_eq!(ended["ended"], json!([other.session]));
    assert_eq!(json(&redis, &["sessions", "end", "alice", &jtis[1]])["ended"], json!([tokens.session]));
    assert_eq!(only(&redis, &[&jtis[2]])["state"], "ended");
}

/// A token is a secret: it is not repeated, and the message says what belongs there.
#[tokio::test]
async fn a_whole_token_is_refused_and_its_jti_asked_for() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let tokens = gateway.api().login("alice").await;
    for token in [&tokens.access, &tokens.refresh, &format!("Bearer {}", tokens.access)] {
        for args in
            [&["show", token][..], &["end", "alice", token], &["end", "alice", "--all", "--except", token]]
        {
            let ended = run(&mut operator(&redis, &[&["sessions"], args].concat()));
            assert_eq!(
                (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
                (2, "", 1),
                "{ended:?}"
            );
            assert!(ended.stderr.contains("token") && ended.stderr.contains("jti"), "{ended:?}");
            assert!(!ended.stderr.contains(&token[token.len() - 20..]), "{ended:?}");
        }
    }
    let jti = claims(&tokens.access)["jti"].as_str().unwrap().to_owned();
    for bad in ["x", "", "4830719265501837429.", &jti[..64], &format!("{jti}x"), &jti.replace('.', ":")] {
        let ended = run(&mut operator(&redis, &["sessions", "show", bad]));
        assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{ended:?}");
        assert!(ended.stderr.contains("19 digits") && ended.stderr.contains("22"), "{ended:?}");
    }
}

#[tokio::test]
async fn of_an_ended_session_the_reason_is_shown() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let tokens = gateway.api().login("alice").await;
    assert_eq!(gateway.api().revoke(&tokens.refresh).await.status, 200);
    let shown = only(&redis, &[&tokens.session]);
    let expected = json!({"sub": "alice", "session_id": tokens.session, "state": "ended", "reason": "logout",
        "announced": true, "ended_at": shown["ended_at"], "ttl_seconds": shown["ttl_seconds"]});
    assert_eq!(shown, expected);
    assert!(shown["ended_at"].as_str().unwrap().ends_with('Z'), "{shown}");
    let key = format!("tg:{{alice}}:session:{}", tokens.session);
    redis.ask::<u64>(&["HSET", &key, "announced", "0"]);
    assert_eq!(only(&redis, &[&tokens.session])["announced"], false);
    let text = text(&redis, &["sessions", "show", &tokens.session]);
    assert!(text.contains("logout") && text.contains("ended_at"), "{text}");
}

#[test]
fn the_owner_is_found_among_thousands_and_several_are_all_shown() {
    let redis = Redis::start();
    fill(&redis, 4000, 1);
    let sid = "1000000000000000041";
    assert_eq!(only(&redis, &[sid])["sub"], "user-42");
    redis.ask::<()>(&[
        "COPY",
        &format!("tg:{{user-42}}:session:{sid}"),
        &format!("tg:{{other}}:session:{sid}"),
    ]);
    let found = json(&redis, &["sessions", "show", sid]);
    let subjects: Vec<_> = found["sessions"].as_array().unwrap().iter().map(|one| &one["sub"]).collect();
    assert_eq!(subjects, ["other", "user-42"]);
    assert_eq!(text(&redis, &["sessions", "show", sid]).matches("session_id").count(), 2);
}

#[test]
fn an_unknown_session_is_exit_code_1_and_said_to_be_unknown() {
    let redis = Redis::start();
    fill(&redis, 1, 1);
    for args in [&["1000000000000000099"][..], &["1000000000000000000", "--sub", "user-2"]] {
        for form in [&[][..], &["--json"]] {
            let ended = run(&mut operator(&redis, &[&["sessions", "show"], args, form].concat()));
            assert_eq!(
                (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
                (1, "", 1),
                "{ended:?}"
            );
            assert!(ended.stderr.contains(args[0]) && ended.stderr.contains("unknown"), "{ended:?}");
            let remedy = if args.len() > 1 { "without --sub" } else { "TOMBSTONE_TTL_SECONDS" };
            assert!(ended.stderr.contains(remedy), "{ended:?}");
        }
    }
}
