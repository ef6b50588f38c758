//! What decides on an access token, from memory: signature, claims, times, and whether its session has ended.

mod access;
mod seen;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::sleep;

use self::seen::Seen;
use crate::clock::Timestamp;
use crate::revocations::Revocations;
use crate::token::verify::{AccessToken, Rejected};
use crate::token::verifying::VerifyingKey;
use crate::token::{Parts, Typ};

pub use self::access::Access;

/// Tokens that are remembered as good.
const SEEN: usize = 10_000;

/// What has ended is dropped from among them at most this often.
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

/// What a verifier goes by.
#[derive(Debug, Clone)]
pub struct Rules {
    /// `iss`, to the byte.
    pub issuer: String,
    /// Any of these as `aud`.
    pub audiences: Vec<String>,
    /// Takes `typ: JWT`, too, which the gateway sets for audiences in `TYP_JWT_AUDIENCES`.
    pub takes_typ_jwt: bool,
    /// A feed that was not heard for longer than this is stale.
    pub max_stale: Duration,
    /// Whether tokens are accepted though the feed is stale: a logout may then go unnoticed until the token expires.
    pub goes_on_when_stale: bool,
}

/// Checks access tokens. Shared by all threads.
pub struct Checker {
    keys: Arc<dyn Keys>,
    rules: Rules,
    revocations: Arc<Revocations>,
    seen: Seen,
}

impl Checker {
    /// Checks by these keys and rules, and by the ends that `revocations` remembers.
    pub fn new(keys: Arc<dyn Keys>, rules: Rules, revocations: Arc<Revocations>) -> Self {
        Self { keys, rules, revocations, seen: Seen::new(SEEN) }
    }

    /// A token that is good at `now`. What decides is in memory: nothing is asked, nothing is waited for.
    ///
    /// # Errors
    ///
    /// Why it is refused; [`Refused::Unsure`] is no verdict on the token.
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
        if access.token().lifetime() > self.revocations.retention() {
            log::error!("session {}: a token lives longer than ends are remembered", access.session());
            return Err(Refused::Unsure);
        }
        if self.is_stale() { Err(Refused::Unsure) } else { Ok(access) }
    }

    /// Whether the feed was not heard for longer than the rules allow.
    pub fn is_stale(&self) -> bool {
        self.revocations.stale().is_none_or(|stale| stale > self.rules.max_stale)
    }

    /// Forgets tokens of sessions that have ended, for as long as it is polled. [`check`](Self::check) refuses them
    /// before that.
    pub async fn drop_ended(&self) {
        let mut news = self.revocations.news();
        while !matches!(news.recv().await, Err(RecvError::Closed)) {
            sleep(DROP_EVERY).await;
            news = news.resubscribe(); // whatever came meanwhile is looked for at once
            self.seen.retain(|access| self.revocations.reason(access.subject(), access.session()).is_none());
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
        match self.revocations.reason(access.subject(), access.session()) {
            Some(_) => Err(Refused::Ended),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
