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
use token_gateway_verify::{Access, Builder, Feed, LinkSettings, Refused, Verifier};

/// Long enough for any wait, on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

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

/// Waits until a token is refused; returns the refusal.
async fn refused(verifier: &Verifier, token: &str) -> Refused {
    eventually("it is refused", LIMIT, async || verifier.verify(token).await.err()).await
}

async fn accepted(verifier: &Verifier, token: &str) -> Access {
    verifier.verify(token).await.expect("a good token")
}
