//! API nodes in Rust: access tokens checked in process, against real gateways.

mod actix;
mod dependencies;
mod examples;
mod failovers;
mod feed;
mod keys;
mod lost;
mod proxies;
mod seen;
mod stale;

use std::time::Duration;

use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::{Gateway, ISSUER, SIGNING_SECRET};
use token_gateway_testkit::service_key::WEB;
use token_gateway_verify::{Access, AccessRefusal, Builder, Feed, LinkSettings, Outcome, Unknown, Verifier};

/// Long enough for any wait, on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

const ENDED: Outcome = Outcome::Refused(AccessRefusal::Ended);
const STALE: Outcome = Outcome::Unknown(Unknown::FeedStale);

/// The feed of a gateway, over HTTP.
fn over_http(gateway: &Gateway) -> Feed {
    let url = format!("http://{}/v1/revocations", gateway.address());
    Feed::http(&url, WEB.key).expect("a URL")
}

/// The feed straight from Redis.
fn redis(url: &str) -> Feed {
    Feed::redis(LinkSettings::new(url), "tg").expect("a URL")
}

/// With the signing secret of the tests' gateways.
fn builder() -> Builder {
    Verifier::builder(ISSUER, "api").secret(SIGNING_SECRET).expect("a good secret")
}

/// A verifier of a gateway's tokens, after it has read the gateway's feed.
async fn verifier(gateway: &Gateway) -> Verifier {
    fresh(builder().feed(over_http(gateway)).start().expect("sound settings")).await
}

async fn fresh(verifier: Verifier) -> Verifier {
    eventually("the feed is read", LIMIT, async || (!verifier.is_stale()).then_some(())).await;
    verifier
}

/// Waits until a token is not accepted; returns the outcome.
async fn unaccepted(verifier: &Verifier, token: &str) -> Outcome {
    eventually("it is not accepted", LIMIT, async || {
        let outcome = verifier.verify(token).await;
        (!matches!(outcome, Outcome::Accepted(_))).then_some(outcome)
    })
    .await
}

async fn accepted(verifier: &Verifier, token: &str) -> Access {
    match verifier.verify(token).await {
        Outcome::Accepted(access) => access,
        outcome => panic!("not accepted: {outcome:?}"),
    }
}
