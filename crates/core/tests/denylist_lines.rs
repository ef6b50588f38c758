//! The log lines of a denylist that fills up, and empties again. One test alone, or others would log, too.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use log::{LevelFilter, Log, Metadata, Record};
use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::limits::Limits;
use token_gateway_core::feed::{Denylist, EndedSession, Listener as _, RevocationEvent};
use token_gateway_core::session::{Reason, SessionId};

struct Lines(Mutex<Vec<String>>);

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.lock().push(format!("{} {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}

impl Lines {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.lock().expect("nobody panicked")
    }
}

static LINES: Lines = Lines(Mutex::new(Vec::new()));

fn events(count: usize) -> Vec<RevocationEvent> {
    let event = |number: usize| RevocationEvent {
        subject: format!("user-{number}").parse().expect("a subject"),
        ended: EndedSession { session: SessionId::random(), reason: Reason::Logout },
        at: Timestamp::from_system_clock(),
    };
    (0..count).map(event).collect()
}

/// Gives the denylist so many events, and returns the lines since then.
fn lines_after(denylist: &Denylist, count: usize) -> Vec<String> {
    denylist.events(0, events(count), None);
    LINES.lock().drain(..).collect()
}

#[test]
fn many_ends_and_a_full_denylist_have_a_line_at_both_ends_and_none_for_each_end() {
    log::set_logger(&LINES).expect("the first logger");
    log::set_max_level(LevelFilter::Info);
    let denylist = Denylist::with_limits(Duration::from_secs(2), Limits { many: 300, most: 500 });
    denylist.opened(1);
    assert_eq!(lines_after(&denylist, 299), [""; 0]);
    let many = "WARN the denylist holds 300 ended sessions, and is 60 % full; see who ends so many";
    assert_eq!(lines_after(&denylist, 1), [many]);
    assert_eq!(lines_after(&denylist, 200), [""; 0]);
    let full = "ERROR the denylist is full with 500 ended sessions: no access token is accepted; see who ends so many";
    assert_eq!(lines_after(&denylist, 1), [full]);
    assert_eq!(lines_after(&denylist, 100), [""; 0]);

    let (began, mut over) = (Instant::now(), Vec::new());
    while over.len() < 2 {
        assert!(began.elapsed() < Duration::from_secs(30), "{over:?}");
        std::thread::sleep(Duration::from_millis(20));
        over.extend(lines_after(&denylist, 0));
    }
    over.sort();
    assert!(over[0].starts_with("INFO the denylist holds ") && over[0].contains("no longer many after"));
    assert!(over[1].starts_with("INFO the denylist is complete again after "), "{over:?}");
}
