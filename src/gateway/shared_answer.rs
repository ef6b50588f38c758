//! One question and its answer, for all who ask at once.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// How long an answer holds.
const HOLDS: Duration = Duration::from_millis(250);

/// The latest answer, while it holds. One question is on its way at a time; callers wait for its answer meanwhile.
pub(super) struct SharedAnswer<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for SharedAnswer<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> SharedAnswer<T> {
    pub async fn get_or_ask(&self, question: impl Future<Output = T>) -> T {
        let mut latest = self.0.lock().await;
        if let Some((at, answer)) = &*latest
            && at.elapsed() < HOLDS
        {
            return answer.clone();
        }
        let answer = question.await;
        *latest = Some((Instant::now(), answer.clone()));
        answer
    }
}
