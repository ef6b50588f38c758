//! Lists in pages, and logins of subjects with many sessions: the same for both backends, and their cost in Redis.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use futures_util::future::join_all;
use token_gateway::store::{Created, Page, PageRequest, Policy, Rotated};
use token_gateway_core::session::{Jti, SessionId, Subject};

use super::{Bench, new_session, policy, subject};

/// A login looks at so many sessions.
const LOGIN_READS: usize = 64;

/// The largest page is read in four slices of this size.
const SLICE: u64 = 26;

fn capped(max_sessions: usize) -> Policy {
    Policy { max_sessions, refresh_ttl: Duration::from_secs(600), session_max_age: None, ..policy() }
}

fn both(policy: &Policy) -> [Bench; 2] {
    [Bench::memory(policy.clone()), Bench::redis(policy.clone())]
}

/// A login, and the sessions that it ended.
async fn login(bench: &Bench, subject: &Subject) -> (Jti, Vec<SessionId>) {
    let jti = Jti::first(SessionId::random());
    let deadline = bench.store.now(subject).await.expect("the time").plus(Duration::from_secs(5));
    let created = bench.store.create(&new_session(subject, jti, deadline)).await.expect("the store answers");
    let Created::Created { ended, .. } = created else { panic!("not created: {created:?}") };
    (jti, ended.now.iter().map(|one| one.session).collect())
}

/// Publishes the ends of sessions, as a node does after each login.
async fn publish(bench: &Bench, subject: &Subject) {
    let ended = bench.store.unpublished(subject).await.expect("the store answers");
    bench.store.publish(subject, &ended).await.expect("the store answers");
    bench.store.mark_published(subject, &ended).await.expect("the store answers");
}

/// So many sessions, the oldest first.
async fn logins(bench: &Bench, subject: &Subject, count: usize) -> Vec<Jti> {
    let mut sessions = Vec::new();
    for _ in 0..count {
        sessions.push(login(bench, subject).await.0);
    }
    sessions
}

async fn page(bench: &Bench, subject: &Subject, after: Option<SessionId>, limit: usize) -> Page {
    bench.store.list(subject, PageRequest { after, limit }).await.expect("the store answers")
}

fn ids(page: &Page) -> Vec<SessionId> {
    page.sessions.iter().map(|record| record.session).collect()
}

#[tokio::test]
async fn pages_hold_each_session_once_whatever_is_refreshed_meanwhile() {
    let alice = subject("alice");
    for bench in both(&capped(1000)) {
        let all = logins(&bench, &alice, 130).await;
        let expected: BTreeSet<_> = all.iter().map(Jti::session).collect();
        for limit in [1, 7, 26, 65, 100] {
            let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                let page = page(&bench, &alice, after, limit).await;
                let refreshed: Vec<_> = page.sessions.iter().map(|one| one.last_refreshed_at).collect();
                assert!(refreshed.is_sorted_by(|a, b| a >= b), "the most recently refreshed first");
                assert_eq!(page.next, page.next.and(page.sessions.iter().map(|one| one.session).max()));
                seen.extend(ids(&page));
                (after, pages) = (page.next, pages + 1);
                let Some(next) = after else { break };
                let past = all.iter().find(|jti| jti.session() <= next).expect("a session of the page");
                let outcome = bench.rotate_from("", &alice, *past, 0, "a").await;
                assert!(matches!(outcome, Rotated::Rotated(_) | Rotated::Replayed(_)), "{outcome:?}");
            }
            assert_eq!((seen.len(), pages), (130, 130usize.div_ceil(limit)), "limit {limit}");
            assert_eq!(seen.iter().copied().collect::<BTreeSet<_>>(), expected);
        }
    }
}

#[tokio::test]
async fn a_list_of_up_to_a_hundred_is_one_page_in_the_order_of_the_refreshes() {
    let alice = subject("alice");
    for bench in both(&capped(1000)) {
        let mut all = logins(&bench, &alice, 100).await;
        let refreshed = all.remove(50);
        let _ = bench.rotate_from("", &alice, refreshed, 0, "a").await;
        all.push(refreshed);
        let page = page(&bench, &alice, None, 100).await;
        let expected: Vec<_> = all.iter().rev().map(Jti::session).collect();
        assert_eq!((ids(&page), page.next), (expected, None));
        login(&bench, &alice).await;
        assert!(self::page(&bench, &alice, None, 100).await.next.is_some(), "one more follows");
    }
}

