//! Where sessions live: one trait in our own vocabulary, and two backends.
//!
//! - [`redis`]: the real one. Every change of state is one atomic Lua script.
//! - [`memory`]: in-process, for `dev` and for tests of everything above it. Its sequential code is the
//!   specification; `tests/store` runs the same operations against both and compares every answer.
//!
//! # Adding a backend
//!
//! Implement [`Store`], then add it to `Bench` in `tests/store/mod.rs`: the contract suite and the model-based test
//! take it from there. Two rules matter more than all else. Each change of state is atomic, and [`StoreError`] means
//! "could not know", never a verdict.

mod answers;
pub mod memory;
mod page;
mod policy;
pub mod redis;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use token_gateway_core::clock::{Moment, Timestamp};
use token_gateway_core::feed::{EndedSession, Listener};
use token_gateway_core::session::{Jti, Reason, SessionId, Subject};

pub use self::answers::{Created, EndOutcome, Ends, Lookup, Rotated, SessionRecord, StoreError, Successor};
pub use self::page::{MAX_PAGE, Page, PageRequest};
pub use self::policy::{Policy, ReuseScope, absolute_end};

/// The calls on the store. Each change of state is atomic, and any call may be repeated when its outcome is unknown.
#[async_trait]
pub trait Store: Send + Sync {
    /// The error of a call that has no answer within its time.
    fn late(&self, within: Duration) -> StoreError;

    /// Stores a new session, if nothing was ever stored under its id.
    async fn create(&self, new: &NewSession<'_>) -> Result<Created, StoreError>;

    /// Exchanges a refresh token for its successor, or says why not. The heart of the gateway.
    async fn rotate(&self, rotation: &Rotation<'_>) -> Result<Rotated, StoreError>;

    /// Ends one session. Ending an ended one changes nothing.
    async fn end_session(
        &self,
        subject: &Subject,
        session: SessionId,
        reason: Reason,
    ) -> Result<EndOutcome, StoreError>;

    /// Ends the subject's sessions created until `sent_at`, all or all but one.
    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionId>,
        reason: Reason,
        sent_at: Moment,
    ) -> Result<Ends, StoreError>;

    /// One session, from the authority: a deposed primary refuses to answer.
    async fn get(&self, subject: &Subject, session: SessionId) -> Result<Lookup, StoreError>;

    /// A page of the subject's live sessions.
    async fn list(&self, subject: &Subject, asked: PageRequest) -> Result<Page, StoreError>;

    /// Replaces the claims carried from the next refresh on, in one session or in all the subject's live ones. Returns
    /// the changed sessions.
    async fn set_claims(
        &self,
        subject: &Subject,
        session: Option<SessionId>,
        claims: &str,
    ) -> Result<Vec<SessionId>, StoreError>;

    /// The subject's ended sessions that are not marked as published yet.
    async fn unpublished(&self, subject: &Subject) -> Result<Vec<EndedSession>, StoreError>;

    /// Appends ended sessions to the revocation feed. Publishing twice is harmless.
    async fn publish(&self, subject: &Subject, ended: &[EndedSession]) -> Result<(), StoreError>;

    /// Marks the tombstones of sessions as published. Comes after [`publish`](Self::publish): a node lost in between
    /// leaves work to repeat.
    async fn mark_published(&self, subject: &Subject, ended: &[EndedSession]) -> Result<(), StoreError>;

    /// The time, freshly asked, of the server in charge of the subject's sessions.
    async fn now(&self, subject: &Subject) -> Result<Timestamp, StoreError>;

    /// A lower bound of the same server's clock at `moment`, as far as earlier answers allow one.
    fn lower_bound(&self, subject: &Subject, moment: Instant) -> Option<Timestamp>;

    /// Passes the revocation feed to `listener`: the events it holds, then each new one, for as long as the future is
    /// polled.
    async fn subscribe(&self, listener: &(dyn Listener + Sync));

    /// Whether the store can serve: reachable, writable, and of a layout known to this node. Returns the remaining
    /// dangers to the promises, in words.
    async fn ready(&self) -> Result<Vec<String>, StoreError>;

    /// The servers whose memory is scarce, in words; `None` where one gives no answer. Asks for nothing else.
    async fn scarce_memory(&self) -> Option<Vec<String>> {
        Some(Vec::new())
    }

    /// The dangers to a node that is not ready, in words, as far as they can be found out.
    async fn dangers_when_unready(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A session to be created. Empty strings are not stored.
#[derive(Debug, Clone)]
pub struct NewSession<'a> {
    pub subject: &'a Subject,
    /// The id of the first refresh token; names the session.
    pub jti: Jti,
    /// A create is refused after this moment. Doubled on its way, a create could otherwise revive a session ended in
    /// between.
    pub deadline: Moment,
    /// A JSON object. All values here are printable ASCII.
    pub claims: &'a str,
    pub client: &'a str,
    pub client_id: &'a str,
    pub scope: &'a str,
    pub aud: &'a str,
}

/// A refresh token presented to be exchanged.
#[derive(Debug, Clone)]
pub struct Rotation<'a> {
    pub subject: &'a Subject,
    pub presented: Jti,
    pub generation: u64,
    pub successor: Jti,
    /// When the request arrived. A lower bound of this moment on the store's clock decides.
    pub sent_at: Moment,
    /// The device as a service describes it: a JSON object, or empty. Where the session moves on, it becomes the last
    /// client; an empty one leaves the last client alone. Printable ASCII.
    pub client: &'a str,
    /// Whether a superseded token ends sessions. If not, the answer is [`Rotated::Suspect`], and nothing is written.
    pub accuse: bool,
}
