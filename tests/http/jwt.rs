//! Every token is checked strictly: kind, algorithm, header, encoding, claims, lifetime.

use std::time::SystemTime;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Answer, Api, Tokens};
use token_gateway_testkit::gateway::{Gateway, ISSUER, REFRESH_SECRET, SIGNING_SECRET};

use super::access_tokens::{expect_refused, show};
use super::craft::{Craft, sign_parts};
use crate::GATEWAY;

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
}

/// One gateway, one live session, and its two tokens to be tampered with.
struct Target {
    _gateway: Gateway,
    api: Api,
    tokens: Tokens,
    access: Craft,
    refresh: Craft,
}

impl Target {
    async fn new() -> Self {
        let gateway = GATEWAY.embedded();
        let api = gateway.api();
        let tokens = api.issue(&json!({"sub": "alice", "claims": {"pad": "???>>>~~~"}})).await.tokens();
        let (access, refresh) = (Craft::access(&tokens.access), Craft::refresh(&tokens.refresh));
        Self { _gateway: gateway, api, tokens, access, refresh }
    }

    async fn refuses_access(&self, what: &str, token: &str) {
        expect_refused(what, &show(&self.api, token).await);
    }

    async fn refuses_refresh(&self, what: &str, token: &str) {
        let answer = self.api.refresh(token).await;
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        answer.expect_error(400, "invalid_grant");
    }

    /// Both kinds of token, changed in the same way.
    async fn refuses(&self, what: &str, change: impl Fn(Craft) -> Craft) {
        self.refuses_access(what, &change(self.access.clone()).sign()).await;
        self.refuses_refresh(what, &change(self.refresh.clone()).sign()).await;
    }

    /// The genuine tokens still work: nothing above was refused for another reason.
    async fn still_works(&self) {
        assert_eq!(self.api.me(Method::GET, "", &self.tokens.access).await.status, 200);
        assert_eq!(self.api.refresh(&self.tokens.refresh).await.status, 200);
    }
}

#[tokio::test]
async fn a_well_formed_token_made_by_somebody_else_with_our_secret_is_accepted() {
    let target = Target::new().await;
    let soon = json!(now() + 60);
    for craft in [
        target.access.clone(),
        target.access.clone().reversed(),
        target.access.clone().claim("exp", soon.clone()).claim("iat", json!(now())),
        target.access.clone().claim("nbf", json!(now() - 1)),
        target.access.clone().claim("extra", json!({"deep": [[[1]]]})),
        target.access.clone().header("kid", json!("any")),
    ] {
        assert_eq!(target.api.me(Method::GET, "", &craft.sign()).await.status, 200, "{}", craft.claims);
    }
    let refresh = target.refresh.clone().claim("exp", soon).reversed().sign();
    assert_ne!(refresh, target.tokens.refresh);
    assert_eq!(target.api.refresh(&refresh).await.status, 200);
}

/// Requirement ACCESS-2.
#[tokio::test]
async fn one_kind_of_token_is_refused_where_the_other_belongs() {
    let target = Target::new().await;
    let Target { tokens, access, refresh, .. } = &target;
    target.refuses_refresh("an access token", &tokens.access).await;
    target.refuses_access("a refresh token", &tokens.refresh).await;
    target
        .refuses_refresh(
            "an access token under the refresh secret",
            &access.clone().under(REFRESH_SECRET).sign(),
        )
        .await;
    target
        .refuses_access(
            "a refresh token under the signing secret",
            &refresh.clone().under(SIGNING_SECRET).sign(),
        )
        .await;
    let disguised = refresh.clone().under(SIGNING_SECRET).header("typ", json!("at+jwt"));
    target.refuses_access("a refresh token with the header of an access token", &disguised.sign()).await;
    let disguised = access.clone().under(REFRESH_SECRET).header("typ", json!("rt+jwt"));
    target.refuses_refresh("an access token with the header of a refresh token", &disguised.sign()).await;
    target
        .refuses("the other type", |c| {
            let other = if c.claims["type"] == "access" { "refresh" } else { "access" };
            c.claim("type", json!(other))
        })
        .await;
    let id_token = access.clone().header("typ", json!("JWT"));
    target.refuses_access("any other JWT of the same key", &id_token.sign()).await;
    target.refuses("another secret", |c| c.under("a-secret-that-nobody-here-has-ever-seen")).await;
    target.refuses("an empty secret", |c| c.under("")).await;
    target.still_works().await;
}

