//! The memory of a denylist, measured by the pages of this process. It has one test alone, or others would count, too. The
//! allocator of the C library takes a tenth more than that of a node, which `tests/feed/` measures.

use std::time::Duration;

use token_gateway_core::clock::Timestamp;
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

/// Subjects as most login services have them: UUIDs.
fn page_of_events() -> Vec<RevocationEvent> {
    let event = |number: u128| RevocationEvent {
        subject: format!("{number:08x}-1f2e-4d3c-8b4a-5968778695a4").parse().expect("a subject"),
        ended: EndedSession { session: SessionId::random(), reason: Reason::Logout },
        at: Timestamp::from_system_clock(),
    };
    (0..1000).map(event).collect()
}

#[test]
fn an_idle_denylist_takes_two_megabytes_at_most_and_each_end_110_bytes() {
    drop(page_of_events());
    let begin = resident_bytes();
    let denylist = Denylist::new(Duration::from_secs(1800));
    denylist.opened(1);
    let idle = resident_bytes();
    for _ in 0..ENDS / 1000 {
        denylist.events(0, page_of_events(), None);
    }
    let each = (resident_bytes() - idle) / ENDS;
    assert_eq!(denylist.held(), ENDS);
    println!("{} bytes idle, {each} bytes each", idle - begin);
    assert!(idle - begin < 2 << 20, "{} bytes", idle - begin);
    assert!((50..=110).contains(&each), "{each} bytes each");
}
