//! Keys over HTTP: kept, fetched anew, and fetched at once for an unknown key, but not too often.

use serde_json::Value;
use token_gateway_core::token::Alg;
use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::{Gateway, ISSUER, SIGNING_SECRET};
use token_gateway_testkit::keys::Keys;
use token_gateway_verify::{AccessRefusal, Outcome, TokenRefusal, Unknown, Verifier};

use super::{LIMIT, accepted, fresh, over_http};
use crate::http::craft::Craft;
use crate::{GATEWAY, keys_of};

pub(super) struct Node {
    pub gateway: Gateway,
    pub keys: Keys,
}

impl Node {
    /// No refresh of its keys comes in between.
    pub fn start(alg: Alg) -> Self {
        Self::published_for(alg, "3600")
    }

    /// With keys that may be kept for so many seconds.
    pub fn published_for(alg: Alg, seconds: &str) -> Self {
        let keys = keys_of(alg);
        let settings = [
            ("SIGNING_KEYS", keys.path()),
            ("SIGNING_SECRET", ""),
            ("JWKS_MAX_AGE_SECONDS", seconds),
            ("ADMIN_ADDR", "127.0.0.1:0"),
        ];
        Self { gateway: GATEWAY.embedded_with(&settings), keys }
    }

    pub async fn verifier(&self) -> Verifier {
        let url = format!("http://{}/.well-known/jwks.json", self.gateway.address());
        let builder = Verifier::builder(ISSUER, "api").jwks(&url).expect("a URL");
        fresh(builder.feed(over_http(&self.gateway)).start().expect("sound settings")).await
    }

    /// The number of requests for the keys.
    async fn asked(&self) -> u64 {
        let metrics = self.gateway.metrics().await;
        let line =
            metrics.lines().find(|line| line.contains("http_requests_total") && line.contains("jwks.json"));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("a count of the requests for keys")
    }
}

#[tokio::test]
async fn tokens_of_every_published_algorithm_are_accepted() {
    for alg in [Alg::Es256, Alg::EdDsa, Alg::Ed25519, Alg::Rs256, Alg::Ps256] {
        let node = Node::start(alg);
        let verifier = node.verifier().await;
        let tokens = node.gateway.api().login("alice").await;
        for _ in 0..2 {
            assert_eq!(accepted(&verifier, &tokens.access).await.subject().as_str(), "alice", "{alg:?}");
        }
        let (message, signature) = tokens.access.rsplit_once('.').expect("a JWT");
        let tampered = format!("{message}.{}", signature.chars().rev().collect::<String>());
        for bad in [tampered.as_str(), &tokens.refresh, "x.y.z"] {
            assert!(
                matches!(verifier.verify(bad).await, Outcome::Refused(AccessRefusal::Token(_))),
                "{alg:?} {bad}"
            );
        }
    }
}

/// A new key is known as soon as a token of it comes, without a wait for the next refresh.
#[tokio::test]
async fn a_key_that_was_made_since_is_fetched_when_a_token_names_it() {
    let node = Node::start(Alg::Es256);
    let verifier = node.verifier().await;
    let before = node.gateway.api().login("alice").await;
    accepted(&verifier, &before.access).await;
    // By then the set may be asked for again.
    node.keys.run(&["rotate", "--delay-seconds", "11"]);
    let kid = |token: &str| token_gateway_testkit::api::read(token).0["kid"].clone();
    let after = eventually("the new key signs", LIMIT, async || {
        let tokens = node.gateway.api().login("bob").await;
        (kid(&tokens.access) != kid(&before.access)).then_some(tokens)
    })
    .await;
    accepted(&verifier, &after.access).await;
    accepted(&verifier, &before.access).await;
}

/// However many tokens name it.
#[tokio::test]
async fn for_unknown_keys_the_set_is_asked_for_at_most_once_in_a_while() {
    let node = Node::start(Alg::Es256);
    let verifier = node.verifier().await;
    let good = node.gateway.api().login("alice").await;
    accepted(&verifier, &good.access).await;
    let before = node.asked().await;
    for n in 0..200 {
        let token = Craft::access(&good.access).header("kid", Value::from(format!("unknown-{n}"))).sign();
        let unknown_key = AccessRefusal::Token(TokenRefusal::UnknownKey);
        assert_eq!(verifier.verify(&token).await, Outcome::Refused(unknown_key));
    }
    let asked = node.asked().await - before;
    assert!(asked <= 1, "asked {asked} times");
    accepted(&verifier, &good.access).await;
}

/// No verdict without keys; and an unreadable set takes no key away.
#[tokio::test]
async fn until_the_keys_were_read_there_is_no_verdict() {
    let node = Node::start(Alg::Es256);
    let nobody = format!("http://127.0.0.1:{}/jwks.json", token_gateway_testkit::free_port());
    let builder = Verifier::builder(ISSUER, "api").jwks(&nobody).expect("a URL");
    let verifier = fresh(builder.feed(over_http(&node.gateway)).start().expect("sound settings")).await;
    let tokens = node.gateway.api().login("alice").await;
    assert_eq!(verifier.verify(&tokens.access).await, Outcome::Unknown(Unknown::KeysUnfetched));
    assert_eq!(verifier.check("nonsense"), Outcome::Unknown(Unknown::KeysUnfetched));
}

#[tokio::test]
async fn what_is_wrong_with_the_settings_is_said_at_the_start() {
    let of = |builder: Result<token_gateway_verify::Builder, token_gateway_verify::BuildError>| {
        builder.expect_err("it is refused").to_string()
    };
    let new = || Verifier::builder(ISSUER, "api");
    assert!(of(new().jwks("not a url")).contains("JWK Set"));
    assert!(of(new().jwks("ftp://x/keys")).contains("http(s)"));
    let secretive = of(new().jwks("https://user:hunter2@auth.example/jwks.json"));
    assert!(secretive.contains("password") && !secretive.contains("hunter2"), "{secretive}");
    let short = of(new().secret("too-short-to-be-a-secret"));
    assert!(short.contains("32") && !short.contains("too-short"), "{short}");
    assert!(new().start().expect_err("no keys").to_string().contains("keys"));
    let keys = new().jwks("http://127.0.0.1:1/jwks.json").expect("a URL");
    assert!(keys.start().expect_err("no feed").to_string().contains("feed"));
}

/// A secret out of a file or a Kubernetes Secret often ends with a line end.
#[tokio::test]
async fn line_ends_at_the_end_of_the_secret_are_no_part_of_it() {
    let gateway = GATEWAY.embedded();
    let tokens = gateway.api().login("alice").await;
    let former = Craft::access(&tokens.access).under("signing-secret-of-the-tests-0123456789\n").sign();
    for (ends, takes_former) in [("\n", true), ("\r\n", false), ("", false)] {
        let builder = Verifier::builder(ISSUER, "api").secret(&format!("{SIGNING_SECRET}{ends}"));
        let builder = builder.expect("a good secret").feed(over_http(&gateway));
        let verifier = fresh(builder.start().expect("sound settings")).await;
        accepted(&verifier, &tokens.access).await;
        let outcome = verifier.verify(&former).await;
        assert_eq!(matches!(outcome, Outcome::Accepted(_)), takes_former, "{ends:?}: {outcome:?}");
    }
}