/// Requirement ACCESS-2.
#[tokio::test]
async fn a_wrong_or_missing_typ_is_refused() {
    let target = Target::new().await;
    for typ in [
        json!("JWT"),
        json!("jwt"),
        json!(""),
        json!("at+jwt "),
        json!("application/at"),
        json!(null),
        json!(1),
        json!(["at+jwt", "rt+jwt"]),
    ] {
        target.refuses(&format!("typ {typ}"), |c| c.header("typ", typ.clone())).await;
    }
    target.refuses("no typ", |c| c.header("typ", None)).await;
    target.still_works().await;
}

/// Requirement ACCESS-3.
#[tokio::test]
async fn the_algorithm_comes_from_the_key_and_not_from_the_token() {
    let target = Target::new().await;
    for alg in [
        "none", "None", "nOnE", "NONE", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA", "Ed25519",
        "hs256", "HS256 ", "",
    ] {
        target.refuses(&format!("alg {alg}"), |c| c.header("alg", json!(alg))).await;
    }
    for alg in [json!(null), json!(1), json!(["HS256"])] {
        target.refuses(&format!("alg {alg}"), |c| c.header("alg", alg.clone())).await;
    }
    target.refuses("no alg", |c| c.header("alg", None)).await;
    for (name, algorithm) in [("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
        let access = target.access.clone().header("alg", json!(name));
        target.refuses_access(name, &access.sign_as(algorithm)).await;
        target.refuses_access(name, &target.access.sign_as(algorithm)).await;
        let refresh = target.refresh.clone().header("alg", json!(name));
        target.refuses_refresh(name, &refresh.sign_as(algorithm)).await;
    }
    target.still_works().await;
}

/// Requirement ACCESS-3.
#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let target = Target::new().await;
    for alg in ["none", "nOnE", "HS256"] {
        let token = target.access.clone().header("alg", json!(alg)).sign();
        let (message, signature) = token.rsplit_once('.').unwrap();
        for unsigned in [format!("{message}."), message.to_owned(), format!("{message}.{}", &signature[..22])]
        {
            target.refuses_access(alg, &unsigned).await;
            target.refuses_refresh(alg, &unsigned).await;
        }
    }
    target.still_works().await;
}

/// Requirement ACCESS-5.
#[tokio::test]
async fn a_critical_extension_or_compression_is_refused() {
    let target = Target::new().await;
    for value in
        [json!(["exp"]), json!(["b64"]), json!([]), json!("exp"), json!({}), json!(false), json!(null)]
    {
        target.refuses(&format!("crit {value}"), |c| c.header("crit", value.clone())).await;
    }
    for value in [json!("DEF"), json!(""), json!(null)] {
        target.refuses(&format!("zip {value}"), |c| c.header("zip", value.clone())).await;
    }
    for value in [json!(false), json!(true), json!(null)] {
        target.refuses(&format!("b64 {value}"), |c| c.header("b64", value.clone())).await;
    }
    target.still_works().await;
}

