//! One question and its answer, for all who ask at once.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::sleep_until;

/// How long an answer holds.
const HOLDS: Duration = Duration::from_millis(250);

/// So many callers get an answer without delay. Further ones wait for the next answer, so a flood of them keeps no node
/// busy.
const PROMPT_CALLERS: u32 = 32;

/// The latest answer, while it holds. One question is on its way at a time; callers wait for its answer meanwhile.
pub(super) struct SharedAnswer<T>(Mutex<Option<Answer<T>>>);

struct Answer<T> {
    at: Instant,
    value: T,
    callers: u32,
}

impl<T> Default for SharedAnswer<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> SharedAnswer<T> {
    pub async fn get_or_ask(&self, question: impl Future<Output = T>) -> T {
        let crowded = self.0.lock().await.as_ref().and_then(Answer::crowded_until);
        if let Some(next) = crowded {
            sleep_until(next.into()).await;
        }
        let mut latest = self.0.lock().await;
        if let Some(answer) = latest.as_mut().filter(|answer| answer.holds()) {
            answer.callers += 1;
            return answer.value.clone();
        }
        let value = question.await;
        *latest = Some(Answer { at: Instant::now(), value: value.clone(), callers: 1 });
        value
    }
}

impl<T> Answer<T> {
    fn holds(&self) -> bool {
        self.at.elapsed() < HOLDS
    }

    /// When the next answer is due, where this one has had its callers.
    fn crowded_until(&self) -> Option<Instant> {
        (self.holds() && self.callers >= PROMPT_CALLERS).then(|| self.at + HOLDS)
    }
}
