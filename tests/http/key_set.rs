//! Access tokens signed by a key set: every algorithm, the published keys, and changes of keys while a node runs.

use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair, UnparsedPublicKey,
};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, Validation, decode, jwk};
use reqwest::Method;
use serde_json::{Value, json};
use token_gateway::token::jwk::{PrivateJwk, Signs};
use token_gateway::token::key_set::KeySet;
use token_gateway_core::token::Alg;
use token_gateway_testkit::api::{Api, read};
use token_gateway_testkit::gateway::{Gateway, ISSUER, REFRESH_SECRET, SIGNING_SECRET};
use token_gateway_testkit::keys::Keys;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::{signal, wait_for};

use super::craft::{Craft, sign_parts};
use crate::{GATEWAY, keys_of};

fn start(keys: &Keys) -> Gateway {
    GATEWAY.embedded_with(&[("SIGNING_KEYS", keys.path()), ("SIGNING_SECRET", "")])
}

async fn jwks(api: &Api) -> Value {
    api.send(api.request(Method::GET, "/.well-known/jwks.json")).await.json()
}

/// Checks a token as a verifier does, with the published keys and nothing else.
async fn verifies(api: &Api, token: &str) -> bool {
    let published = jwks(api).await;
    if read(token).0["alg"] == "Ed25519" {
        return verifies_ed25519(&published, token);
    }
    let set: jwk::JwkSet = serde_json::from_value(published).expect("a JWK Set");
    let header = jsonwebtoken::decode_header(token).expect("a header");
    let Some(key) = set.find(header.kid.as_deref().expect("a kid")) else { return false };
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&["api"]);
    validation.set_issuer(&[ISSUER]);
    decode::<Value>(token, &DecodingKey::from_jwk(key).expect("a key"), &validation).is_ok()
}

/// The same by hand, because the library has no name for Ed25519 of RFC 9864.
fn verifies_ed25519(published: &Value, token: &str) -> bool {
    let header = read(token).0;
    let keys = published["keys"].as_array().expect("a list");
    let Some(key) = keys.iter().find(|key| key["kid"] == header["kid"]) else { return false };
    assert_eq!((&key["alg"], &key["crv"]), (&json!("Ed25519"), &json!("Ed25519")));
    let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let (message, signature) = token.rsplit_once('.').expect("a JWT");
    let public = UnparsedPublicKey::new(&ED25519, decoded(key["x"].as_str().expect("a point")));
    public.verify(message.as_bytes(), &decoded(signature)).is_ok()
}

async fn is_accepted(api: &Api, access: &str) -> bool {
    api.me(Method::GET, "", access).await.status == 200
}

#[tokio::test]
async fn tokens_of_every_algorithm_are_verified_with_nothing_but_the_published_keys() {
    for alg in [Alg::Es256, Alg::EdDsa, Alg::Ed25519, Alg::Rs256, Alg::Ps256] {
        let keys = keys_of(alg);
        let gateway = start(&keys);
        let api = gateway.api();
        let tokens = api.login("alice").await;
        let tokens = api.refresh(&tokens.refresh).await.tokens();
        let (header, _) = read(&tokens.access);
        assert_eq!((&header["alg"], &header["typ"]), (&json!(alg.as_str()), &json!("at+jwt")));
        assert!(verifies(&api, &tokens.access).await && is_accepted(&api, &tokens.access).await, "{alg:?}");
        assert_eq!(read(&tokens.refresh).0, json!({"typ": "rt+jwt", "alg": "HS256"}));
        assert_eq!(api.refresh(&tokens.access).await.status, 400, "no refresh token");
        assert!(!is_accepted(&api, &tokens.refresh).await, "no access token");
    }
}