/// Requirement ACCESS-5.
#[tokio::test]
async fn anything_but_three_parts_of_strict_base64url_is_refused() {
    let target = Target::new().await;
    for token in [&target.tokens.access, &target.tokens.refresh] {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (header, payload) = message.split_once('.').unwrap();
        for broken in [
            format!("{token}.x.y"),
            format!("{token}."),
            format!(".{token}"),
            format!("{header}..{payload}.{signature}"),
            format!("{token}="),
            format!("{header}.{payload}=.{signature}"),
            format!("{header}=.{payload}.{signature}"),
            format!("{header}.{payload} .{signature}"),
            format!("{header}.{payload}.{signature}%20"),
            format!("{header}.{payload}\t.{signature}"),
            format!("..{signature}"),
            "...".to_owned(),
            "x".to_owned(),
        ] {
            target.refuses_access(&broken, &broken).await;
            let answer = target.api.refresh(&broken).await;
            assert!(answer.status == 400, "{broken}: {answer:?}");
        }
    }
    target.still_works().await;
}

/// Requirement ACCESS-5.
#[tokio::test]
async fn a_signed_part_in_another_alphabet_with_padding_or_trailing_bits_is_refused() {
    let target = Target::new().await;
    let header = URL_SAFE_NO_PAD.encode(target.access.header.to_string());
    // Chosen so that the payload has `-` or `_`, takes padding, and leaves bits over.
    let claims = target.access.clone().claim("x", json!("~~~???>>>")).claims;
    let pad = |n: usize| format!("{}{}", claims, " ".repeat(n));
    let claims = (0..3).map(pad).find(|text| text.len() % 3 == 1).unwrap();
    let (good, swapped) = (URL_SAFE_NO_PAD.encode(&claims), STANDARD_NO_PAD.encode(&claims));
    assert_ne!(good, swapped, "the alphabets differ here");
    let last = good.len() - 1;
    let trailing = format!("{}{}", &good[..last], if good.ends_with('A') { "B" } else { "h" });
    assert_eq!(target.api.me(Method::GET, "", &sign_parts(&header, &good, SIGNING_SECRET)).await.status, 200);
    for (what, payload) in [
        ("the standard alphabet", swapped),
        ("padding", URL_SAFE.encode(&claims)),
        ("trailing bits", trailing),
        ("white space", format!("{good} ")),
        ("white space", format!("{} {}", &good[..8], &good[8..])),
    ] {
        target.refuses_access(what, &sign_parts(&header, &payload, SIGNING_SECRET)).await;
    }
    target.refuses_access("a padded header", &sign_parts(&format!("{header}="), &good, SIGNING_SECRET)).await;
    target.still_works().await;
}

/// Values of every JSON type, each wrong for the claim `name` of both kinds of token.
fn wrong_values(name: &str) -> Vec<Value> {
    let huge: Value = serde_json::from_str("1e300").expect("a number");
    let mut wrong =
        vec![json!(null), json!(-1), json!(-1.5), json!(1.5), huge, json!(true), json!([]), json!({})];
    wrong.push(json!(["x"]));
    match name {
        "exp" | "nbf" | "iat" => {
            let time = if name == "exp" { now() + 600 } else { now() - 1 };
            let texts = [json!(""), json!(time.to_string())];
            wrong.extend(texts.into_iter().chain([
                json!(time as f64 + 0.5),
                json!([time]),
                json!({"$date": time}),
            ]));
        }
        "iss" | "aud" => {
            wrong.extend([json!(""), json!(1), json!("x")]);
            for good in [ISSUER, "api"] {
                wrong.extend([json!([good]), json!({ "value": good }), json!(format!("{good} "))]);
            }
        }
        _ => {}
    }
    wrong
}

/// Requirement ACCESS-6.
#[tokio::test]
async fn claims_that_are_missing_or_of_a_wrong_type_are_refused() {
    let target = Target::new().await;
    for name in ["iss", "sub", "aud", "exp", "iat", "jti", "sid", "client_id", "type"] {
        target.refuses(&format!("no {name}"), |c| c.claim(name, None)).await;
    }
    for name in ["iss", "sub", "aud", "exp", "iat", "jti", "sid", "client_id", "type", "nbf", "scope"] {
        for value in wrong_values(name) {
            target.refuses(&format!("{name} {value}"), |c| c.claim(name, value.clone())).await;
        }
    }
    target.refuses_refresh("no gen", &target.refresh.clone().claim("gen", None).sign()).await;
    for value in wrong_values("gen") {
        target.refuses_refresh("gen", &target.refresh.clone().claim("gen", value).sign()).await;
    }
    target.still_works().await;
}

