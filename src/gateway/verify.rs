//! Is this access token good? Decided in memory, by its signature, its times and the denylist.

use std::time::Instant;

use token_gateway_core::checker::{Access, Outcome};
use token_gateway_core::clock::Timestamp;

use super::Gateway;

impl Gateway {
    /// Accepts a good token for this gateway's own audience. Waits only just after the start, until the feed has been
    /// read.
    pub async fn verify(&self, token: &str) -> Outcome {
        match self.check(token) {
            Outcome::Unknown(_) if self.denylist.stale().is_none() => {
                self.denylist.read_first().await;
                self.check(token)
            }
            outcome => outcome,
        }
    }

    fn check(&self, token: &str) -> Outcome {
        let now = |access: &Access| {
            let known = self.store.lower_bound(access.subject(), Instant::now());
            known.unwrap_or_else(Timestamp::from_system_clock)
        };
        self.checker.check(token, now)
    }
}
