//! A retry budget: retries must stay few beside successful calls. Otherwise the held-up calls would run down a server
//! that has just come back.

use std::sync::atomic::{AtomicU32, Ordering};

/// The price of one retry, in successes.
const PRICE: u32 = 10;

/// The most retries at once: about as many as are in flight when a connection is lost.
const MOST: u32 = 512;

pub(crate) struct Budget(AtomicU32);

impl Budget {
    pub fn new() -> Self {
        Self(AtomicU32::new(MOST * PRICE))
    }

    /// A call has succeeded.
    pub fn earn(&self) {
        let tokens = self.0.load(Ordering::Relaxed);
        if tokens < MOST * PRICE {
            self.0.store(tokens + 1, Ordering::Relaxed); // one lost between two threads does not matter
        }
    }

    /// Whether a call may be sent once more.
    pub fn spend(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| tokens.checked_sub(PRICE)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_bounded_by_what_succeeds() {
        let budget = Budget::new();
        assert_eq!((0..10_000).filter(|_| budget.spend()).count(), MOST as usize);
        (0..PRICE - 1).for_each(|_| budget.earn());
        assert!(!budget.spend());
        budget.earn();
        assert!(budget.spend() && !budget.spend());
    }
}
