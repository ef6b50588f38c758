//! Counters and histograms in the OpenMetrics text format, served on the admin address only.
//!
//! Labels are closed sets: route patterns, outcomes, reasons. No subject, no session, no token.

mod connection_metrics;
mod labelled;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use token_gateway_core::outage::TurnedAway;
use token_gateway_core::session::Reason;

pub use self::connection_metrics::{Closed, ConnectionMetrics};
use self::labelled::{family, resolve};
use super::labels::labels;
use super::logging;
use super::overloads::{Bound, Overloads};

/// Upper bounds in seconds: the store answers within a millisecond, and is given up after half a second unless set
/// otherwise.
const STORE_SECONDS_BUCKETS: [f64; 12] =
    [0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

labels!(
    /// How a refresh went.
    RefreshOutcome {
        Rotated = "rotated",
        Replayed = "replayed",
        RolledBack = "rolled_back",
        Late = "late",
        Reused = "reused",
        Ended = "ended",
        Unknown = "unknown",
        Refused = "refused",
        Unavailable = "unavailable",
    }
);

labels!(
    /// The store part of a request, by use case.
    Operation {
        Issue = "issue",
        Refresh = "refresh",
        End = "end",
        Read = "read",
        Write = "write",
        Ready = "ready",
    }
);

labels!(
    /// Why the store part of a request failed.
    StoreFailure {
        Unavailable = "unavailable",
        OutOfMemory = "out_of_memory",
        Refused = "refused",
        Unreadable = "unreadable",
    }
);

/// Labels of one counted request. `route` is the route's pattern, never a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Request {
    pub route: &'static str,
    pub method: &'static str,
    pub status: u16,
}

/// All metrics of a process, shared by its workers.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    pub sessions_created: Counter,
    /// Unreadable changes of the key set file: the former keys stay at work.
    pub key_set_failures: Counter,
    refreshes: Vec<Counter>,
    ended: Vec<Counter>,
    /// Requests that waited in vain at a bound.
    pub overloads: Overloads,
    store_seconds: Vec<Histogram>,
    store_in_flight: Gauge,
    store_errors: Vec<Counter>,
    pub connections: ConnectionMetrics,
    /// Open streams of the feed.
    pub feed_streams: Gauge,
    /// The log lines about streams beyond the bound.
    pub refused_streams: TurnedAway,
    feed_stale: Gauge<f64, AtomicU64>,
    denylist_ends: Gauge,
    denylist_lacks_ends: Gauge,
}

/// The state of the feed and the denylist at the moment of a scrape.
#[derive(Debug, Clone, Copy, Default)]
pub struct FeedState {
    /// The lag of the feed.
    pub stale: Duration,
    /// The ended sessions on the denylist.
    pub ends: usize,
    /// Whether the denylist was full, and lacks some.
    pub lacks_ends: bool,
}

