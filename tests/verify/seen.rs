//! Tokens good before: the verifier remembers them, and for no longer than they are good.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::json;
use token_gateway::token::key_set::KeySet;
use token_gateway_core::token::Alg;
use token_gateway_testkit::eventually;
use token_gateway_verify::{AccessRefusal, Outcome, TokenRefusal};

use super::keys::Node;
use super::{LIMIT, accepted, unaccepted, verifier};
use crate::GATEWAY;
use crate::http::craft::Craft;

fn seconds_from_now(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() + seconds
}

#[tokio::test]
async fn a_token_that_was_good_expires_all_the_same() {
    let gateway = GATEWAY.embedded();
    let verifier = verifier(&gateway).await;
    let tokens = gateway.api().login("alice").await;
    let brief = Craft::access(&tokens.access).claim("exp", json!(seconds_from_now(3))).sign();
    for _ in 0..3 {
        accepted(&verifier, &brief).await;
    }
    assert_eq!(
        unaccepted(&verifier, &brief).await,
        Outcome::Refused(AccessRefusal::Token(TokenRefusal::Expired))
    );
    accepted(&verifier, &tokens.access).await;
}

/// As an operator does after the loss of a key: another takes its place at once.
#[tokio::test]
async fn a_token_that_was_good_is_refused_once_its_key_is_gone() {
    let node = Node::published_for(Alg::Es256, "1");
    let (api, verifier) = (node.gateway.api(), node.verifier().await);
    let tokens = api.login("alice").await;
    let ask = async || api.send(api.request(Method::GET, "/verify").bearer_auth(&tokens.access)).await.status;
    assert_eq!(ask().await, 200);
    accepted(&verifier, &tokens.access).await;
    node.keys.write(&KeySet::generate(Alg::Es256).to_text());
    eventually("the gateway refuses it", LIMIT, async || (ask().await == 401).then_some(())).await;
    // As soon as it fetches the keys anew, ten seconds after the last time.
    assert_eq!(
        unaccepted(&verifier, &tokens.access).await,
        Outcome::Refused(AccessRefusal::Token(TokenRefusal::UnknownKey))
    );
}
