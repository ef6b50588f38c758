//! Ends that are learnt, looked up, read as events, found missing, dropped, and refused by a full denylist.

use super::super::limits::ENDS_AT_ONCE;
use super::super::{EndedSession, Listener as _, RevocationEvent};
use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn subject(number: usize) -> Subject {
    format!("user-{number}").parse().expect("a subject")
}

fn session(number: usize) -> SessionId {
    SessionId::of_number(1_000_000_000_000_000_000 + number as u64)
}

fn ended(number: usize) -> EndedSession {
    EndedSession { session: session(number), reason: Reason::ALL[number % 4] }
}

/// Published so many milliseconds before now.
fn event(number: usize, before: u64) -> RevocationEvent {
    let at = Timestamp::from_system_clock().minus(Duration::from_millis(before));
    RevocationEvent { subject: subject(number), ended: ended(number), at: Timestamp(at.0 / 1000 * 1000) }
}

fn events(numbers: impl IntoIterator<Item = usize>) -> Vec<RevocationEvent> {
    numbers.into_iter().map(|number| event(number, 1000)).collect()
}

fn opened(denylist: Denylist) -> Denylist {
    denylist.opened(2);
    denylist
}

fn small(many: usize, most: usize) -> Denylist {
    opened(Denylist::with_limits(DAY, Limits { many, most }))
}

/// All events that a reader gets now.
fn read(denylist: &Denylist, cursor: &mut EventCursor) -> Vec<RevocationEvent> {
    let mut read = Vec::new();
    loop {
        match denylist.next_event(cursor) {
            NextEvent::Event(event) => read.push(event),
            NextEvent::Skipped => {}
            NextEvent::End => return read,
            NextEvent::Trimmed => panic!("it is read at once"),
        }
    }
}

fn missing(denylist: &Denylist, partition: usize) -> Vec<SessionId> {
    let mut missing: Vec<_> = denylist.missing(partition).flatten().map(|(_, ended)| ended.session).collect();
    missing.sort();
    missing
}

#[test]
fn each_end_is_found_by_its_session_and_its_subject() {
    let denylist = opened(Denylist::new(DAY));
    denylist.events(0, events(0..10_000), None);
    for number in 0..10_000 {
        assert_eq!(denylist.reason(&subject(number), session(number)), Some(ended(number).reason));
    }
    assert_eq!(denylist.reason(&subject(1), session(2)), None);
    assert_eq!(denylist.reason(&subject(1), session(10_001)), None);
    assert_eq!(denylist.held(), 10_000);
}

#[test]
fn a_reader_gets_earlier_events_and_later_ones_alike_and_each_once() {
    let denylist = opened(Denylist::new(DAY));
    let first = events(0..1000);
    denylist.events(0, first.clone(), None);
    let mut cursor = denylist.events_since(Timestamp::default());
    assert_eq!(read(&denylist, &mut cursor), first);
    let later = events(900..1300);
    denylist.events(1, later.clone(), None);
    assert_eq!(read(&denylist, &mut cursor), later[100..]);
    assert!(cursor.has_reached(denylist.events_end()));
}

#[test]
fn a_reader_that_resumes_skips_segments_that_are_too_old_though_not_a_renewed_event_in_one() {
    let denylist = opened(Denylist::new(DAY));
    denylist.events(0, (0..2000).map(|number| event(number, 60_000)).collect(), None);
    let since = Timestamp::from_system_clock().minus(Duration::from_secs(30));
    let mut looks = 0;
    let mut cursor = denylist.events_since(since);
    while denylist.next_event(&mut cursor) != NextEvent::End {
        looks += 1;
    }
    assert!(looks < 2000 / ENDS_AT_ONCE + ENDS_AT_ONCE, "{looks} looks");
    let renewed = event(300, 0);
    denylist.events(0, vec![renewed.clone()], None);
    assert_eq!(read(&denylist, &mut denylist.events_since(since)), [renewed]);
}

/// Only the holder of a signing key can make up the second subject.
#[test]
fn a_session_under_two_subjects_has_an_event_for_each() {
    let denylist = opened(Denylist::new(DAY));
    let other = RevocationEvent { subject: subject(2), ..event(1, 0) };
    let both = [event(1, 0), other];
    denylist.events(0, both.to_vec(), None);
    assert_eq!(read(&denylist, &mut denylist.events_since(Timestamp::default())), both);
    assert!(
        denylist.reason(&subject(2), session(1)).is_some()
            && denylist.reason(&subject(3), session(1)).is_none()
    );
}

#[test]
fn an_own_end_is_no_event_before_it_is_published() {
    let denylist = opened(Denylist::new(DAY));
    denylist.add(&subject(1), &[ended(1)]);
    denylist.add(&subject(2), &[ended(2)]);
    let mut cursor = denylist.events_since(Timestamp::default());
    assert_eq!(read(&denylist, &mut cursor), []);
    assert!(
        denylist.reason(&subject(1), session(1)).is_some() && !denylist.is_published(&subject(1), session(1))
    );
    let event = event(1, 0);
    denylist.events(0, vec![event.clone()], None);
    assert_eq!(read(&denylist, &mut cursor), [event]);
    assert!(denylist.is_published(&subject(1), session(1)));
    assert_eq!(denylist.unpublished(Duration::from_secs(60)), []);
    assert_eq!(denylist.unpublished(Duration::ZERO), [(subject(2), ended(2))]);
    assert_eq!(denylist.unpublished(Duration::ZERO), [], "each is returned once");
}