impl Metrics {
    pub fn new() -> Arc<Self> {
        let mut registry = Registry::with_prefix("token_gateway");
        let requests = Family::default();
        registry.register("http_requests", "Requests by route, method and status", requests.clone());
        let sessions_created = Counter::default();
        registry.register("sessions_created", "Sessions created", sessions_created.clone());
        let key_set_failures = Counter::default();
        let help = "Changes of the key set file that could not be read";
        registry.register("key_set_failures", help, key_set_failures.clone());
        let refreshes =
            family(&mut registry, "refreshes", "Refreshes by outcome", "outcome", RefreshOutcome::TEXTS);
        let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        let ended = family(&mut registry, "sessions_ended", "Sessions ended by reason", "reason", &reasons);
        let help = "Requests that got 503 because a bound on requests at once was reached";
        let overloads = family(&mut registry, "overloads", help, "bound", Bound::TEXTS);
        let store =
            Family::<[(&str, &str); 1], Histogram, fn() -> Histogram>::new_with_constructor(histogram);
        registry.register_with_unit("store", "Store part of a request", Unit::Seconds, store.clone());
        let store_seconds = resolve(&store, "operation", Operation::TEXTS);
        let store_in_flight = Gauge::default();
        registry.register("store_in_flight", "Store parts of requests in flight", store_in_flight.clone());
        let help = "Store parts of requests that failed, by cause";
        let store_errors = family(&mut registry, "store_errors", help, "error", StoreFailure::TEXTS);
        let help = "Log lines dropped because standard error was not read in time";
        registry.register("log_lines_dropped", help, logging::dropped_lines());
        let feed_stale = Gauge::default();
        let help = "Lag of the revocation feed";
        registry.register_with_unit("feed_stale", help, Unit::Seconds, feed_stale.clone());
        let connections = ConnectionMetrics::registered(&mut registry);
        let feed_streams = Gauge::default();
        registry.register("feed_streams", "Open streams of the feed over HTTP", feed_streams.clone());
        let denylist_ends = Gauge::default();
        registry.register("denylist_ends", "Ended sessions on the denylist", denylist_ends.clone());
        let denylist_lacks_ends = Gauge::default();
        let help = "1 while the denylist lacks ended sessions because it was full";
        registry.register("denylist_lacks_ends", help, denylist_lacks_ends.clone());
        Arc::new(Self {
            registry,
            requests,
            sessions_created,
            key_set_failures,
            refreshes,
            ended,
            overloads: Overloads::new(overloads),
            store_seconds,
            store_in_flight,
            store_errors,
            connections,
            feed_streams,
            refused_streams: TurnedAway::default(),
            feed_stale,
            denylist_ends,
            denylist_lacks_ends,
        })
    }

    pub fn requested(&self, request: &Request) {
        self.requests.get_or_create(request).inc();
    }

    pub fn refreshed(&self, outcome: RefreshOutcome) {
        self.refreshes[outcome as usize].inc();
    }

    pub fn session_ended(&self, reason: Reason) {
        let index = Reason::ALL.iter().position(|one| *one == reason).expect("ALL holds every reason");
        self.ended[index].inc();
    }

    pub fn store_failed(&self, failure: StoreFailure) {
        self.store_errors[failure as usize].inc();
    }

    /// Counts a store call as in flight, and its duration, until the guard is dropped.
    pub fn store_call(&self, operation: Operation) -> impl Drop + '_ {
        self.store_in_flight.inc();
        StoreCall { metrics: self, operation, began: Instant::now() }
    }

    /// The OpenMetrics text.
    pub fn render(&self, feed: FeedState) -> String {
        self.feed_stale.set(feed.stale.as_secs_f64());
        self.denylist_ends.set(feed.ends as i64);
        self.denylist_lacks_ends.set(feed.lacks_ends.into());
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("strings take all that is written");
        out
    }
}

struct StoreCall<'a> {
    metrics: &'a Metrics,
    operation: Operation,
    began: Instant,
}

impl Drop for StoreCall<'_> {
    fn drop(&mut self) {
        self.metrics.store_in_flight.dec();
        self.metrics.store_seconds[self.operation as usize].observe(self.began.elapsed().as_secs_f64());
    }
}

fn histogram() -> Histogram {
    Histogram::new(STORE_SECONDS_BUCKETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_shown_from_the_start_and_counted_apart() {
        let metrics = Metrics::new();
        metrics.refreshed(RefreshOutcome::RolledBack);
        metrics.session_ended(Reason::Evicted);
        metrics.store_failed(StoreFailure::OutOfMemory);
        drop(metrics.store_call(Operation::Refresh));
        let stale = Duration::from_millis(1500);
        let text = metrics.render(FeedState { stale, ends: 7, lacks_ends: true });
        for line in [
            "token_gateway_refreshes_total{outcome=\"rolled_back\"} 1",
            "token_gateway_refreshes_total{outcome=\"replayed\"} 0",
            "token_gateway_sessions_ended_total{reason=\"evicted\"} 1",
            "token_gateway_store_seconds_count{operation=\"refresh\"} 1",
            "token_gateway_store_in_flight 0",
            "token_gateway_store_errors_total{error=\"out_of_memory\"} 1",
            "token_gateway_store_errors_total{error=\"refused\"} 0",
            "token_gateway_feed_stale_seconds 1.5",
            "token_gateway_feed_streams 0",
            "token_gateway_denylist_ends 7",
            "token_gateway_denylist_lacks_ends 1",
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
    }
}
