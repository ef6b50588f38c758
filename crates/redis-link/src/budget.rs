//! A retry budget: retries must stay few beside successful calls. Otherwise the held-up calls would run down a server
//! that has just come back.

use std::sync::atomic::{AtomicU32, Ordering};

/// The price of one retry, in successes.
const RETRY_PRICE: u32 = 10;

/// The most retries at once: about as many as are in flight when a connection is lost.
const RETRY_BURST: u32 = 512;

/// Tokens for retries: a success earns one, a retry costs [`RETRY_PRICE`].
pub(crate) struct RetryBudget(AtomicU32);

impl RetryBudget {
    pub fn new() -> Self {
        Self(AtomicU32::new(RETRY_BURST * RETRY_PRICE))
    }

    /// A call has succeeded.
    pub fn earn(&self) {
        let tokens = self.0.load(Ordering::Relaxed);
        if tokens < RETRY_BURST * RETRY_PRICE {
            self.0.store(tokens + 1, Ordering::Relaxed); // one lost between two threads does not matter
        }
    }

    /// Whether a call may be sent once more.
    pub fn spend(&self) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| tokens.checked_sub(RETRY_PRICE))
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_bounded_by_what_succeeds() {
        let budget = RetryBudget::new();
        assert_eq!((0..10_000).filter(|_| budget.spend()).count(), RETRY_BURST as usize);
        (0..RETRY_PRICE - 1).for_each(|_| budget.earn());
        assert!(!budget.spend());
        budget.earn();
        assert!(budget.spend() && !budget.spend());
    }
}