#[test]
fn a_snapshot_lacks_the_ends_that_it_does_not_hold_and_no_others() {
    let denylist = opened(Denylist::new(DAY));
    denylist.events(0, events(0..4), None);
    denylist.events(1, events(4..6), None);
    denylist.add(&subject(9), &[ended(9)]);
    denylist.snapshot_begins(0);
    denylist.events(0, events([1]), None);
    assert_eq!(missing(&denylist, 0), [], "it is being read");
    denylist.events(0, events([3, 7]), None);
    denylist.snapshot_ends(0, None);
    assert_eq!(missing(&denylist, 0), [0, 2, 9].map(session));
    denylist.events(0, events([2]), None);
    assert_eq!(missing(&denylist, 0), [0, 9].map(session), "one was published again");
    assert_eq!(missing(&denylist, 1), [], "it had no snapshot");
}

#[test]
fn a_snapshot_that_was_broken_off_does_not_count_for_the_next_one() {
    let denylist = opened(Denylist::new(DAY));
    denylist.snapshot_begins(0);
    denylist.events(0, events(0..4), None);
    denylist.snapshot_begins(0);
    denylist.events(0, events(0..2), None);
    denylist.snapshot_ends(0, None);
    assert_eq!(missing(&denylist, 0), [2, 3].map(session));
}

#[test]
fn a_full_denylist_stores_no_more_and_says_that_it_lacks_ends() {
    let denylist = small(300, 500);
    denylist.events(0, events(0..299), None);
    assert!(!denylist.holds_many());
    denylist.events(0, events(299..500), None);
    assert!(denylist.holds_many() && !denylist.lacks_ends());
    denylist.events(0, events(0..500), None);
    assert!(!denylist.lacks_ends(), "they are held already");
    denylist.add(&subject(500), &[ended(500)]);
    assert!(denylist.lacks_ends());
    denylist.events(0, events(501..2000), None);
    assert_eq!(denylist.held(), 500);
    assert_eq!(denylist.events_end(), 500);
    assert_eq!(denylist.reason(&subject(7), session(7)), Some(ended(7).reason));
    assert_eq!(denylist.reason(&subject(600), session(600)), None);
}

/// A subject of 255 bytes takes the room of three other ends.
#[test]
fn a_denylist_with_long_subjects_is_full_with_fewer_ends() {
    let denylist = small(500, 1000);
    let long = |number: usize| RevocationEvent {
        subject: format!("{number:0255}").parse().expect("a subject"),
        ..event(number, 1000)
    };
    denylist.events(0, (0..140).map(long).collect(), None);
    assert!(!denylist.holds_many());
    denylist.events(0, (140..289).map(long).collect(), None);
    assert!(denylist.holds_many() && !denylist.lacks_ends());
    denylist.events(0, (289..1000).map(long).collect(), None);
    assert!(denylist.lacks_ends());
    assert_eq!(denylist.held(), 289);
}

#[tokio::test]
async fn after_the_retention_ends_are_dropped_and_a_full_denylist_is_complete_again() {
    let retention = Duration::from_secs(1);
    let denylist = opened(Denylist::with_limits(retention, Limits { many: 1000, most: 1000 }));
    let began = Instant::now();
    denylist.events(0, events(0..1200), None);
    let mut slow = denylist.events_since(Timestamp::default());
    assert!(matches!(denylist.next_event(&mut slow), NextEvent::Event(_)));
    while denylist.held() > 0 || denylist.lacks_ends() {
        assert!(began.elapsed() < Duration::from_secs(20), "{} are held", denylist.held());
        tokio::time::sleep(Duration::from_millis(20)).await;
        denylist.events(0, Vec::new(), None);
    }
    assert!(began.elapsed() >= retention);
    assert_eq!(denylist.next_event(&mut slow), NextEvent::Trimmed);
    denylist.events(0, events(2000..2001), None);
    let all = read(&denylist, &mut denylist.events_since(Timestamp::default()));
    assert_eq!(all.iter().map(|event| event.ended.session).collect::<Vec<_>>(), [session(2000)]);
    assert!(!denylist.lacks_ends());
}

/// The end is known, and so is that another may be missing.
#[test]
fn a_lock_covers_no_more_than_256_ends() {
    let denylist = opened(Denylist::new(DAY));
    for number in 0..300 {
        let event = RevocationEvent { subject: subject(number), ..event(1, 0) };
        denylist.events(0, vec![event], None);
    }
    assert_eq!(denylist.held(), ENDS_AT_ONCE);
    assert!(denylist.lacks_ends());
}