#[tokio::test]
async fn a_page_after_a_session_that_is_gone_goes_on_there_and_after_the_last_one_is_empty() {
    let alice = subject("alice");
    for bench in both(&capped(1000)) {
        assert_eq!(page(&bench, &alice, None, 100).await, Page { sessions: Vec::new(), next: None });
        let mut all: Vec<_> = logins(&bench, &alice, 40).await.iter().map(Jti::session).collect();
        all.sort();
        let reason = token_gateway_core::session::Reason::Logout;
        let _ = bench.store.end_session(&alice, all[9], reason).await.expect("the store answers");
        let mut rest = ids(&page(&bench, &alice, Some(all[9]), 100).await);
        rest.sort();
        assert_eq!(rest, all[10..]);
        assert_eq!(ids(&page(&bench, &alice, all.last().copied(), 100).await), []);
    }
}

/// The one to end is drawn among the oldest of 64, so one out of the newer half comes up once in 2^64 times.
#[tokio::test]
async fn above_64_sessions_a_login_at_the_cap_ends_an_old_one_and_keeps_to_the_cap() {
    let alice = subject("alice");
    for bench in both(&capped(200)) {
        let mut all: Vec<_> = logins(&bench, &alice, 200).await.iter().map(Jti::session).collect();
        for _ in 0..10 {
            let (new, ended) = login(&bench, &alice).await;
            let [ended] = ended[..] else { panic!("one makes room, not {ended:?}") };
            publish(&bench, &alice).await;
            let age = all.iter().position(|session| *session == ended).expect("one of them");
            assert!(age < 100, "number {age} of 200 was ended");
            all.remove(age);
            all.push(new.session());
            let mut found = ids(&page(&bench, &alice, None, 100).await);
            let next = page(&bench, &alice, None, 100).await.next;
            found.extend(ids(&page(&bench, &alice, next, 100).await));
            assert_eq!(found.iter().collect::<BTreeSet<_>>(), all.iter().collect());
        }
    }
}

#[tokio::test]
async fn a_lowered_cap_is_reached_over_some_logins_with_64_ends_each_at_most() {
    let alice = subject("alice");
    for bench in both(&capped(1000)) {
        logins(&bench, &alice, 300).await;
        let (low, mut left) = (bench.under(capped(70)), 300);
        for _ in 0..5 {
            let (_, ended) = login(&low, &alice).await;
            publish(&bench, &alice).await;
            assert!(ended.len() <= LOGIN_READS, "{} ended", ended.len());
            left = left + 1 - ended.len();
            assert!(left >= 70, "{left} left");
        }
        assert_eq!(left, 70);
    }
}

/// Ends that wait to be published stay in the set, and are no sessions. Few sessions end because of them.
#[tokio::test]
async fn a_feed_that_cannot_be_written_ends_no_sessions_by_and_by() {
    let alice = subject("alice");
    for bench in both(&capped(200)) {
        logins(&bench, &alice, 300).await;
        let mut listed = page(&bench, &alice, None, 100).await;
        let mut left = listed.sessions.len();
        while let Some(next) = listed.next {
            listed = page(&bench, &alice, Some(next), 100).await;
            left += listed.sessions.len();
        }
        assert!((150..=200).contains(&left), "{left} left");
    }
}

/// Leaves so many members in the set whose records have expired.
fn outlive(bench: &Bench, count: usize) {
    let dead: Vec<String> = (0..count).map(|_| SessionId::random().to_string()).collect();
    let add = ["SADD", "tg:{alice}:sessions"].into_iter().chain(dead.iter().map(String::as_str));
    bench.server().expect("a server").ask::<u64>(&add.collect::<Vec<_>>());
}

#[tokio::test]
async fn expired_members_do_not_change_which_session_ends_nor_how_many_live() {
    let (bench, alice) = (Bench::redis(capped(3)), subject("alice"));
    let mut all: VecDeque<_> = logins(&bench, &alice, 3).await.iter().map(Jti::session).collect();
    for _ in 0..30 {
        outlive(&bench, 100);
        let (new, ended) = login(&bench, &alice).await;
        assert_eq!(ended, [all.pop_front().expect("the oldest")]);
        publish(&bench, &alice).await;
        all.push_back(new.session());
    }
    let redis = bench.server().expect("a server");
    outlive(&bench, 90);
    let before = redis.calls("hmget");
    login(&bench, &alice).await;
    let reads = redis.calls("hmget") - before;
    assert!(reads <= 1 + 2 * LOGIN_READS as u64, "{reads} reads");
}

