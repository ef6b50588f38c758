//! JWT verifiers, each with every algorithm it knows: they accept our access tokens, and nothing else.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use token_gateway_testkit::balancer::Balancer;
use token_gateway_testkit::gateway::{Gateway, SIGNING_SECRET};

use super::verifier::{Trust, Verifier};
use crate::GATEWAY;
use crate::stack::text_of;

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
async fn every_verifier_that_knows_its_newer_name_accepts_ed25519_and_nothing_else() {
    key_sets_are_judged_rightly(&["jose.mjs", "jwcrypto_verifier.py", "joserfc_verifier.py"], "Ed25519")
        .await;
}

/// The verifiers as docs/reference/algorithms.md names them.
const ON_THE_PAGE: [(&str, &str); 6] = [
    ("jose.mjs", "jose"),
    ("fast-jwt.mjs", "fast-jwt"),
    ("jsonwebtoken.mjs", "jsonwebtoken"),
    ("pyjwt_verifier.py", "PyJWT"),
    ("jwcrypto_verifier.py", "jwcrypto"),
    ("joserfc_verifier.py", "joserfc"),
];

/// The row of a verifier: its version, and whether it knows EdDSA and Ed25519.
fn row(name: &str, language: &str) -> (String, [bool; 2]) {
    let page = text_of("docs/reference/algorithms.md");
    let is_it =
        |line: &&str| line.starts_with(&format!("| {name} ")) && line.contains(&format!("({language})"));
    let line = page.lines().find(is_it).unwrap_or_else(|| panic!("{name} is not on the page"));
    let cells: Vec<_> = line.split('|').map(str::trim).collect();
    let version = cells[1].split(' ').nth(1).expect("a version").to_owned();
    (version, [cells[2] == "yes", cells[3] == "yes"])
}

#[tokio::test]
async fn the_page_says_rightly_which_verifier_knows_which_name_of_ed25519() {
    for (n, alg) in ["EdDSA", "Ed25519"].into_iter().enumerate() {
        let (_folder, file) = key_set(alg);
        let balancer = Balancer::start().await;
        let issuer = balancer.url();
        let settings = [("ISSUER", issuer.as_str()), ("SIGNING_KEYS", &file), ("SIGNING_SECRET", "")];
        let gateway = GATEWAY.embedded_with(&settings);
        balancer.send_to(&[&gateway]);
        let token = gateway.api().login("alice").await.access;
        let trust = Trust { issuer: &issuer, audience: "api", algorithms: alg, typ: "at+jwt", secret: None };
        for (script, name) in ON_THE_PAGE {
            let language = if script.ends_with(".mjs") { "Node.js" } else { "Python" };
            let knows = Verifier::start(script, &trust).judge(true, &token).await.is_ok();
            assert_eq!(row(name, language).1[n], knows, "{name} {alg}");
        }
        let knows = jsonwebtoken::decode_header(&token).is_ok();
        assert_eq!(row("jsonwebtoken", "Rust").1[n], knows, "jsonwebtoken for Rust, {alg}");
    }
}

#[test]
fn the_page_names_the_versions_that_are_installed() {
    let npm: serde_json::Value =
        serde_json::from_str(&text_of("tests/interop/npm/package-lock.json")).expect("JSON");
    let pypi = text_of("tests/interop/pypi/requirements.txt").to_lowercase();
    for (script, name) in ON_THE_PAGE {
        let language = if script.ends_with(".mjs") { "Node.js" } else { "Python" };
        let (version, _) = row(name, language);
        let is_installed = match language {
            "Node.js" => npm["packages"][format!("node_modules/{name}")]["version"] == version.as_str(),
            _ => pypi.contains(&format!("{}=={version}", name.to_lowercase())),
        };
        assert!(is_installed, "{name} {version}");
    }
    let (version, _) = row("jsonwebtoken", "Rust");
    assert!(text_of("Cargo.lock").contains(&format!("name = \"jsonwebtoken\"\nversion = \"{version}\"")));
}

/// RFC 7517 section 5: a key that a verifier does not know is no reason to refuse the others.
#[tokio::test]
async fn an_ed25519_key_beside_an_es256_key_spoils_no_verifier() {
    let ((folder, file), (_others, other)) = (key_set("ES256"), key_set("ES256"));
    let mut rotate = GATEWAY.command("keys", &[("SIGNING_SECRET", ""), ("SIGNING_KEYS", &file)]);
    assert!(rotate.args(["rotate", "--alg", "Ed25519"]).output().expect("it runs").status.success());
    let three = Three::start(("SIGNING_KEYS", &file), ("SIGNING_KEYS", &other)).await;
    all_judge_rightly(&ALL, "ES256", &three).await;
    drop(folder);
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
