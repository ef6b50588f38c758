//! Is this access token good? Decided in memory, by its signature, its times and the denylist.

use std::time::Instant;

use token_gateway_core::checker::{Access, AccessRefusal, Outcome};
use token_gateway_core::clock::Timestamp;

use super::{Error, Gateway, Refusal};
use crate::store;

impl Gateway {
    /// Accepts a good token for this gateway's own audience. Waits only just after the start, until the feed has been
    /// read.
    pub async fn verify(&self, token: &str) -> Result<Access, Error> {
        match self.verdict(token) {
            Err(Error::Store(_)) if self.denylist.stale().is_none() => {
                self.denylist.read_first().await;
                self.verdict(token)
            }
            decided => decided,
        }
    }

    fn verdict(&self, token: &str) -> Result<Access, Error> {
        let now = |access: &Access| {
            let known = self.store.lower_bound(access.subject(), Instant::now());
            known.unwrap_or_else(Timestamp::from_system_clock)
        };
        match self.checker.check(token, now) {
            Outcome::Accepted(access) => Ok(access),
            Outcome::Refused(AccessRefusal::Token(refusal)) => Err(Error::Access(Refusal::Token(refusal))),
            Outcome::Refused(AccessRefusal::Ended) => Err(Error::Access(Refusal::Ended)),
            Outcome::Unknown(_) => {
                Err(Error::Store(store::Error::Unavailable("the feed of ended sessions is stale".to_owned())))
            }
        }
    }
}