#[tokio::test]
async fn the_cap_holds_whatever_number_of_members_has_expired() {
    let (bench, alice) = (Bench::redis(capped(1)), subject("alice"));
    logins(&bench, &alice, 1).await;
    for _ in 0..10 {
        outlive(&bench, 900);
        login(&bench, &alice).await;
        assert_eq!(live(&bench, &alice).await, 1);
        publish(&bench, &alice).await;
    }
}

#[tokio::test]
async fn the_cap_holds_while_no_end_can_be_published() {
    let alice = subject("alice");
    for bench in both(&capped(2)) {
        for _ in 0..200 {
            login(&bench, &alice).await;
        }
        assert_eq!(live(&bench, &alice).await, 2);
    }
}

/// Leaves so many ends in the set that no node has published.
fn leave_unpublished(bench: &Bench, count: usize) {
    let script = "for n = 1, ARGV[1] do local sid = string.format('1%018d', n) redis.call('SADD', KEYS[1], sid) \
                  redis.call('HSET', string.sub(KEYS[1], 1, -2) .. ':' .. sid, 'state', 'ended', 'reason', 'logout', \
                  'ended_at', '1', 'announced', '0') end";
    let server = bench.server().expect("a server");
    server.ask::<Option<u64>>(&["EVAL", script, "1", "tg:{alice}:sessions", &count.to_string()]);
}

/// It looks for a session to end, and finds none among them.
#[tokio::test]
async fn a_login_reads_a_bounded_number_of_ends_that_wait_to_be_published() {
    const MOST: u64 = 1024;
    let (bench, alice) = (Bench::redis(capped(1)), subject("alice"));
    leave_unpublished(&bench, 2 * MOST as usize);
    let redis = bench.server().expect("a server");
    let before = redis.calls("hmget");
    login(&bench, &alice).await;
    assert_eq!(redis.calls("hmget") - before, 1 + MOST);
}

/// How many sessions live.
async fn live(bench: &Bench, subject: &Subject) -> usize {
    let (mut count, mut after) = (0, None);
    loop {
        let page = page(bench, subject, after, 100).await;
        count += page.sessions.len();
        after = page.next;
        if after.is_none() {
            return count;
        }
    }
}

/// A subject at the largest cap.
async fn full() -> (Bench, Subject) {
    let (bench, alice) = (Bench::redis(capped(1000)), subject("alice"));
    for _ in 0..50 {
        join_all((0..20).map(|_| login(&bench, &alice))).await;
    }
    (bench, alice)
}

#[tokio::test]
async fn a_login_at_a_cap_of_a_thousand_reads_65_records() {
    let (bench, alice) = full().await;
    let redis = bench.server().expect("a server");
    let before = redis.calls("hmget");
    for _ in 0..10 {
        login(&bench, &alice).await;
    }
    assert_eq!(redis.calls("hmget") - before, 10 * (1 + LOGIN_READS as u64));
    assert_eq!(
        redis.ask::<u64>(&["SCARD", "tg:{alice}:sessions"]),
        1010,
        "the ended ones wait to be published"
    );
}

#[tokio::test]
async fn a_page_of_a_thousand_sessions_reads_101_records_in_slices() {
    let (bench, alice) = full().await;
    let redis = bench.server().expect("a server");
    let (records, calls) = (redis.calls("hmget"), redis.calls("evalsha"));
    let page = page(&bench, &alice, None, 100).await;
    assert_eq!(page.sessions.len(), 100);
    assert_eq!(
        redis.calls("hmget") - records,
        101,
        "the page, and the session that says that there are more"
    );
    let slices = 101u64.div_ceil(SLICE);
    assert!(redis.calls("evalsha") - calls <= 1 + slices, "the set, then {slices} slices");
}

/// Members that do not live any more are passed over, in a bounded number of slices. The next page goes on behind them.
#[tokio::test]
async fn a_page_passes_over_a_bounded_number_of_dead_members() {
    let (bench, alice) = (Bench::redis(capped(1000)), subject("alice"));
    let live: BTreeSet<_> = logins(&bench, &alice, 30).await.iter().map(Jti::session).collect();
    let redis = bench.server().expect("a server");
    outlive(&bench, 1000);
    let (mut seen, mut after, mut pages) = (BTreeSet::new(), None, 0);
    loop {
        let before = redis.calls("hmget");
        let page = page(&bench, &alice, after, 100).await;
        assert!(redis.calls("hmget") - before <= 8 * SLICE, "page {pages}");
        seen.extend(ids(&page));
        (after, pages) = (page.next, pages + 1);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, live);
    assert_eq!(pages, 5, "1030 members at 208 each");
}
