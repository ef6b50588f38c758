//! The duties of every backend: one suite, run once for each.

use std::time::Duration;

use futures_util::future::join_all;
use token_gateway::store::{
    Created, EndOutcome, Lookup, NewSession, Policy, ReuseScope, Rotated, SessionRecord,
};
use token_gateway_core::clock::Moment;
use token_gateway_core::feed::EndedSession;
use token_gateway_core::session::{Jti, Reason, SessionId};

use super::{Bench, CLIENT, new_session, policy, subject, successor};

/// Each line is a test for every backend.
macro_rules! contract {
    ($($name:ident($policy:expr)),+ $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $name() { super::$name(&super::Bench::memory($policy)).await; })+
        }
        mod redis {
            $(#[tokio::test] async fn $name() { super::$name(&super::Bench::redis($policy)).await; })+
        }
    };
}

contract! {
    a_matching_token_is_rotated_and_carries_what_the_session_holds(super::policy()),
    the_same_attempt_again_is_a_replay_and_writes_nothing(super::policy()),
    of_calls_at_once_one_is_rotated(super::policy()),
    a_superseded_token_ends_every_session_of_the_subject(super::policy()),
    a_reuse_scope_of_session_spares_the_others(super::only_the_session()),
    reuse_spares_sessions_created_after_it_was_sent(super::policy()),
    a_token_sent_before_the_record_moved_is_late_for_four_generations(super::policy()),
    a_token_that_was_held_up_on_its_way_is_late_whatever_its_generation(super::quick()),
    a_token_ahead_of_its_record_is_healed_and_reuse_still_caught(super::policy()),
    of_two_successors_after_a_lost_rotation_only_one_goes_on(super::policy()),
    grace_gives_the_same_successor_and_never_moves_its_window(super::with_grace()),
    an_ended_session_is_refused_without_an_alarm(super::policy()),
    ending_twice_changes_nothing_and_tells_what_was_not_published(super::policy()),
    ending_a_subject_spares_one_and_later_sessions(super::policy()),
    what_was_not_published_is_told_again_until_it_is(super::policy()),
    a_create_is_done_once_and_never_revives_or_comes_late(super::policy()),
    a_doubled_create_tells_again_whom_it_evicted(super::policy()),
    evictions_wait_to_be_published_for_as_long_as_their_tombstones_live(super::long_tombstones()),
    the_least_recently_refreshed_makes_room(super::policy()),
    an_idle_session_is_gone_and_a_rotation_re_arms_it(super::policy()),
    no_rotation_passes_the_absolute_lifetime(super::policy()),
    a_lowered_absolute_lifetime_holds_from_the_next_rotation_and_a_raised_one_extends_none(super::policy()),
    a_session_older_than_a_lowered_lifetime_is_unknown_and_stays_so(super::policy()),
    a_session_that_is_over_makes_room_before_one_that_lives(super::policy()),
    a_replay_tells_the_least_end_and_writes_nothing(super::policy()),
    a_healed_record_and_a_doubled_create_tell_the_least_end(super::policy()),
    a_tombstone_is_forgotten_after_its_time(super::policy()),
    claims_are_replaced_for_one_or_all_and_never_for_the_dead(super::policy()),
    a_list_holds_the_live_sessions_of_one_subject(super::policy()),
    the_first_and_the_last_client_are_kept(super::policy()),
    only_a_call_that_moves_the_record_on_brings_its_client(super::with_grace()),
}

fn only_the_session() -> Policy {
    Policy { reuse_scope: ReuseScope::Session, ..policy() }
}

fn quick() -> Policy {
    Policy { held_up: Duration::ZERO, ..policy() }
}

fn with_grace() -> Policy {
    Policy { refresh_grace: Duration::from_secs(10), ..policy() }
}

fn long_tombstones() -> Policy {
    Policy { tombstone_ttl: Duration::from_secs(100), max_sessions: 1, ..policy() }
}

/// The absolute lifetimes of the contract's own policy, in seconds, and of nodes with another one.
const AGES: [Option<u64>; 3] = [Some(150), Some(100), None];

fn aged(seconds: Option<u64>) -> Policy {
    Policy { session_max_age: seconds.map(Duration::from_secs), ..policy() }
}

