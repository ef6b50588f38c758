//! Whether this node can serve.

use std::time::Instant;

use token_gateway_core::feed::limits::MOST_ENDS;
use token_gateway_core::feed::timing;

use super::{Gateway, GatewayError};
use crate::telemetry::metrics::Operation;

/// The beginning of the danger of a stale denylist.
pub const FEED_LAGS: &str = "the revocation feed lags by";

impl Gateway {
    /// Checks whether this node can serve, for many who ask at once: an answer holds for a moment. Returns dangers to its
    /// promises, in words.
    ///
    /// # Errors
    ///
    /// The reason why the store cannot serve.
    pub async fn shared_ready(&self) -> Result<Vec<String>, GatewayError> {
        self.readiness.dangers.get_or_ask(self.ready()).await
    }

    /// The same, asked anew.
    ///
    /// # Errors
    ///
    /// The reason why the store cannot serve.
    pub async fn ready(&self) -> Result<Vec<String>, GatewayError> {
        let deadline = self.begin(Instant::now());
        let mut dangers = self.in_time(deadline, Operation::Ready, self.store.ready()).await?;
        dangers.extend(self.unread_feed());
        dangers.extend(self.denylist_dangers());
        let stale = self.denylist.lag();
        if stale > timing::LAG_WARNING {
            dangers.push(format!(
                "{FEED_LAGS} {} s: sessions that a failover brings back are not repaired; `token-gateway check` says what \
                 hinders its reader",
                stale.as_secs()
            ));
        }
        Ok(dangers)
    }

    /// The danger of a node that has just started, in words. It can refresh and log out, so it is ready.
    fn unread_feed(&self) -> Option<String> {
        let held = self.denylist.held();
        self.denylist.is_unread().then(|| {
            format!(
                "the revocation feed is being read for the first time, with {held} ended sessions so far; until it is over, \
                 /verify answers as with a stale feed"
            )
        })
    }

    /// The dangers of a denylist that fills up, in words.
    fn denylist_dangers(&self) -> Option<String> {
        let held = self.denylist.held();
        if self.denylist.lacks_ends() {
            return Some(format!(
                "the denylist was full: {held} ended sessions; no access token is accepted by /verify, see who ends so many"
            ));
        }
        self.denylist.holds_many().then(|| {
            format!(
                "the denylist holds {held} ended sessions, and {MOST_ENDS} fill it, or fewer with long subjects; see who ends so many"
            )
        })
    }

    /// The servers of the store whose memory is scarce, in words; `None` where one gives no answer.
    pub async fn scarce_memory(&self) -> Option<Vec<String>> {
        self.store.scarce_memory().await
    }

    /// The dangers to a node that is not ready, in words.
    pub async fn dangers_when_unready(&self) -> Vec<String> {
        self.store.dangers_when_unready().await
    }

    /// The same, for many who ask at once.
    pub async fn shared_dangers_when_unready(&self) -> Vec<String> {
        self.readiness.when_unready.get_or_ask(self.dangers_when_unready()).await
    }
}
