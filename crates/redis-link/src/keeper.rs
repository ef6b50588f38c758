//! The keeper of a link: a task that opens its connection, watches over it, and replaces a lost one.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use token_gateway_core::clock::Clock;
use token_gateway_core::loop_state::LoopState;
use tokio::time::{sleep, timeout};

use crate::LinkError;
use crate::link::{Handle, Link};
use crate::wire::CONNECT_TIMEOUT;

/// How long a connection may be silent before its keeper asks for the time and the role. The answers keep the clock's
/// bound tight, and reveal a dead connection or a demoted primary while nobody uses it.
const LINK_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Keeps the link's connection open for as long as the store lives. `forget` drops the handles on a connection that was
/// given up, so that it closes.
pub(crate) async fn keep(link: Arc<Link>, forget: impl Fn()) {
    for number in 1.. {
        let (handle, replid) = connect(&link, number).await;
        log::info!("connected to Redis at {}", handle.address);
        link.install(handle.clone());
        let address = handle.address.clone();
        tokio::select! {
            () = watch_over(&link, handle) => {}
            () = link.endpoint.wait_until_moved(&address, &replid) => {
                link.give_up(number, "another server is the primary now");
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
                link.give_up(number, "no answer");
            }
        }
        () = link.wait_until_replaced(number) => {}
    }
}

/// Tries until it succeeds, first at once, then with jittered backoff.
async fn connect(link: &Link, number: u64) -> (Handle, String) {
    let mut state = LoopState::default();
    for pause in reconnection_pauses() {
        let error = match timeout(CONNECT_TIMEOUT, open(link, number)).await {
            Ok(Ok(opened)) => return opened,
            Ok(Err(error)) => error,
            Err(_) => LinkError::Unavailable(format!("no answer within {CONNECT_TIMEOUT:?}")),
        };
        if state.fails(&error.kind()) {
            log::warn!("cannot connect to Redis, trying on: {error}");
        }
        link.report_down(error);
        sleep(pause).await;
    }
    unreachable!("the backoff never ends")
}

async fn open(link: &Link, number: u64) -> Result<(Handle, String), LinkError> {
    let is_first = number == 1 && link.is_original;
    let clock = if is_first { Clock::default() } else { Clock::of_a_successor() };
    let (address, clock) = (link.endpoint.address().await?, Arc::new(clock));
    let mut connection = link.connector.open(&address, &clock).await?;
    let replid = link.endpoint.confirm(&mut connection).await?;
    Ok((Handle { number, address, clock, connection }, replid))
}

fn reconnection_pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(25))
        .with_max_delay(Duration::from_millis(150)) // each is up to twice as long by its jitter
        .with_jitter()
        .without_max_times()
        .build()
}
