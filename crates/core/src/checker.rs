//! The decision on an access token, from memory: signature, claims, times, and the end of its session.

mod access;
mod seen;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::sleep;

use self::seen::Seen;
use crate::clock::Timestamp;
use crate::feed::Denylist;
use crate::token::verify::{AccessToken, Rejected};
use crate::token::verifying::VerifyingKey;
use crate::token::{Parts, Typ};

pub use self::access::Access;

/// Capacity for tokens remembered as valid.
const SEEN: usize = 10_000;

/// Least time between two passes that drop the tokens of ended sessions.
const DROP_EVERY: Duration = Duration::from_millis(100);

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The token itself is not good.
    #[error("{0}")]
    Token(#[from] Rejected),
    /// A logout, or another end, came before.
    #[error("its session has ended")]
    Ended,
    /// No verdict on the token: ask later, or elsewhere.
    #[error("it cannot be known whether its session has ended")]
    Unsure,
}

/// Where the keys are that check signatures.
pub trait Keys: Send + Sync {
    /// The key of an access token, and its `typ`. Nothing is checked yet.
    ///
    /// # Errors
    ///
    /// As [`find_access`](crate::token::verifying::find_access).
    fn find(&self, parts: &Parts<'_>) -> Result<(Arc<VerifyingKey>, Typ), Rejected>;
}

/// The rules of a verifier.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The expected `iss`, byte for byte.
    pub issuer: String,
    /// The accepted values of `aud`.
    pub audiences: Vec<String>,
    /// Accepts `typ: JWT`, too: the gateway sets it for audiences in `TYP_JWT_AUDIENCES`.
    pub takes_typ_jwt: bool,
    /// With a lag beyond this limit, the feed is stale.
    pub max_stale: Duration,
    /// Whether to accept tokens while the feed is stale: a logout may then go unnoticed until the token expires.
    pub goes_on_when_stale: bool,
}

/// Checks access tokens. Shared by all threads.
pub struct Checker {
    keys: Arc<dyn Keys>,
    rules: Rules,
    denylist: Arc<Denylist>,
    seen: Seen,
}

impl Checker {
    /// Checks by these keys and rules, and by the ends that `denylist` remembers.
    pub fn new(keys: Arc<dyn Keys>, rules: Rules, denylist: Arc<Denylist>) -> Self {
        Self { keys, rules, denylist, seen: Seen::new(SEEN) }
    }

    /// Checks a token at the time `now`, from memory: no request is sent, and nothing is waited for.
    ///
    /// # Errors
    ///
    /// Why the token is refused; [`Refused::Unsure`] is no verdict on the token.
    pub fn check(&self, token: &str, now: impl FnOnce(&Access) -> Timestamp) -> Result<Access, Refused> {
        let parts = Parts::split(token)?;
        let (key, typ) = self.keys.find(&parts)?;
        let known = (key.id, key.digest(&parts)?);
        let access = match self.seen.get(&known) {
            Some(access) => access,
            None => {
                key.check_signature(&parts)?;
                let access = self.read(&parts, typ)?;
                self.seen.insert(known, access.clone());
                access
            }
        };
        let verdict = self.verdict(&access, now(&access));
        if verdict.is_err() {
            self.seen.forget(&known);
        }
        verdict?;
        if self.rules.goes_on_when_stale {
            return Ok(access);
        }
        if access.token().lifetime() > self.denylist.retention() {
            log::error!("session {}: a token lives longer than ends are remembered", access.session());
            return Err(Refused::Unsure);
        }
        if self.is_stale() { Err(Refused::Unsure) } else { Ok(access) }
    }

    /// Whether the feed's lag is beyond the limit of the rules.
    pub fn is_stale(&self) -> bool {
        self.denylist.stale().is_none_or(|stale| stale > self.rules.max_stale)
    }

    /// Forgets the tokens of ended sessions, as long as it is polled. [`check`](Self::check) refuses them before that.
    pub async fn drop_ended(&self) {
        let mut ends = self.denylist.later_events();
        while !matches!(ends.recv().await, Err(RecvError::Closed)) {
            sleep(DROP_EVERY).await;
            ends = ends.resubscribe(); // one pass covers all events of the pause
            self.seen.retain(|access| self.denylist.reason(access.subject(), access.session()).is_none());
        }
    }

    fn read(&self, parts: &Parts<'_>, typ: Typ) -> Result<Access, Rejected> {
        if typ != Typ::AtJwt && !self.rules.takes_typ_jwt {
            return Err(Rejected::WrongKind);
        }
        let payload = parts.payload()?;
        let read = AccessToken::read(&payload, &self.rules.issuer, |audience| {
            let is_ours = self.rules.audiences.iter().any(|own| own == audience);
            if is_ours { Ok(()) } else { Err(Rejected::Foreign) }
        })?;
        Ok(Access::new(read, payload))
    }

    fn verdict(&self, access: &Access, now: Timestamp) -> Result<(), Refused> {
        access.token().check_live_at(now)?;
        match self.denylist.reason(access.subject(), access.session()) {
            Some(_) => Err(Refused::Ended),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