/// Requirement KEYS-4.
#[tokio::test]
async fn every_published_key_has_kty_kid_use_alg_and_no_private_member() {
    let keys = Keys::none(GATEWAY);
    let algs = [Alg::Es256, Alg::EdDsa, Alg::Ed25519, Alg::Rs256, Alg::Ps256].into_iter().zip(1..);
    let mut all: Vec<_> = algs.map(|(alg, from)| PrivateJwk::generate(alg, Signs::Access, from)).collect();
    all.push(PrivateJwk::generate(Alg::Hs256, Signs::Access, 6));
    all.push(PrivateJwk::generate(Alg::Hs256, Signs::Refresh, 1));
    keys.write(&set(&all.iter().collect::<Vec<_>>()));
    let gateway = start(&keys);
    let published = jwks(&gateway.api()).await;
    let published = published["keys"].as_array().unwrap();
    let algs: Vec<_> = published.iter().map(|key| key["alg"].as_str().expect("an alg")).collect();
    assert_eq!(algs, ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"], "secrets are nobody's business");
    for key in published {
        let names: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        let expected: &[&str] = match key["kty"].as_str().unwrap() {
            "EC" => &["alg", "crv", "kid", "kty", "use", "x", "y"],
            "OKP" => &["alg", "crv", "kid", "kty", "use", "x"],
            "RSA" => &["alg", "e", "kid", "kty", "n", "use"],
            other => panic!("{other} is published"),
        };
        assert_eq!((names.as_slice(), &key["use"]), (expected, &json!("sig")));
        assert_eq!(key["kid"], thumbprint(key), "RFC 7638");
    }
}

/// RFC 7638 section 3, by hand: the required members, sorted, without blanks.
fn thumbprint(key: &Value) -> String {
    let names: &[&str] = match key["kty"].as_str().unwrap() {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => &["e", "kty", "n"],
    };
    let members: Vec<_> = names.iter().map(|name| format!(r#""{name}":{}"#, key[name])).collect();
    let hash = digest::digest(&digest::SHA256, format!("{{{}}}", members.join(",")).as_bytes());
    URL_SAFE_NO_PAD.encode(hash)
}

/// Requirement ACCESS-3.
#[tokio::test]
async fn a_published_key_is_no_hmac_secret_and_an_algorithm_is_not_exchanged_for_another() {
    for alg in [Alg::Es256, Alg::Rs256] {
        let keys = keys_of(alg);
        let gateway = start(&keys);
        let api = gateway.api();
        let good = api.login("alice").await.access;
        let published = jwks(&api).await["keys"][0].clone();
        let craft = Craft::access(&good).header("alg", json!("HS256"));
        let spki = Own::of(&keys, 0).spki();
        let pem =
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&spki));
        let kid = published["kid"].as_str().unwrap();
        let texts =
            [published.to_string(), pem.clone(), pem.trim_end().to_owned(), kid.to_owned(), String::new()];
        for secret in texts.iter().map(String::as_bytes).chain([&spki[..]]) {
            let forged = sealed(&craft, |message| {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
            });
            assert!(!is_accepted(&api, &forged).await, "{secret:?}");
        }
        let others = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519", "HS256", "none", "None", "nOnE", ""];
        for other in others.map(|it| Some(json!(it))).into_iter().chain([None]) {
            let craft = Craft::access(&good).header("alg", other.clone());
            let signed = sealed(&craft, |message| Own::of(&keys, 0).sign(message));
            let is_own = other == Some(json!(alg.as_str()));
            assert_eq!(is_accepted(&api, &signed).await, is_own, "{other:?}, signed by the right key");
        }
    }
}

#[tokio::test]
async fn rs256_and_ps256_of_one_key_are_not_exchanged() {
    for (alg, other) in [(Alg::Rs256, "PS256"), (Alg::Ps256, "RS256")] {
        let keys = keys_of(alg);
        let gateway = start(&keys);
        let api = gateway.api();
        let craft = Craft::access(&api.login("alice").await.access);
        let as_other = Own::of(&keys, 0).with_alg(other);
        for header in [other, alg.as_str()] {
            let craft = craft.clone().header("alg", json!(header));
            assert!(!is_accepted(&api, &sealed(&craft, |message| as_other.sign(message))).await, "{header}");
        }
        let own = sealed(&craft, |message| Own::of(&keys, 0).sign(message));
        assert!(is_accepted(&api, &own).await, "signed as it should be");
    }
}

/// RFC 9864: the signature is the same under both names, and a key has one of them.
#[tokio::test]
async fn eddsa_and_ed25519_of_one_key_are_not_exchanged() {
    for (alg, other) in [(Alg::EdDsa, "Ed25519"), (Alg::Ed25519, "EdDSA")] {
        let keys = keys_of(alg);
        let gateway = start(&keys);
        let api = gateway.api();
        let craft = Craft::access(&api.login("alice").await.access);
        let signed = |craft: &Craft| sealed(craft, |message| Own::of(&keys, 0).sign(message));
        assert!(is_accepted(&api, &signed(&craft)).await, "signed as it should be");
        for name in [other, "ed25519", "ED25519", "eddsa", "Ed448"] {
            let renamed = craft.clone().header("alg", json!(name));
            assert!(!is_accepted(&api, &signed(&renamed)).await, "{name} for a key of {alg:?}");
        }
    }
}

/// A key of the gateway in other hands.
struct Own(Value);

impl Own {
    fn of(keys: &Keys, n: usize) -> Self {
        Self(serde_json::from_str::<Value>(&keys.text()).unwrap()["keys"][n].clone())
    }

    fn with_alg(mut self, alg: &str) -> Self {
        self.0["alg"] = alg.into();
        self
    }

    fn member(&self, name: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(self.0[name].as_str().unwrap_or_default()).unwrap()
    }

    fn ec(&self) -> EcdsaKeyPair {
        let point = [&[4][..], &self.member("x"), &self.member("y")].concat();
        let alg = &ECDSA_P256_SHA256_FIXED_SIGNING;
        EcdsaKeyPair::from_private_key_and_public_key(alg, &self.member("d"), &point).unwrap()
    }

    fn rsa(&self) -> RsaKeyPair {
        let member = |name| self.member(name);
        let components = KeyPairComponents {
            public_key: PublicKeyComponents { n: member("n"), e: member("e") },
            d: member("d"),
            p: member("p"),
            q: member("q"),
            dP: member("dp"),
            dQ: member("dq"),
            qInv: member("qi"),
        };
        RsaKeyPair::from_components(&components).unwrap()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        if self.0["kty"] == "EC" {
            return self.ec().sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
        }
        if self.0["kty"] == "OKP" {
            let pair = Ed25519KeyPair::from_seed_and_public_key(&self.member("d"), &self.member("x"));
            return pair.unwrap().sign(message).as_ref().to_vec();
        }
        let is_pss = self.0["alg"] == "PS256";
        let encoding: &dyn RsaEncoding = if is_pss { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
        let pair = self.rsa();
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    /// The content of a public key's file: SubjectPublicKeyInfo.
    fn spki(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = if self.0["kty"] == "EC" {
            self.ec().public_key().as_der().unwrap()
        } else {
            self.rsa().public_key().as_der().unwrap()
        };
        der.as_ref().to_vec()
    }
}

fn sealed(craft: &Craft, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&craft.header), part(&craft.claims));
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(sign(message.as_bytes())))
}

