//! The keeper of a link: a task that opens its connection, watches over it, and replaces a lost one.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use token_gateway_core::clock::Clock;
use tokio::time::{sleep, timeout};

use crate::link::{Handle, Link};
use crate::wire::CONNECT_TIMEOUT;
use crate::{Diagnosis, LinkError};

/// How long a connection may be silent before its keeper asks for the time and the role. The answers keep the clock's
/// bound tight, and reveal a dead connection or a demoted primary while nobody uses it.
const LINK_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(300);

/// The longest one while the server refuses.
const LONGEST_REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// The remedy where another server has taken over.
const NEXT_PRIMARY: &str = "the next call goes to the new primary";

/// Keeps the link's connection open for as long as the store lives. `forget` drops the handles on a connection that was
/// given up, so that it closes.
pub(crate) async fn keep(link: Arc<Link>, forget: impl Fn()) {
    for number in 1.. {
        let (handle, replid) = connect(&link, number).await;
        let address = handle.server.address.clone();
        link.health.connected(&address, !link.connector.is_in_cluster());
        link.install(handle.clone());
        let server = handle.server.clone();
        tokio::select! {
            () = watch_over(&link, handle) => {}
            () = link.endpoint.wait_until_moved(&address, &replid) => {
                link.give_up(number, &Diagnosis::new(server, "is no primary any more", NEXT_PRIMARY));
            }
        }
        forget();
    }
}

/// Returns when the connection is lost. Probes a silent one, and gives it up without an answer: a black hole must not
/// swallow every later call too.
async fn watch_over(link: &Link, mut handle: Handle) {
    while link.current.load(Ordering::Acquire) == handle.number {
        let _ = timeout(LINK_CHECK_INTERVAL, link.wake.notified()).await;
        if link.last_answer().elapsed() >= LINK_CHECK_INTERVAL {
            probe(link, &mut handle).await;
        }
    }
}

async fn probe(link: &Link, handle: &mut Handle) {
    let (began, number) = (Instant::now(), handle.number);
    tokio::select! {
        answer = timeout(link.check_timeout, link.check(handle)) => {
            if answer.is_err() && link.last_answer() < began {
                link.give_up(number, &Diagnosis::late(Some(handle.server.clone()), link.check_timeout));
            }
        }
        () = link.wait_until_replaced(number) => {}
    }
}

/// Tries until it succeeds, first at once, then with jittered backoff.
async fn connect(link: &Link, number: u64) -> (Handle, String) {
    let mut pauses = Pauses::new();
    loop {
        let opened = timeout(CONNECT_TIMEOUT, open(link, number)).await;
        let error = match opened {
            Ok(Ok(opened)) => return opened,
            Ok(Err(error)) => error,
            Err(_) => Diagnosis::late(link.server(), CONNECT_TIMEOUT).into(),
        };
        log::debug!(error:%; "cannot connect to Redis: {error}");
        let pause = pauses.after(&error);
        link.report_down(error);
        sleep(pause).await;
    }
}

async fn open(link: &Link, number: u64) -> Result<(Handle, String), LinkError> {
    let is_first = number == 1 && link.is_original;
    let clock = if is_first { Clock::default() } else { Clock::of_a_successor() };
    link.tries(None);
    let (server, clock) = (link.endpoint.server().await?, Arc::new(clock));
    link.tries(Some(server.clone()));
    let mut connection = link.connector.open(&server, &clock).await?;
    let replid = link.endpoint.confirm(&mut connection, &server).await?;
    Ok((Handle { number, server, clock, connection }, replid))
}

/// The pauses between tries.
struct Pauses {
    short: ExponentialBackoff,
    /// While the server refuses: somebody must mend something first.
    long: ExponentialBackoff,
}

impl Pauses {
    fn new() -> Self {
        Self { short: pauses(LONGEST_PAUSE), long: pauses(LONGEST_REFUSED_PAUSE) }
    }

    fn after(&mut self, error: &LinkError) -> Duration {
        if !error.is_lasting() {
            self.long = pauses(LONGEST_REFUSED_PAUSE);
        }
        let pauses = if error.is_lasting() { &mut self.long } else { &mut self.short };
        pauses.next().expect("the backoff never ends")
    }
}

/// Each pause is up to twice as long by its jitter.
fn pauses(longest: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(25))
        .with_max_delay(longest / 2)
        .with_jitter()
        .without_max_times()
        .build()
}
