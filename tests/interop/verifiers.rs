//! JWT verifiers, each with every algorithm it knows: they accept our access tokens, and nothing else.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use token_gateway_testkit::balancer::Balancer;
use token_gateway_testkit::gateway::{Gateway, SIGNING_SECRET};

use super::verifier::{Trust, Verifier};
use crate::GATEWAY;

const ALL: [&str; 6] = [
    "jose.mjs",
    "fast-jwt.mjs",
    "pyjwt_verifier.py",
    "jwcrypto_verifier.py",
    "joserfc_verifier.py",
    "jsonwebtoken.mjs",
];

/// A fresh key set file, made as an operator makes it, and its folder, which exists until it is dropped.
pub fn key_set(alg: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.json").to_str().expect("text").to_owned();
    let mut new = GATEWAY.command("keys", &[("SIGNING_SECRET", ""), ("SIGNING_KEYS", &file)]);
    let made = new.args(["new", "--alg", alg]).output().expect("it runs");
    assert!(made.status.success(), "{made:?}");
    (folder, file)
}

/// Three gateways: a good one, one with the same keys and another issuer, and one with the same issuer and other keys.
/// The balancer leads to the first.
struct Three {
    good: Gateway,
    other_issuer: Gateway,
    other_keys: Gateway,
    issuer: String,
}

impl Three {
    async fn start(keys: (&str, &str), others: (&str, &str)) -> Self {
        let balancer = Balancer::start().await;
        let issuer = balancer.url();
        let start = |issuer: &str, keys: (&str, &str)| {
            let no_secret = if keys.0 == "SIGNING_KEYS" { [("SIGNING_SECRET", "")].as_slice() } else { &[] };
            GATEWAY.embedded_with(
                &[&[("ISSUER", issuer), ("TYP_JWT_AUDIENCES", "spring"), keys], no_secret].concat(),
            )
        };
        let good = start(&issuer, keys);
        balancer.send_to(&[&good]);
        let other_issuer = start(&format!("{issuer}/"), keys);
        Self { good, other_issuer, other_keys: start(&issuer, others), issuer }
    }

    /// Tokens, each with the reason why it is good or bad.
    async fn tokens(&self) -> Vec<(bool, &'static str, String)> {
        let good = self.good.api().login("alice").await;
        let refreshed = self.good.api().refresh(&good.refresh).await.tokens();
        let audience = self.good.api().issue(&json!({ "sub": "alice", "aud": "others" })).await.tokens();
        let mut forged = refreshed.access.clone();
        forged.insert(forged.rfind('.').expect("a signature") + 1, 'A');
        vec![
            (true, "of a login", good.access),
            (true, "of a refresh", refreshed.access.clone()),
            (false, "of another audience", audience.access),
            (false, "a refresh token", refreshed.refresh),
            (false, "of another issuer", self.other_issuer.api().login("alice").await.access),
            (false, "of other keys", self.other_keys.api().login("alice").await.access),
            (false, "with a spoilt signature", forged),
            (true, "the same again", refreshed.access),
        ]
    }
}

async fn show(name: &str, trust: &Trust<'_>, tokens: &[(bool, &str, String)]) {
    let mut verifier = Verifier::start(name, trust);
    for (good, what, token) in tokens {
        verifier.judge(*good, token).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    verifier.finish().await;
}

async fn all_judge_rightly(verifiers: &[&str], alg: &str, three: &Three) {
    let secret = (alg == "HS256").then_some(SIGNING_SECRET);
    let trust = Trust { issuer: &three.issuer, audience: "api", algorithms: alg, typ: "at+jwt", secret };
    let tokens = three.tokens().await;
    join_all(verifiers.iter().map(|name| show(name, &trust, &tokens))).await;
}

async fn key_sets_are_judged_rightly(verifiers: &[&str], alg: &str) {
    let ((_ours, file), (_others, other)) = (key_set(alg), key_set(alg));
    let three = Three::start(("SIGNING_KEYS", &file), ("SIGNING_KEYS", &other)).await;
    all_judge_rightly(verifiers, alg, &three).await;
}

#[tokio::test]
async fn every_verifier_accepts_es256_access_tokens_and_nothing_else() {
    key_sets_are_judged_rightly(&ALL, "ES256").await;
}

#[tokio::test]
async fn every_verifier_accepts_rs256_access_tokens_and_nothing_else() {
    key_sets_are_judged_rightly(&ALL, "RS256").await;
}

#[tokio::test]
async fn every_verifier_accepts_ps256_access_tokens_and_nothing_else() {
    key_sets_are_judged_rightly(&ALL, "PS256").await;
}

#[tokio::test]
async fn every_verifier_but_jsonwebtoken_which_does_not_know_it_accepts_eddsa() {
    key_sets_are_judged_rightly(&ALL[..5], "EdDSA").await;
}

#[tokio::test]
async fn every_verifier_accepts_access_tokens_of_a_shared_secret_and_nothing_else() {
    let other = ("SIGNING_SECRET", "another-signing-secret-of-the-tests-0123456789");
    let three = Three::start(("SIGNING_SECRET", SIGNING_SECRET), other).await;
    all_judge_rightly(&ALL, "HS256", &three).await;
}

#[tokio::test]
async fn every_verifier_accepts_access_tokens_of_a_shared_secret_in_a_key_set() {
    let ((folder, file), (_others, other)) = (key_set("HS256"), key_set("HS256"));
    let key = json!({ "kty": "oct", "alg": "HS256", "k": base64url(SIGNING_SECRET) });
    std::fs::write(folder.path().join("keys.json"), json!({ "keys": [key] }).to_string()).unwrap();
    let three = Three::start(("SIGNING_KEYS", &file), ("SIGNING_KEYS", &other)).await;
    all_judge_rightly(&ALL, "HS256", &three).await;
    let api = three.good.api();
    let published = api.send(api.request(Method::GET, "/.well-known/jwks.json")).await;
    assert_eq!(published.json(), json!({ "keys": [] }), "a secret is never published");
}

fn base64url(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

#[tokio::test]
async fn a_verifier_that_wants_the_typ_jwt_gets_it_for_its_audience() {
    let ((_ours, file), (_others, other)) = (key_set("ES256"), key_set("ES256"));
    let three = Three::start(("SIGNING_KEYS", &file), ("SIGNING_KEYS", &other)).await;
    let login = three.good.api().issue(&json!({ "sub": "alice", "aud": "spring" })).await.tokens();
    let at =
        |typ| Trust { issuer: &three.issuer, audience: "spring", algorithms: "ES256", typ, secret: None };
    for name in ["jose.mjs", "fast-jwt.mjs", "jwcrypto_verifier.py", "joserfc_verifier.py"] {
        show(name, &at("JWT"), &[(true, "typed JWT", login.access.clone())]).await;
        show(name, &at("at+jwt"), &[(false, "not typed at+jwt", login.access.clone())]).await;
        show(name, &at("JWT"), &[(false, "a refresh token", login.refresh.clone())]).await;
    }
}
