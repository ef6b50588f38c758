//! A node logs that a bound still gives 503s, or no longer. The first one of a time has its line at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::Data;
use tokio::time::sleep;

use crate::http::revocations::open_streams::{self, MostStreams};
use crate::telemetry::metrics::Metrics;

/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Looks for as long as it is polled.
pub async fn watch(metrics: Arc<Metrics>, most_streams: Data<MostStreams>) {
    loop {
        sleep(LOOK_INTERVAL).await;
        let now = Instant::now();
        metrics.overloads.look(now);
        open_streams::look(&metrics, &most_streams, now);
    }
}