#[tokio::test]
async fn a_kid_chooses_its_own_key_and_a_strange_one_none() {
    let keys = Keys::none(GATEWAY);
    let [one, two] = [1, 2].map(|from| PrivateJwk::generate(Alg::Es256, Signs::Access, from));
    keys.write(&set(&[&one, &two]));
    // With a secret beside the set: not even then does a strange kid lead to the secret.
    let gateway = GATEWAY.embedded_with(&[("SIGNING_KEYS", keys.path())]);
    let api = gateway.api();
    let craft = Craft::access(&api.login("alice").await.access);
    for (n, own, other) in [(0, &one, &two), (1, &two, &one)] {
        let signed = |kid: Option<Value>| {
            sealed(&craft.clone().header("kid", kid), |message| Own::of(&keys, n).sign(message))
        };
        assert!(is_accepted(&api, &signed(Some(json!(own.thumbprint())))).await);
        let strange = ["../../keys.json", "' OR 1=1 --", "", &"x".repeat(5000), &other.thumbprint()];
        for kid in strange.map(|kid| json!(kid)).into_iter().chain([json!(null), json!(1)]) {
            assert!(!is_accepted(&api, &signed(Some(kid.clone()))).await, "{kid}");
        }
        assert!(!is_accepted(&api, &signed(None)).await);
    }
    let by_secret =
        |kid: Option<Value>| craft.clone().header("alg", json!("HS256")).header("kid", kid).sign();
    assert!(is_accepted(&api, &by_secret(None)).await);
    for kid in [json!("../../x"), json!(one.thumbprint())] {
        assert!(!is_accepted(&api, &by_secret(Some(kid.clone()))).await, "{kid}");
    }
}

