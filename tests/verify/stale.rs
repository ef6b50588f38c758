//! A node without the feed: it says so, and refuses or goes on as configured.

use std::time::Duration;

use token_gateway_testkit::eventually;
use token_gateway_verify::{AccessRefusal, Outcome, Unknown};

use super::{LIMIT, STALE, accepted, builder, fresh, over_http, unaccepted};
use crate::GATEWAY;

#[tokio::test]
async fn a_node_that_is_cut_off_refuses_or_goes_on_as_it_was_told_and_reports_it() {
    let gateway = GATEWAY.embedded();
    let tokens = gateway.api().login("alice").await;
    let short = Duration::from_secs(2);
    let strict = builder().feed(over_http(&gateway)).max_stale(short).start().expect("sound settings");
    let lenient = builder().feed(over_http(&gateway)).max_stale(short).accept_when_stale().start();
    let (strict, lenient) = (fresh(strict).await, fresh(lenient.expect("sound settings")).await);
    for verifier in [&strict, &lenient] {
        accepted(verifier, &tokens.access).await;
        assert!(verifier.stale().is_some_and(|stale| stale < short));
    }
    drop(gateway);
    assert_eq!(unaccepted(&strict, &tokens.access).await, STALE);
    eventually("it knows that it is stale", LIMIT, async || lenient.is_stale().then_some(())).await;
    accepted(&lenient, &tokens.access).await;
    assert!(lenient.stale().is_some_and(|stale| stale > short));
    assert!(matches!(lenient.verify("nonsense").await, Outcome::Refused(AccessRefusal::Token(_))));
}

/// A node that has never read the feed knows of no logout.
#[tokio::test]
async fn before_the_feed_was_read_there_is_no_verdict_unless_it_was_told_to_go_on() {
    let gateway = GATEWAY.embedded();
    let tokens = gateway.api().login("alice").await;
    let nobody = || {
        let url = format!("http://127.0.0.1:{}/v1/revocations", token_gateway_testkit::free_port());
        token_gateway_verify::Feed::http(&url, "some-key").expect("a URL")
    };
    let strict = builder().feed(nobody()).start().expect("sound settings");
    let lenient = builder().feed(nobody()).accept_when_stale().start().expect("sound settings");
    assert_eq!((strict.stale(), strict.is_stale()), (None, true));
    assert_eq!(strict.verify(&tokens.access).await, Outcome::Unknown(Unknown::FeedUnread));
    accepted(&lenient, &tokens.access).await;
}
