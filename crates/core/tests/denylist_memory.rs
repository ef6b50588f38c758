//! The memory of a denylist, measured by the pages of this process. It has one test alone, or others would count, too. This
//! is the allocator of the C library; `tests/feed/` measures that of a node.

use std::time::Duration;

use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::limits::{MANY_ENDS, PLACE_BYTES};
use token_gateway_core::feed::{Denylist, EndedSession, Listener as _, RevocationEvent};
use token_gateway_core::session::{Reason, SessionId};

const ENDS: usize = 500_000;

/// The bytes of a page.
const PAGE: usize = 4096;

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split(' ').nth(1).expect("a second number").parse().expect("a number");
    pages * PAGE
}

/// Their subjects are UUIDs, as with most login services, or shorter, or longer by digits.
fn page_of_events(subject_bytes: usize) -> Vec<RevocationEvent> {
    let event = |number: usize| {
        let subject = format!("{number:08x}-1f2e-4d3c-8b4a-5968778695a4{number:0219}");
        RevocationEvent {
            subject: subject[..subject_bytes].parse().expect("a subject"),
            ended: EndedSession { session: SessionId::random(), reason: Reason::Logout },
            at: Timestamp::from_system_clock(),
        }
    };
    (0..1000).map(event).collect()
}

fn idle() -> Denylist {
    let denylist = Denylist::new(Duration::from_secs(1800));
    denylist.opened(1);
    denylist
}

/// The bytes that an end takes up in this denylist.
fn bytes_each(denylist: &Denylist, ends: usize, subject_bytes: usize) -> usize {
    let idle = resident_bytes();
    for _ in 0..ends / 1000 {
        denylist.events(0, page_of_events(subject_bytes), None);
    }
    assert_eq!(denylist.held(), ends);
    let each = (resident_bytes() - idle) / ends;
    println!("{each} bytes each with subjects of {subject_bytes} bytes");
    each
}

/// All denylists are kept to the end, or one would take the memory of another.
#[test]
fn an_idle_denylist_takes_two_megabytes_at_most_and_each_end_the_bytes_of_its_places() {
    drop(page_of_events(255));
    let begin = resident_bytes();
    let denylists: [_; 3] = std::array::from_fn(|_| idle());
    let idle = (resident_bytes() - begin) / 3;
    assert!(idle < 2 << 20, "{idle} bytes");
    let [uuids, shortest, longest] = [(0, MANY_ENDS, 36), (1, ENDS, 1), (2, ENDS, 255)]
        .map(|(nth, ends, subject)| bytes_each(&denylists[nth], ends, subject));
    assert!((50..=PLACE_BYTES).contains(&uuids), "{uuids} bytes each");
    assert!((30..=PLACE_BYTES).contains(&shortest), "{shortest} bytes each");
    assert!((255..=346).contains(&longest), "{longest} bytes each");
}