/// The absolute lifetime that a record states, in seconds.
fn lifetime(record: &SessionRecord) -> Option<u64> {
    record.absolute_expires_at.map(|end| (end.0 - record.created_at.0) / 1_000_000)
}

async fn live(bench: &Bench, name: &str, jti: Jti) -> Option<SessionRecord> {
    match bench.store.get(&subject(name), jti.session()).await.unwrap() {
        Lookup::Live { record, .. } => Some(*record),
        _ => None,
    }
}

async fn rotated(bench: &Bench, name: &str, jti: Jti, generation: u64, attempt: &str) -> Jti {
    match bench.rotate(&subject(name), jti, generation, attempt).await {
        Rotated::Rotated(grant) => grant.jti,
        other => panic!("not rotated: {other:?}"),
    }
}

fn sorted(ended: &[EndedSession]) -> Vec<SessionId> {
    let mut ids: Vec<_> = ended.iter().map(|one| one.session).collect();
    ids.sort();
    ids
}

fn ids(jtis: &[Jti]) -> Vec<SessionId> {
    let mut ids: Vec<_> = jtis.iter().map(Jti::session).collect();
    ids.sort();
    ids
}

async fn a_matching_token_is_rotated_and_carries_what_the_session_holds(bench: &Bench) {
    let alice = subject("alice");
    let first = bench.create(&alice).await;
    let Rotated::Rotated(grant) = bench.rotate(&alice, first, 0, "a").await else { panic!("not rotated") };
    assert_eq!((grant.jti, grant.generation), (successor(first, "a"), 1));
    assert_eq!((grant.claims.as_str(), grant.scope.as_str()), (r#"{"role":"admin"}"#, "read write"));
    assert_eq!((grant.aud.as_str(), grant.issued_at), ("billing", grant.now));
    let record = live(bench, "alice", first).await.expect("live");
    assert_eq!((record.generation, record.client_id.as_str()), (1, "web"));
    assert_eq!(record.last_refreshed_at, grant.issued_at);
    assert_eq!(record.absolute_expires_at, Some(record.created_at.plus(Duration::from_secs(150))));
    assert_eq!(record.client, CLIENT);
}

async fn the_same_attempt_again_is_a_replay_and_writes_nothing(bench: &Bench) {
    let alice = subject("alice");
    let first = bench.create(&alice).await;
    let Rotated::Rotated(once) = bench.rotate(&alice, first, 0, "a").await else { panic!("not rotated") };
    let before = live(bench, "alice", first).await;
    bench.age(Duration::from_secs(30));
    let Rotated::Replayed(again) = bench.rotate(&alice, first, 0, "a").await else { panic!("not replayed") };
    assert_eq!((again.jti, again.generation), (once.jti, once.generation));
    assert_eq!(again.issued_at, once.issued_at.minus(Duration::from_secs(30)));
    let after = live(bench, "alice", first).await;
    let expiry = |record: Option<SessionRecord>| record.expect("live").expires_at.0 / 1_000_000;
    assert_eq!(expiry(after), expiry(before) - 30, "a replay does not re-arm the lifetime");
}

async fn of_calls_at_once_one_is_rotated(bench: &Bench) {
    let alice = subject("alice");
    let first = bench.create(&alice).await;
    let (sent_at, attempts) = (bench.moment().await, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    let calls = attempts.iter().map(|attempt| bench.rotate_sent_at(&alice, first, 0, attempt, sent_at));
    let (rotated, others): (Vec<_>, Vec<_>) =
        join_all(calls).await.into_iter().partition(|outcome| matches!(outcome, Rotated::Rotated(_)));
    assert_eq!(rotated.len(), 1, "{rotated:?}");
    assert!(others.iter().all(|outcome| *outcome == Rotated::Late), "{others:?}");
}

async fn a_superseded_token_ends_every_session_of_the_subject(bench: &Bench) {
    let (alice, bob) = (subject("alice"), subject("bob"));
    let (first, other) = (bench.create(&alice).await, bench.create(&alice).await);
    let foreign = bench.create(&bob).await;
    let second = rotated(bench, "alice", first, 0, "a").await;
    let Rotated::Reused(ended) = bench.rotate(&alice, first, 0, "b").await else { panic!("not reused") };
    assert_eq!(sorted(&ended.now), ids(&[first, other]));
    assert!(ended.now.iter().all(|one| one.reason == Reason::Reuse) && ended.before.is_empty());
    for (jti, generation) in [(second, 1), (other, 0), (first, 0)] {
        let outcome = bench.rotate(&alice, jti, generation, "c").await;
        assert_eq!(outcome, Rotated::Ended { reason: Reason::Reuse, published: false });
    }
    assert!(live(bench, "bob", foreign).await.is_some());
}

async fn a_reuse_scope_of_session_spares_the_others(bench: &Bench) {
    let alice = subject("alice");
    let (first, other) = (bench.create(&alice).await, bench.create(&alice).await);
    rotated(bench, "alice", first, 0, "a").await;
    let Rotated::Reused(ended) = bench.rotate(&alice, first, 0, "b").await else { panic!("not reused") };
    assert_eq!(sorted(&ended.now), ids(&[first]));
    assert!(live(bench, "alice", other).await.is_some());
}

async fn reuse_spares_sessions_created_after_it_was_sent(bench: &Bench) {
    let alice = subject("alice");
    let first = bench.create(&alice).await;
    rotated(bench, "alice", first, 0, "a").await;
    let sent_at = bench.moment().await;
    let later = bench.create(&alice).await;
    let outcome = bench.rotate_sent_at(&alice, first, 0, "b", sent_at).await;
    let Rotated::Reused(ended) = outcome else { panic!("not reused: {outcome:?}") };
    assert_eq!(sorted(&ended.now), ids(&[first]));
    assert!(live(bench, "alice", later).await.is_some());
}

async fn a_token_sent_before_the_record_moved_is_late_for_four_generations(bench: &Bench) {
    let alice = subject("alice");
    let mut chain = vec![bench.create(&alice).await];
    let early = bench.moment().await;
    for generation in 0..5 {
        chain.push(rotated(bench, "alice", chain[generation as usize], generation, "a").await);
    }
    for generation in [4, 3, 2, 1] {
        let outcome = bench.rotate_sent_at(&alice, chain[generation as usize], generation, "b", early).await;
        assert_eq!(outcome, Rotated::Late, "generation {generation}");
    }
    assert_eq!(live(bench, "alice", chain[0]).await.expect("nothing was written").generation, 5);
    let outcome = bench.rotate_sent_at(&alice, chain[0], 0, "b", early).await;
    assert!(matches!(outcome, Rotated::Reused(_)), "five behind: {outcome:?}");
}

/// Without this, an honest client is accused: it hangs up, repeats its request elsewhere, and moves on five times
/// before the first copy arrives.
async fn a_token_that_was_held_up_on_its_way_is_late_whatever_its_generation(bench: &Bench) {
    let alice = subject("alice");
    let mut chain = vec![bench.create(&alice).await];
    let early = bench.moment().await;
    for generation in 0..9 {
        chain.push(rotated(bench, "alice", chain[generation as usize], generation, "a").await);
    }
    assert_eq!(bench.rotate_sent_at(&alice, chain[0], 0, "b", early).await, Rotated::Late);
    let outcome = bench.rotate(&alice, chain[0], 0, "b").await;
    assert!(matches!(outcome, Rotated::Reused(_)), "sent after the record last moved: {outcome:?}");
}

async fn a_token_ahead_of_its_record_is_healed_and_reuse_still_caught(bench: &Bench) {
    let alice = subject("alice");
    let first = bench.create(&alice).await;
    // Two rotations lost by the store.
    let (second, third) = (successor(first, "a"), successor(successor(first, "a"), "a"));
    let outcome = bench.rotate(&alice, third, 2, "b").await;
    let Rotated::RolledBack(grant) = outcome else { panic!("not healed: {outcome:?}") };
    assert_eq!((grant.jti, grant.generation), (successor(third, "b"), 3));
    assert!(matches!(bench.rotate(&alice, third, 2, "b").await, Rotated::Replayed(_)));
    let outcome = bench.rotate(&alice, second, 1, "c").await;
    assert!(matches!(outcome, Rotated::Reused(_)), "{outcome:?}");
}

/// A lost primary granted one, the primary in its place the other: at most one of them is a token of the record.
async fn of_two_successors_after_a_lost_rotation_only_one_goes_on(bench: &Bench) {
    let alice = subject("alice");
    let first = bench.create(&alice).await;
    let lost = successor(first, "a");
    rotated(bench, "alice", first, 0, "b").await;
    let outcome = bench.rotate(&alice, lost, 1, "c").await;
    assert!(matches!(outcome, Rotated::Reused(_)), "of the same generation, and another: {outcome:?}");
}

async fn grace_gives_the_same_successor_and_never_moves_its_window(bench: &Bench) {
    let alice = subject("alice");
    let first = bench.create(&alice).await;
    let second = rotated(bench, "alice", first, 0, "a").await;
    for _ in 0..2 {
        bench.age(Duration::from_secs(4));
        let outcome = bench.rotate(&alice, first, 0, "b").await;
        let Rotated::Replayed(grant) = outcome else { panic!("within the window: {outcome:?}") };
        assert_eq!(grant.jti, second, "the chain never forks");
    }
    bench.age(Duration::from_secs(4));
    let outcome = bench.rotate(&alice, first, 0, "b").await;
    assert!(matches!(outcome, Rotated::Reused(_)), "12 s after the rotation: {outcome:?}");
}

async fn an_ended_session_is_refused_without_an_alarm(bench: &Bench) {
    let alice = subject("alice");
    let (first, other) = (bench.create(&alice).await, bench.create(&alice).await);
    let second = rotated(bench, "alice", first, 0, "a").await;
    assert_eq!(bench.store.end_session(&alice, first.session(), Reason::Logout).await, Ok(EndOutcome::Ended));
    for (jti, generation) in [(first, 0), (second, 1)] {
        let outcome = bench.rotate(&alice, jti, generation, "a").await;
        assert_eq!(outcome, Rotated::Ended { reason: Reason::Logout, published: false });
    }
    assert!(live(bench, "alice", other).await.is_some());
}

async fn ending_twice_changes_nothing_and_tells_what_was_not_published(bench: &Bench) {
    let alice = subject("alice");
    let jti = bench.create(&alice).await;
    let session = jti.session();
    assert_eq!(bench.store.end_session(&alice, session, Reason::Logout).await, Ok(EndOutcome::Ended));
    let again = bench.store.end_session(&alice, session, Reason::Admin).await;
    assert_eq!(again, Ok(EndOutcome::Already { reason: Reason::Logout, published: false }));
    let ended = [EndedSession { session, reason: Reason::Logout }];
    bench.store.publish(&alice, &ended).await.unwrap();
    bench.store.mark_published(&alice, &ended).await.unwrap();
    let again = bench.store.end_session(&alice, session, Reason::Admin).await;
    assert_eq!(again, Ok(EndOutcome::Already { reason: Reason::Logout, published: true }));
    let nobody = bench.store.end_session(&alice, SessionId::random(), Reason::Logout).await;
    assert_eq!(nobody, Ok(EndOutcome::Missing));
}

async fn ending_a_subject_spares_one_and_later_sessions(bench: &Bench) {
    let alice = subject("alice");
    let (first, kept) = (bench.create(&alice).await, bench.create(&alice).await);
    let sent_at = bench.moment().await;
    let later = bench.create(&alice).await;
    let ended = bench
        .store
        .end_subject(&alice, Some(kept.session()), Reason::Logout, Moment::Stored(sent_at))
        .await
        .unwrap();
    assert_eq!((sorted(&ended.now), ended.before.len()), (ids(&[first]), 0));
    assert!(live(bench, "alice", kept).await.is_some() && live(bench, "alice", later).await.is_some());
    let rest = bench
        .store
        .end_subject(&alice, None, Reason::Admin, Moment::Stored(bench.moment().await))
        .await
        .unwrap();
    assert_eq!((sorted(&rest.now), sorted(&rest.before)), (ids(&[kept, later]), ids(&[first])));
}

async fn what_was_not_published_is_told_again_until_it_is(bench: &Bench) {
    let alice = subject("alice");
    let (first, second) = (bench.create(&alice).await, bench.create(&alice).await);
    let ended = bench
        .store
        .end_subject(&alice, None, Reason::Logout, Moment::Stored(bench.moment().await))
        .await
        .unwrap();
    assert_eq!(sorted(&ended.now), ids(&[first, second]));
    let unpublished = bench.store.unpublished(&alice).await.unwrap();
    assert_eq!(sorted(&unpublished), ids(&[first, second]));
    assert!(unpublished.iter().all(|one| one.reason == Reason::Logout), "{unpublished:?}");
    bench.store.publish(&alice, &unpublished[..1]).await.unwrap();
    assert_eq!(sorted(&bench.store.unpublished(&alice).await.unwrap()), ids(&[first, second]));
    bench.store.mark_published(&alice, &unpublished[..1]).await.unwrap();
    assert_eq!(bench.store.unpublished(&alice).await.unwrap(), unpublished[1..]);
    let moment = Moment::Stored(bench.moment().await);
    let again = bench.store.end_subject(&alice, None, Reason::Admin, moment).await.unwrap();
    assert_eq!((again.now.len(), again.before), (0, unpublished[1..].to_vec()), "found by the next end, too");
}

async fn a_create_is_done_once_and_never_revives_or_comes_late(bench: &Bench) {
    let alice = subject("alice");
    let jti = Jti::first(SessionId::random());
    let deadline = bench.moment().await.plus(Duration::from_secs(5));
    let new = new_session(&alice, jti, deadline);
    let Ok(Created::Created { created_at, .. }) = bench.store.create(&new).await else {
        panic!("not created")
    };
    match bench.store.create(&new).await {
        Ok(Created::Created { created_at: again, .. }) => assert_eq!(again, created_at),
        other => panic!("the same create, doubled on its way, is the same success: {other:?}"),
    }
    let other = Jti::first(jti.session());
    assert_eq!(bench.store.create(&new_session(&alice, other, deadline)).await, Ok(Created::Exists));
    let _ = rotated(bench, "alice", jti, 0, "a").await;
    assert_eq!(bench.store.create(&new).await, Ok(Created::Exists), "it has moved on");
    let _ = bench.store.end_session(&alice, jti.session(), Reason::Logout).await.unwrap();
    assert_eq!(bench.store.create(&new).await, Ok(Created::Exists), "there is a tombstone");
    let late = new_session(&alice, Jti::first(SessionId::random()), bench.moment().await);
    bench.moment().await;
    assert_eq!(bench.store.create(&late).await, Ok(Created::Late));
}

async fn a_doubled_create_tells_again_whom_it_evicted(bench: &Bench) {
    let alice = subject("alice");
    let oldest = bench.create(&alice).await;
    bench.create(&alice).await;
    bench.create(&alice).await;
    let jti = Jti::first(SessionId::random());
    let new = new_session(&alice, jti, bench.moment().await.plus(Duration::from_secs(5)));
    for _ in 0..2 {
        let created = bench.store.create(&new).await.unwrap();
        let Created::Created { ended, .. } = created else { panic!("not created: {created:?}") };
        assert_eq!(sorted(&ended.all()), ids(&[oldest]));
    }
}

async fn evictions_wait_to_be_published_for_as_long_as_their_tombstones_live(bench: &Bench) {
    let alice = subject("alice");
    let evicted = bench.create(&alice).await;
    bench.create(&alice).await;
    bench.age(Duration::from_secs(90));
    let unpublished = bench.store.unpublished(&alice).await.unwrap();
    assert_eq!(sorted(&unpublished), ids(&[evicted]));
}

async fn the_least_recently_refreshed_makes_room(bench: &Bench) {
    let alice = subject("alice");
    let (first, second, third) =
        (bench.create(&alice).await, bench.create(&alice).await, bench.create(&alice).await);
    rotated(bench, "alice", first, 0, "a").await;
    let fourth = Jti::first(SessionId::random());
    let deadline = bench.moment().await.plus(Duration::from_secs(5));
    let created = bench.store.create(&new_session(&alice, fourth, deadline)).await.unwrap();
    let Created::Created { ended, .. } = created else { panic!("not created: {created:?}") };
    assert_eq!(ended.now, [EndedSession { session: second.session(), reason: Reason::Evicted }]);
    let listed: Vec<_> = bench.list(&alice).await.iter().map(|one| one.session).collect();
    assert_eq!(listed, [fourth.session(), first.session(), third.session()]);
}

async fn an_idle_session_is_gone_and_a_rotation_re_arms_it(bench: &Bench) {
    let alice = subject("alice");
    let (kept, idle) = (bench.create(&alice).await, bench.create(&alice).await);
    bench.age(Duration::from_secs(40));
    let second = rotated(bench, "alice", kept, 0, "a").await;
    bench.age(Duration::from_secs(40));
    assert_eq!(bench.rotate(&alice, idle, 0, "a").await, Rotated::Missing);
    rotated(bench, "alice", second, 1, "a").await;
    assert_eq!(bench.list(&alice).await.len(), 1);
}

async fn no_rotation_passes_the_absolute_lifetime(bench: &Bench) {
    let alice = subject("alice");
    let mut jti = bench.create(&alice).await;
    for generation in 0..3 {
        bench.age(Duration::from_secs(45));
        jti = rotated(bench, "alice", jti, generation, "a").await;
    }
    let record = live(bench, "alice", jti).await.expect("live for 15 s more");
    let left = record.expires_at.0 - bench.moment().await.0;
    assert!(left <= 15_001_000, "{left} us");
    bench.age(Duration::from_secs(15));
    assert_eq!(bench.rotate(&alice, jti, 3, "a").await, Rotated::Missing);
    assert!(bench.list(&alice).await.is_empty());
    assert_eq!(bench.store.end_session(&alice, jti.session(), Reason::Logout).await, Ok(EndOutcome::Missing));
}

async fn a_tombstone_is_forgotten_after_its_time(bench: &Bench) {
    let alice = subject("alice");
    let jti = bench.create(&alice).await;
    let _ = bench.store.end_session(&alice, jti.session(), Reason::Logout).await.unwrap();
    bench.age(Duration::from_secs(39));
    let found = bench.store.get(&alice, jti.session()).await.unwrap();
    assert!(matches!(found, Lookup::Ended { reason: Reason::Logout, published: false, .. }), "{found:?}");
    bench.age(Duration::from_secs(1));
    assert_eq!(bench.store.get(&alice, jti.session()).await, Ok(Lookup::Missing));
}

async fn claims_are_replaced_for_one_or_all_and_never_for_the_dead(bench: &Bench) {
    let alice = subject("alice");
    let (first, second, dead) =
        (bench.create(&alice).await, bench.create(&alice).await, bench.create(&alice).await);
    let _ = bench.store.end_session(&alice, dead.session(), Reason::Logout).await.unwrap();
    let updated = bench.store.set_claims(&alice, Some(first.session()), r#"{"a":1}"#).await.unwrap();
    assert_eq!(updated, [first.session()]);
    let Rotated::Rotated(grant) = bench.rotate(&alice, first, 0, "a").await else { panic!("not rotated") };
    assert_eq!(grant.claims, r#"{"a":1}"#);
    let mut updated = bench.store.set_claims(&alice, None, r#"{"b":2}"#).await.unwrap();
    updated.sort();
    assert_eq!(updated, ids(&[first, second]));
    for gone in [dead.session(), SessionId::random()] {
        assert_eq!(bench.store.set_claims(&alice, Some(gone), "{}").await, Ok(Vec::new()));
    }
}

async fn a_list_holds_the_live_sessions_of_one_subject(bench: &Bench) {
    let (alice, bob) = (subject("alice"), subject("bob"));
    assert!(bench.list(&alice).await.is_empty());
    let (first, second) = (bench.create(&alice).await, bench.create(&alice).await);
    let foreign = bench.create(&bob).await;
    let _ = bench.store.end_session(&alice, first.session(), Reason::Logout).await.unwrap();
    let listed: Vec<_> = bench.list(&alice).await.iter().map(|one| one.session).collect();
    assert_eq!(listed, [second.session()]);
    assert_eq!(bench.store.get(&alice, foreign.session()).await, Ok(Lookup::Missing));
}

async fn a_lowered_absolute_lifetime_holds_from_the_next_rotation_and_a_raised_one_extends_none(
    bench: &Bench,
) {
    let alice = subject("alice");
    for before in [Some(150), None] {
        let (high, low) = (bench.under(aged(before)), bench.under(aged(Some(100))));
        let mut jti = high.create(&alice).await;
        assert_eq!(lifetime(&live(&low, "alice", jti).await.expect("live")), Some(100));
        assert_eq!(
            lifetime(&live(&high, "alice", jti).await.expect("live")),
            before,
            "reading writes nothing"
        );
        let Rotated::Rotated(grant) = low.rotate(&alice, jti, 0, "a").await else { panic!("not rotated") };
        let end = grant.absolute_expires_at;
        jti = grant.jti;
        for (generation, age) in (1..).zip(AGES) {
            let node = bench.under(aged(age));
            let Rotated::Rotated(grant) = node.rotate(&alice, jti, generation, "b").await else {
                panic!("not rotated")
            };
            assert_eq!(grant.absolute_expires_at, end, "{age:?}");
            let record = live(&node, "alice", jti).await.expect("live");
            assert_eq!((lifetime(&record), record.absolute_expires_at), (Some(100), end));
            assert!(
                record.expires_at <= record.last_refreshed_at.plus(Duration::from_secs(61)),
                "{record:?}"
            );
            jti = grant.jti;
        }
        bench.age(Duration::from_secs(50));
        let again = high.rotate(&alice, jti, 4, "c").await;
        let Rotated::Rotated(grant) = again else { panic!("not rotated: {again:?}") };
        let record = live(&high, "alice", jti).await.expect("live");
        let end = record.absolute_expires_at.expect("an end");
        assert!((end.0 - 1000..=end.0).contains(&record.expires_at.0), "not past the absolute lifetime");
        bench.age(Duration::from_secs(50));
        assert_eq!(high.rotate(&alice, grant.jti, 5, "d").await, Rotated::Missing);
    }
}

async fn a_session_older_than_a_lowered_lifetime_is_unknown_and_stays_so(bench: &Bench) {
    let alice = subject("alice");
    let (first, low) = (bench.create(&alice).await, bench.under(aged(Some(40))));
    let second = rotated(bench, "alice", first, 0, "a").await;
    bench.age(Duration::from_secs(50));
    for (jti, generation, attempt) in [(second, 1, "b"), (first, 0, "a"), (first, 0, "b"), (second, 9, "c")] {
        assert_eq!(low.rotate(&alice, jti, generation, attempt).await, Rotated::Missing, "{attempt}");
    }
    assert!(live(&low, "alice", first).await.is_none());
    assert!(low.list(&alice).await.is_empty());
    for session in [None, Some(first.session())] {
        assert!(low.store.set_claims(&alice, session, r#"{"x":1}"#).await.unwrap().is_empty());
    }
    for raised in [Some(150), None] {
        let node = bench.under(aged(raised));
        assert_eq!(node.rotate(&alice, second, 1, "b").await, Rotated::Missing, "{raised:?}");
        assert!(live(&node, "alice", first).await.is_none());
    }
}

async fn a_session_that_is_over_makes_room_before_one_that_lives(bench: &Bench) {
    let alice = subject("alice");
    let (over, low) = (bench.create(&alice).await, bench.under(aged(Some(40))));
    bench.age(Duration::from_secs(30));
    let living = [bench.create(&alice).await, bench.create(&alice).await];
    rotated(bench, "alice", over, 0, "a").await; // the one refreshed last
    bench.age(Duration::from_secs(10));
    let new = low.create(&alice).await;
    let mut left: Vec<_> = low.list(&alice).await.iter().map(|one| one.session).collect();
    left.sort();
    assert_eq!(left, ids(&[living[0], living[1], new]));
    assert!(matches!(
        low.store.get(&alice, over.session()).await,
        Ok(Lookup::Ended { reason: Reason::Evicted, .. })
    ));
}

async fn a_replay_tells_the_least_end_and_writes_nothing(bench: &Bench) {
    let alice = subject("alice");
    let first = bench.create(&alice).await;
    rotated(bench, "alice", first, 0, "a").await;
    let before = live(bench, "alice", first).await.expect("live");
    let low = bench.under(aged(Some(50)));
    let Rotated::Replayed(grant) = low.rotate(&alice, first, 0, "a").await else { panic!("not replayed") };
    assert_eq!(grant.absolute_expires_at, Some(before.created_at.plus(Duration::from_secs(50))));
    assert_eq!(live(bench, "alice", first).await, Some(before));
}

async fn a_healed_record_and_a_doubled_create_tell_the_least_end(bench: &Bench) {
    let alice = subject("alice");
    let (none, low) = (bench.under(aged(None)), bench.under(aged(Some(100))));
    let jti = Jti::first(SessionId::random());
    let deadline = bench.moment().await.plus(Duration::from_secs(5));
    for (node, expected) in [(&none, None), (&low, Some(100)), (&none, None)] {
        let created = node.store.create(&new_session(&alice, jti, deadline)).await.unwrap();
        let Created::Created { created_at, absolute_expires_at, .. } = created else { panic!("{created:?}") };
        assert_eq!(absolute_expires_at.map(|end| (end.0 - created_at.0) / 1_000_000), expected);
    }
    let lost = successor(jti, "lost");
    let Rotated::RolledBack(grant) = low.rotate(&alice, lost, 1, "a").await else { panic!("not healed") };
    let record = live(&none, "alice", jti).await.expect("live");
    assert_eq!((grant.absolute_expires_at, lifetime(&record)), (record.absolute_expires_at, Some(100)));
}

/// The first and the last client of a live session. A list shows the last one, too.
async fn clients(bench: &Bench, name: &str, jti: Jti) -> [String; 2] {
    let found = bench.store.get(&subject(name), jti.session()).await.unwrap();
    let Lookup::Live { record, first_client, .. } = found else { panic!("not live: {found:?}") };
    let listed = bench.list(&subject(name)).await;
    let listed = listed.into_iter().find(|one| one.session == jti.session()).expect("a live session");
    assert_eq!(listed, *record);
    [first_client, record.client]
}

async fn the_first_and_the_last_client_are_kept(bench: &Bench) {
    let (alice, other, third) = (subject("alice"), r#"{"ip":"192.0.2.7"}"#, r#"{"label":"phone"}"#);
    let mut jti = bench.create(&alice).await;
    assert_eq!(clients(bench, "alice", jti).await, [CLIENT, CLIENT]);
    let refreshes =
        [("", CLIENT), (other, other), ("", other), (third, third), (CLIENT, CLIENT), (other, other)];
    for ((client, last), generation) in refreshes.into_iter().zip(0..) {
        let outcome = bench.rotate_from(client, &alice, jti, generation, "a").await;
        let Rotated::Rotated(grant) = outcome else { panic!("not rotated: {outcome:?}") };
        jti = grant.jti;
        assert_eq!(clients(bench, "alice", jti).await, [CLIENT, last], "generation {generation}");
    }
    let nameless = Jti::first(SessionId::random());
    let new = NewSession {
        client: "",
        ..new_session(&alice, nameless, bench.moment().await.plus(Duration::from_secs(5)))
    };
    assert!(matches!(bench.store.create(&new).await, Ok(Created::Created { .. })));
    assert_eq!(clients(bench, "alice", nameless).await, ["", ""]);
    let Rotated::Rotated(_) = bench.rotate_from(other, &alice, nameless, 0, "a").await else {
        panic!("not rotated")
    };
    assert_eq!(clients(bench, "alice", nameless).await, ["", other]);
}

async fn only_a_call_that_moves_the_record_on_brings_its_client(bench: &Bench) {
    let (alice, other, third) = (subject("alice"), r#"{"ip":"192.0.2.7"}"#, r#"{"label":"phone"}"#);
    let first = bench.create(&alice).await;
    let Rotated::Rotated(_) = bench.rotate_from(other, &alice, first, 0, "a").await else {
        panic!("not rotated")
    };
    for attempt in ["a", "within the grace window"] {
        let outcome = bench.rotate_from(third, &alice, first, 0, attempt).await;
        assert!(matches!(outcome, Rotated::Replayed(_)), "{outcome:?}");
        assert_eq!(clients(bench, "alice", first).await, [CLIENT, other], "{attempt}");
    }
    let lost = successor(successor(first, "a"), "lost");
    let Rotated::RolledBack(_) = bench.rotate_from(third, &alice, lost, 2, "b").await else {
        panic!("not healed")
    };
    assert_eq!(clients(bench, "alice", first).await, [CLIENT, third]);
    let outcome = bench.rotate_from(other, &alice, first, 0, "c").await;
    assert!(matches!(outcome, Rotated::Reused(_)), "{outcome:?}");
}
