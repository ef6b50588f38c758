//! Honest clients that connect while an attack is on.

use std::time::{Duration, Instant};

use reqwest::Method;
use tokio::time::sleep;

use super::arena::Arena;

const PAUSE: Duration = Duration::from_millis(100);

/// The time for which a newcomer waits.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Newcomers, and those that a node has let in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Newcomers {
    pub all: u64,
    pub let_in: u64,
}

pub async fn come(arena: &Arena, length: Duration) -> Newcomers {
    let (began, mut newcomers) = (Instant::now(), Newcomers::default());
    while began.elapsed() < length {
        let api = arena.newcomer();
        let answer = api.try_send(api.request(Method::GET, "/livez").timeout(PATIENCE)).await;
        newcomers.all += 1;
        newcomers.let_in += u64::from(answer.is_ok_and(|answer| answer.status == 200));
        sleep(PAUSE).await;
    }
    newcomers
}