/// Logs in until a token has this `kid`.
async fn signed_by(api: &Api, kid: &str) -> String {
    for _ in 0..2000 {
        let access = api.login("alice").await.access;
        if read(&access).0["kid"] == kid {
            return access;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("'{kid}' does not sign");
}

/// A set of these keys; the last signs.
fn set(keys: &[&PrivateJwk]) -> String {
    let mut set = KeySet::default();
    set.keys = keys.iter().map(|key| (*key).clone()).collect();
    set.to_text()
}

#[tokio::test]
async fn a_changed_file_is_noticed_without_a_restart_and_tokens_of_the_former_key_stay_good() {
    let (one, two) = (
        PrivateJwk::generate(Alg::Es256, Signs::Access, 1),
        PrivateJwk::generate(Alg::EdDsa, Signs::Access, 2),
    );
    let keys = Keys::none(GATEWAY);
    keys.write(&set(&[&one]));
    let gateway = start(&keys);
    let api = gateway.api();
    let old = signed_by(&api, &one.thumbprint()).await;
    keys.write(&set(&[&one, &two]));
    let new = signed_by(&api, &two.thumbprint()).await;
    for token in [&old, &new] {
        assert!(verifies(&api, token).await && is_accepted(&api, token).await);
    }
    keys.write(&set(&[&two]));
    signal("-HUP", gateway.id());
    wait_for("the former key is gone", Duration::from_secs(10), || {
        gateway.log().contains(&format!("signing with key '{}', 1 published", two.thumbprint())).then_some(())
    });
    assert!(!is_accepted(&api, &old).await && is_accepted(&api, &new).await);
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_is_told_without_what_it_holds() {
    let keys = keys_of(Alg::Es256);
    let good = keys.text();
    let gateway = GATEWAY.embedded_with(&[
        ("SIGNING_KEYS", keys.path()),
        ("SIGNING_SECRET", ""),
        ("ADMIN_ADDR", "127.0.0.1:0"),
    ]);
    let api = gateway.api();
    let before = api.login("alice").await.access;
    let mut broken: Value = serde_json::from_str(&good).unwrap();
    let secret = broken["keys"][0]["d"].as_str().unwrap().to_owned();
    broken["keys"][0]["x"] = "AAAA".into();
    for (n, text) in
        [broken.to_string(), "{".to_owned(), String::new(), r#"{"keys": []}"#.to_owned()].iter().enumerate()
    {
        keys.write(text);
        signal("-HUP", gateway.id());
        wait_for("it is told", Duration::from_secs(10), || {
            (gateway.log().matches("the former keys stay at work").count() > n).then_some(())
        });
        assert!(is_accepted(&api, &before).await && verifies(&api, &api.login("alice").await.access).await);
    }
    std::fs::remove_file(keys.path()).unwrap();
    wait_for("a file that is gone is told too", Duration::from_secs(10), || {
        gateway.log().contains("No such file").then_some(())
    });
    assert!(!gateway.log().contains(&secret));
    let metrics = Api::new(&gateway.admin());
    let text = metrics.send(metrics.request(Method::GET, "/metrics")).await.text;
    assert!(!text.contains("token_gateway_key_set_failures_total 0"), "{text}");
    keys.write(&set(&[&PrivateJwk::generate(Alg::EdDsa, Signs::Access, 1)]));
    wait_for("a mended file is read", Duration::from_secs(10), || {
        gateway.log().contains("keys read again").then_some(())
    });
}

#[tokio::test]
async fn sighup_without_a_key_set_file_stops_nobody() {
    let gateway = GATEWAY.embedded();
    signal("-HUP", gateway.id());
    wait_for("it says so", Duration::from_secs(10), || gateway.log().contains("read again").then_some(()));
    gateway.api().login("alice").await;
}

#[tokio::test]
async fn a_key_set_takes_over_from_the_secret_and_nodes_that_know_only_the_secret_go_on_until_then() {
    let redis = Redis::start();
    let secret_only = GATEWAY.start(&redis);
    let by_secret = secret_only.api().login("alice").await;
    let far = now() + 3600;
    let (waiting, due) = (
        PrivateJwk::generate(Alg::Es256, Signs::Access, far),
        PrivateJwk::generate(Alg::EdDsa, Signs::Access, 1),
    );
    let keys = Keys::none(GATEWAY);
    keys.write(&set(&[&waiting]));
    let both = GATEWAY.start_with(&redis, &[("SIGNING_KEYS", keys.path())]);
    let api = both.api();
    let access = api.refresh(&by_secret.refresh).await.tokens().access;
    assert_eq!(read(&access).0["alg"], "HS256", "the secret signs until the key does");
    assert!(is_accepted(&secret_only.api(), &access).await, "nodes that know only the secret go on");
    assert_eq!(
        jwks(&api).await["keys"][0]["kid"],
        waiting.thumbprint().as_str(),
        "published before it signs"
    );
    keys.write(&set(&[&due]));
    let signed = signed_by(&api, &due.thumbprint()).await;
    for token in [&access, &signed] {
        assert!(is_accepted(&api, token).await);
    }
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Whether `REFRESH_SECRET` has signed it.
fn by_setting(refresh: &str) -> bool {
    let parts: Vec<&str> = refresh.split('.').collect();
    sign_parts(parts[0], parts[1], REFRESH_SECRET) == refresh
}

#[tokio::test]
async fn a_refresh_key_of_the_set_takes_over_and_old_refresh_tokens_stay_good() {
    let redis = Redis::start();
    let keys = keys_of(Alg::Es256);
    let gateways = [(); 2]
        .map(|()| GATEWAY.start_with(&redis, &[("SIGNING_KEYS", keys.path()), ("SIGNING_SECRET", "")]));
    let [one, two] = gateways.each_ref().map(Gateway::api);
    let tokens = one.login("alice").await;
    assert!(by_setting(&tokens.refresh));
    keys.run(&["new", "--refresh", "--delay-seconds", "5"]);
    let mut tokens = one.refresh(&tokens.refresh).await.tokens();
    for n in 0..10_000 {
        let api = if n % 2 == 0 { &one } else { &two };
        tokens = api.refresh(&tokens.refresh).await.tokens();
        if !by_setting(&tokens.refresh) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!by_setting(&tokens.refresh), "the key of the set signs");
    two.refresh(&tokens.refresh).await.tokens();
}

#[tokio::test]
async fn an_audience_may_have_typ_jwt_and_a_token_of_another_may_not() {
    let settings = [("TYP_JWT_AUDIENCES", "legacy,old"), ("ME_AUDIENCES", "api,legacy")];
    let gateway = GATEWAY.embedded_with(&settings);
    let api = gateway.api();
    let legacy = api.issue(&json!({"sub": "alice", "aud": "legacy"})).await.tokens();
    assert_eq!(read(&legacy.access).0["typ"], "JWT");
    assert_eq!(read(&api.login("alice").await.access).0["typ"], "at+jwt");
    assert!(is_accepted(&api, &legacy.access).await);
    let craft = Craft::access(&legacy.access);
    assert!(!is_accepted(&api, &craft.clone().claim("aud", json!("api")).sign()).await);
    assert!(
        is_accepted(&api, &craft.header("typ", json!("at+jwt")).sign()).await,
        "the stricter type always is"
    );
}

/// Requirement SECRET-2.
#[tokio::test]
async fn what_cannot_sign_is_refused_at_the_start_by_name() {
    let refused = |settings: &[(&str, &str)], expected: &str| {
        let output = GATEWAY.command("serve", settings).output().expect("it runs");
        let line = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
        assert!(line.contains(expected), "{line}");
        for secret in [SIGNING_SECRET, REFRESH_SECRET] {
            assert!(!line.contains(secret), "{line}");
        }
    };
    let keys = Keys::none(GATEWAY);
    refused(&[("SIGNING_KEYS", keys.path())], "SIGNING_KEYS");
    keys.write(r#"{"keys": []}"#);
    refused(&[("SIGNING_KEYS", keys.path()), ("SIGNING_SECRET", "")], "holds no key; make one with");
    keys.write(r#"{"keys": [{"kty": "EC"}]}"#);
    refused(&[("SIGNING_KEYS", keys.path())], "SIGNING_KEYS");
    let of =
        |alg| serde_json::from_str::<Value>(&KeySet::generate(alg).to_text()).unwrap()["keys"][0].clone();
    let rsa = of(Alg::Rs256);
    let mut small = rsa.clone();
    small["n"] = URL_SAFE_NO_PAD.encode([0xff; 128]).into();
    keys.write(&json!({"keys": [small]}).to_string());
    refused(&[("SIGNING_KEYS", keys.path())], "at least 2048");
    refused(&[("SIGNING_KEYS", keys.path())], "token-gateway keys new --alg RS256");
    let mut other = rsa.clone();
    other["alg"] = "PS256".into();
    for second in [&rsa, &other] {
        keys.write(&json!({"keys": [rsa, second]}).to_string());
        refused(&[("SIGNING_KEYS", keys.path())], "keys[1]: its key is there already");
    }
    let shared = json!({"kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(REFRESH_SECRET)});
    keys.write(&json!({"keys": [shared]}).to_string());
    refused(&[("SIGNING_KEYS", keys.path())], "REFRESH_SECRET: must differ");
    let mut refresh = shared.clone();
    refresh["signs"] = "refresh".into();
    refresh["k"] = URL_SAFE_NO_PAD.encode(SIGNING_SECRET).into();
    keys.write(&json!({"keys": [refresh]}).to_string());
    refused(&[("SIGNING_KEYS", keys.path())], "must differ");
}
