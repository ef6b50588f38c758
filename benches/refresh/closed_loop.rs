//! One measurement of one arrangement, and its cost.

use std::time::Duration;

use crate::arrangement::Running;
use crate::figures::Found;
use crate::load::{Client, Seen, closed};
use crate::process::{Process, own_cpu};

/// The unmeasured time of the clients before each closed-loop measurement.
const WARM_UP: Duration = Duration::from_millis(300);

/// Processor time so far of three: node, Redis, and this thread.
pub fn cpu(running: &Running, redis: &Process) -> [Duration; 3] {
    [running.node.as_ref().map_or(Duration::ZERO, Process::cpu), redis.cpu(), own_cpu()]
}

impl Found {
    pub fn new(seen: Seen, before: [Duration; 3], after: [Duration; 3]) -> Self {
        let micros = |quantile| seen.latency.value_at_quantile(quantile) as f64 / 1e3;
        let each = |n: usize| (after[n] - before[n]).as_secs_f64() * 1e6 / seen.latency.len().max(1) as f64;
        Self {
            per_second: seen.rate(),
            p50_us: micros(0.5),
            p99_us: micros(0.99),
            p999_us: micros(0.999),
            node_cpu_us: each(0),
            redis_cpu_us: each(1),
            driver_cpu_us: each(2),
            failures: seen.failures,
        }
    }
}

pub async fn one_closed(
    running: &Running,
    redis: &Process,
    clients: &mut Vec<Client>,
    time: Duration,
) -> Found {
    let (warm, warmed) = closed(std::mem::take(clients), WARM_UP).await;
    let before = cpu(running, redis);
    let (used, mut seen) = closed(warm, time).await;
    *clients = used;
    for (cause, count) in warmed.failures {
        *seen.failures.entry(cause).or_default() += count;
    }
    Found::new(seen, before, cpu(running, redis))
}
