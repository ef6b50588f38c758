//! A denylist that is full gives no verdict on a token whose session it does not hold.

use std::sync::Arc;
use std::time::{Duration, Instant};

use token_gateway_core::checker::{AccessRefusal, Checker, Keys, Outcome, Rules, Unknown};
use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::limits::Limits;
use token_gateway_core::feed::{Denylist, EndedSession, Listener as _, RevocationEvent};
use token_gateway_core::session::{Reason, SessionId};
use token_gateway_core::token::{Parts, Secret, TokenRefusal, Typ, VerifyingKey, find_access_key};
use token_gateway_testkit::api::Tokens;
use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::{ISSUER, SIGNING_SECRET};

use super::LIMIT;
use crate::GATEWAY;

const MOST: usize = 1000;

struct OneKey(Arc<VerifyingKey>);

impl Keys for OneKey {
    fn find(&self, parts: &Parts<'_>) -> Result<(Arc<VerifyingKey>, Typ), TokenRefusal> {
        let (key, typ) = find_access_key(std::iter::once(&self.0), parts)?;
        Ok((key.clone(), typ))
    }
}

fn denylist(retention: Duration) -> Arc<Denylist> {
    let denylist = Denylist::with_limits(retention, Limits { many: MOST / 2, most: MOST });
    denylist.opened(1);
    Arc::new(denylist)
}

fn outcome(denylist: &Arc<Denylist>, goes_on_when_stale: bool, token: &str) -> Outcome {
    let secret = Secret::parse(SIGNING_SECRET).expect("a secret");
    let rules = Rules {
        issuer: ISSUER.to_owned(),
        audiences: vec!["api".to_owned()],
        takes_typ_jwt: false,
        max_stale: Duration::from_secs(3600),
        goes_on_when_stale,
    };
    let keys = OneKey(Arc::new(VerifyingKey::from_secret(&secret)));
    let checker = Checker::new(Arc::new(keys), rules, denylist.clone());
    checker.check(token, |_| Timestamp::from_system_clock())
}

fn event(sub: &str, session: SessionId) -> RevocationEvent {
    RevocationEvent {
        subject: sub.parse().expect("a subject"),
        ended: EndedSession { session, reason: Reason::Logout },
        at: Timestamp::from_system_clock(),
    }
}

fn ends_of_others(count: usize) -> Vec<RevocationEvent> {
    (0..count).map(|number| event(&format!("user-{number}"), SessionId::random())).collect()
}

/// The longest subjects take three and a half times the room of UUIDs.
#[test]
fn long_subjects_fill_it_with_fewer_ends() {
    let denylist = denylist(Duration::from_secs(60));
    let long = |number: usize| event(&format!("{number:0255}"), SessionId::random());
    denylist.events(0, (0..MOST / 4).map(long).collect(), None);
    assert!(denylist.holds_many() && !denylist.lacks_ends());
    denylist.events(0, (0..MOST / 4).map(long).collect(), None);
    assert!(denylist.lacks_ends());
    assert_eq!(denylist.held(), 289);
}

async fn login() -> Tokens {
    GATEWAY.embedded().api().login("alice").await
}

#[tokio::test]
async fn a_full_denylist_gives_no_verdict_on_unknown_sessions_whatever_the_rules_for_a_stale_feed_are() {
    let (tokens, ended) = (login().await, login().await);
    let denylist = denylist(Duration::from_secs(3600));
    let mut events = ends_of_others(MOST - 1);
    events.push(event("alice", ended.session.parse().expect("an id")));
    denylist.events(0, events, Some(Instant::now()));
    for accepts in [false, true] {
        assert!(
            matches!(outcome(&denylist, accepts, &tokens.access), Outcome::Accepted(_)),
            "it is just full"
        );
    }
    denylist.events(0, ends_of_others(1), Some(Instant::now()));
    for accepts in [false, true] {
        let unknown = Outcome::Unknown(Unknown::DenylistFull);
        assert_eq!(outcome(&denylist, accepts, &tokens.access), unknown);
        let refused = Outcome::Refused(AccessRefusal::Ended);
        assert_eq!(outcome(&denylist, accepts, &ended.access), refused);
    }
}

#[test]
fn a_full_denylist_takes_no_more_memory() {
    let denylist = denylist(Duration::from_secs(3600));
    for _ in 0..5 {
        denylist.events(0, ends_of_others(MOST), None);
        let own = event("bob", SessionId::random());
        denylist.add(&own.subject, &[own.ended]);
    }
    assert_eq!((denylist.held(), denylist.events_end()), (MOST, MOST as u64));
    assert!(denylist.holds_many() && denylist.lacks_ends());
}

#[tokio::test]
async fn once_the_missing_ends_are_too_old_there_are_verdicts_again() {
    let retention = Duration::from_secs(2);
    let denylist = denylist(retention);
    let (events, began) = (ends_of_others(MOST + 1), Instant::now());
    denylist.events(0, events, Some(began));
    assert!(denylist.lacks_ends());
    let complete = || (!denylist.lacks_ends()).then(|| began.elapsed());
    let took = eventually("it is complete", LIMIT, async || complete()).await;
    assert!(took >= retention, "{took:?}: the tokens of the missing ends may be good until then");
    eventually("old ends are gone", LIMIT, async || {
        denylist.events(0, Vec::new(), Some(Instant::now()));
        (denylist.held() == 0).then_some(())
    })
    .await;
    assert!(!denylist.lacks_ends());
}
