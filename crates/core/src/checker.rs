//! The decision on an access token, from memory: signature, claims, times, and the end of its session.

mod access;
mod outcome;
mod valid_tokens;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

pub use self::access::Access;
pub use self::outcome::{AccessRefusal, Outcome, Unknown};
use self::valid_tokens::{ValidToken, ValidTokens};
use crate::clock::Timestamp;
use crate::feed::Denylist;
use crate::token::{Acceptance, AccessToken, Audiences, Parts, TokenRefusal, Typ, VerifyingKey};

/// Least time between two passes that forget the tokens of ended sessions.
const FORGET_INTERVAL: Duration = Duration::from_millis(100);

/// Where the keys are that check signatures.
pub trait Keys: Send + Sync {
    /// The key of an access token, and its `typ`. Nothing is checked yet.
    ///
    /// # Errors
    ///
    /// As [`find_access_key`](crate::token::find_access_key).
    fn find(&self, parts: &Parts<'_>) -> Result<(Arc<VerifyingKey>, Typ), TokenRefusal>;
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

impl Rules {
    fn acceptance(&self) -> Acceptance<'_> {
        Acceptance {
            issuer: &self.issuer,
            audiences: Audiences::Only(&self.audiences),
            typ_jwt: if self.takes_typ_jwt { Audiences::Any } else { Audiences::Only(&[]) },
        }
    }
}

/// Checks access tokens. Shared by all threads.
pub struct Checker {
    keys: Arc<dyn Keys>,
    rules: Rules,
    denylist: Arc<Denylist>,
    valid_tokens: ValidTokens,
}

impl Checker {
    /// Checks by these keys and rules, and by the ended sessions on `denylist`.
    pub fn new(keys: Arc<dyn Keys>, rules: Rules, denylist: Arc<Denylist>) -> Self {
        Self { keys, rules, denylist, valid_tokens: ValidTokens::new() }
    }

    /// Checks a token at the time `now`, from memory: no request is sent, and nothing is waited for.
    pub fn check(&self, token: &str, now: impl FnOnce(&Access) -> Timestamp) -> Outcome {
        match self.verdict(token, now) {
            Ok(access) => match self.unknown_end(&access) {
                Some(unknown) => Outcome::Unknown(unknown),
                None => Outcome::Accepted(access),
            },
            Err(refusal) => Outcome::Refused(refusal),
        }
    }

    /// Whether the feed was not read yet, or its lag is beyond the limit of the rules.
    pub fn is_stale(&self) -> bool {
        self.feed_gap().is_some()
    }

    /// Forgets the tokens of ended sessions, as long as it is polled. [`check`](Self::check) refuses them before that.
    pub async fn drop_ended(&self) {
        let mut events = self.denylist.event_changes();
        while events.changed().await.is_ok() {
            sleep(FORGET_INTERVAL).await;
            events.mark_unchanged(); // one pass covers all events of the pause
            self.valid_tokens.retain(|access| !self.has_ended(access));
        }
    }

    /// The verdict as far as the denylist knows.
    fn verdict(&self, token: &str, now: impl FnOnce(&Access) -> Timestamp) -> Result<Access, AccessRefusal> {
        let parts = Parts::split(token)?;
        let (key, typ) = self.keys.find(&parts)?;
        let entry = ValidToken::new(&key, &parts);
        let access = match self.valid_tokens.get(&entry) {
            Some(access) => access,
            None => {
                key.check_signature(&parts)?;
                let access = self.accept(&parts, typ)?;
                self.valid_tokens.insert(entry, access.clone());
                access
            }
        };
        let alive = self.check_alive(&access, now(&access));
        if alive.is_err() {
            self.valid_tokens.forget(&entry);
        }
        alive.map(|()| access)
    }

    fn accept(&self, parts: &Parts<'_>, typ: Typ) -> Result<Access, TokenRefusal> {
        let payload = parts.payload()?;
        let token = AccessToken::accept(typ, &payload, &self.rules.acceptance())?;
        Ok(Access::new(token, payload))
    }

    fn check_alive(&self, access: &Access, now: Timestamp) -> Result<(), AccessRefusal> {
        access.token().check_live_at(now)?;
        if self.has_ended(access) { Err(AccessRefusal::Ended) } else { Ok(()) }
    }

    fn has_ended(&self, access: &Access) -> bool {
        self.denylist.reason(access.subject(), access.session()).is_some()
    }

    /// Why the session may have ended although the denylist does not hold it.
    fn unknown_end(&self, access: &Access) -> Option<Unknown> {
        if self.denylist.lacks_ends() {
            return Some(Unknown::DenylistFull);
        }
        if self.rules.goes_on_when_stale {
            return None;
        }
        if access.token().lifetime() > self.denylist.retention() {
            let sid = access.session();
            log::error!(sid = sid.as_str(); "session {sid}: the token outlives the entries of the denylist");
            return Some(Unknown::OutlivesDenylist);
        }
        self.feed_gap()
    }

    /// Why the denylist may lack the latest events.
    fn feed_gap(&self) -> Option<Unknown> {
        match self.denylist.stale() {
            None => Some(Unknown::FeedUnread),
            Some(lag) if lag > self.rules.max_stale => Some(Unknown::FeedStale),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