#[tokio::test]
async fn foreign_issuers_audiences_and_ids_are_refused() {
    let target = Target::new().await;
    let issuer = target.access.claims["iss"].as_str().unwrap().to_owned();
    let slashed = format!("{issuer}/");
    for iss in ["", "https://evil.example.test", &slashed, &issuer.to_uppercase()] {
        target.refuses(&format!("iss {iss}"), |c| c.claim("iss", json!(iss))).await;
    }
    let access = |name: &str, value: Value| target.access.clone().claim(name, value).sign();
    let refresh = |name: &str, value: Value| target.refresh.clone().claim(name, value).sign();
    target.refuses_access("the audience of refresh tokens", &access("aud", json!(issuer))).await;
    target.refuses_access("a list of audiences", &access("aud", json!(["api"]))).await;
    target.refuses_access("no audience", &access("aud", json!(""))).await;
    target.refuses_refresh("the audience of access tokens", &refresh("aud", json!("api"))).await;
    target.refuses_refresh("a list of audiences", &refresh("aud", json!([issuer]))).await;
    let other_sid = "1000000000000000001";
    target.refuses_refresh("a sid that is not that of the jti", &refresh("sid", json!(other_sid))).await;
    target.refuses("a sid that is none", |c| c.claim("sid", json!("x}:{y"))).await;
    target.refuses_refresh("another's session", &refresh("sub", json!("bob"))).await;
    // `/verify` knows of ended sessions alone.
    for strange in [access("sid", json!(other_sid)), access("sub", json!("bob"))] {
        target.api.me(Method::GET, "", &strange).await.expect_error(401, "invalid_token");
    }
    target.refuses("a subject that is none", |c| c.claim("sub", json!(".."))).await;
    target.still_works().await;
}

/// Shows a token whose `name` lies `ahead` seconds ahead; again where a second went by meanwhile.
async fn show_ahead(api: &Api, access: &Craft, name: &str, ahead: u64) -> Answer {
    loop {
        let began = now();
        let answer = show(api, &access.clone().claim(name, json!(began + ahead)).sign()).await;
        if now() == began {
            return answer;
        }
    }
}

/// Requirement ACCESS-6.
#[tokio::test]
async fn the_leeway_is_the_documented_ten_seconds_and_none_for_exp() {
    const GUIDE: &str = include_str!("../../docs/guides/check-tokens-in-an-api.md");
    assert!(GUIDE.contains("10 seconds of leeway for `nbf` and `iat`, none for `exp`"), "it is documented");
    let target = Target::new().await;
    let Target { api, access, .. } = &target;
    for name in ["nbf", "iat"] {
        assert_eq!(show_ahead(api, access, name, 10).await.status, 200, "{name}");
        expect_refused(name, &show_ahead(api, access, name, 11).await);
        target.refuses_access(name, &access.clone().claim(name, json!(u64::MAX)).sign()).await;
    }
    assert_eq!(show_ahead(api, access, "exp", 1).await.status, 200);
    expect_refused("exp", &show_ahead(api, access, "exp", 0).await);
    for past in [0, 1, 59, 100_000] {
        target.refuses(&format!("expired {past} s ago"), |c| c.claim("exp", json!(now() - past))).await;
    }
    target.refuses("exp 0", |c| c.claim("exp", json!(0))).await;
    for ahead in [json!(now() + 15), json!(u64::MAX)] {
        target.refuses_refresh("nbf ahead", &target.refresh.clone().claim("nbf", ahead).sign()).await;
    }
    // The store is the authority on refresh tokens, and its clock may have gone back since.
    let refresh = target.refresh.clone().claim("iat", json!(now() + 15));
    assert_eq!(target.api.refresh(&refresh.sign()).await.status, 200);
}

#[tokio::test]
async fn a_generation_that_no_chain_can_reach_is_refused() {
    let target = Target::new().await;
    for generation in [u64::MAX, u64::MAX - 1, (1 << 52) + 1] {
        let token = target.refresh.clone().claim("gen", json!(generation));
        target.refuses_refresh("a generation beyond counting", &token.sign()).await;
    }
    target.still_works().await;
}

#[tokio::test]
async fn a_member_given_twice_is_refused() {
    let target = Target::new().await;
    let (header, claims) = (target.access.header.to_string(), target.access.claims.to_string());
    let twice = |json: &str, member: &str| format!("{},{member}}}", json.strip_suffix('}').unwrap());
    let sign = |header: &str, claims: &str| Craft::raw(header.as_bytes(), claims.as_bytes(), SIGNING_SECRET);
    assert_eq!(target.api.me(Method::GET, "", &sign(&header, &claims)).await.status, 200);
    for member in [r#""sub":"alice""#, r#""exp":9999999999"#, r#""aud":"api""#] {
        target.refuses_access(member, &sign(&header, &twice(&claims, member))).await;
    }
    target.refuses_access("alg twice", &sign(&twice(&header, r#""alg":"HS256""#), &claims)).await;
    for (what, header, claims) in [
        ("text after the claims", header.clone(), format!("{claims} x")),
        ("a list", header.clone(), format!("[{claims}]")),
        ("a header that is a list", r#"["HS256","at+jwt",null,null,null]"#.to_owned(), claims.clone()),
        ("claims that are a list", header.clone(), positional(&target.access.claims)),
        ("no header", "{}".to_owned(), claims.clone()),
        ("empty header", String::new(), claims.clone()),
    ] {
        target.refuses_access(what, &sign(&header, &claims)).await;
    }
    target.still_works().await;
}

/// The claims without their names, in their documented order.
fn positional(claims: &Value) -> String {
    let names = ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "sid", "gen", "client_id", "type", "scope"];
    let standing_in = |name: &&str| match *name {
        "nbf" | "gen" => json!(1),
        "scope" => json!("read"),
        name => claims[name].clone(),
    };
    Value::from(names.iter().map(standing_in).collect::<Vec<_>>()).to_string()
}

#[tokio::test]
async fn bytes_that_are_no_utf_8_are_refused() {
    let target = Target::new().await;
    let header = target.access.header.to_string();
    let mut claims = target.access.claims.to_string().replace("alice", "al_ce").into_bytes();
    let at = claims.iter().position(|byte| *byte == b'_').unwrap();
    claims[at] = 0xff;
    target.refuses_access("no UTF-8", &Craft::raw(header.as_bytes(), &claims, SIGNING_SECRET)).await;
    target.still_works().await;
}

#[tokio::test]
async fn the_previous_refresh_secret_still_opens_tokens_but_never_signs() {
    const NEW: &str = "the-new-refresh-secret-0123456789abcdef";
    let settings = [("REFRESH_SECRET", NEW), ("REFRESH_SECRET_PREVIOUS", REFRESH_SECRET)];
    let gateway = GATEWAY.embedded_with(&settings);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let under_old = Craft::refresh(&tokens.refresh).sign();
    assert_ne!(under_old, tokens.refresh);
    let refreshed = api.refresh(&under_old).await.tokens();
    assert_eq!(Craft::refresh(&refreshed.refresh).under(NEW).sign().len(), refreshed.refresh.len());
    let gateway = GATEWAY.embedded_with(&[("REFRESH_SECRET", NEW)]);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    api.refresh(&Craft::refresh(&tokens.refresh).sign()).await.expect_error(400, "invalid_grant");
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200);
}
