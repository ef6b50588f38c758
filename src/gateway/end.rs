//! Ending sessions (logout, logout everywhere, revocation), and publishing the ends in the feed.
//!
//! An end is published before its request is answered. If publishing fails, the caller gets "unavailable" and may
//! repeat the call. A request that meets an unpublished tombstone publishes it first. Only a login is answered even if
//! its evictions are unpublished.
//!
//! All of this runs in a task of its own, so a client cannot cut it short by hanging up.

use std::sync::Arc;
use std::time::Instant;

use token_gateway_core::clock::{Moment, Timestamp};
use token_gateway_core::feed::{Denylist, EndedSession};
use token_gateway_core::session::{Reason, SessionId, Subject};

use super::{Call, Error, Gateway, Refusal};
use crate::store::{self, EndedMany, EndedOne, Store};
use crate::telemetry::metrics::{Metrics, Operation};

impl Gateway {
    /// RFC 7009: ends the session of a refresh or access token, expired ones included; a token that is
    /// none of ours is nobody's session, and that is fine too.
    pub async fn revoke(&self, call: Call, token: &str, client_id: Option<&str>) -> Result<(), Error> {
        let (subject, session, owner) = if let Ok(token) = self.tokens.open_refresh(token) {
            (token.subject, token.jti.session(), token.client_id)
        } else if let Ok(token) = self.tokens.open_access(token) {
            (token.subject, token.session, token.client_id)
        } else {
            return Ok(());
        };
        if client_id.is_some_and(|client| client != owner) {
            return Err(Error::Grant(Refusal::Client));
        }
        let part = self.ender().log_out(call, subject, session);
        self.in_time(call, Operation::End, part).await.map(drop)
    }

    /// Ends one session. Returns the sessions whose ends this call has published.
    pub async fn end_session(
        &self,
        call: Call,
        subject: Subject,
        session: SessionId,
        reason: Reason,
    ) -> Result<Vec<SessionId>, Error> {
        let part = self.ender().end_session(call, subject, session, reason);
        self.in_time(call, Operation::End, part).await.map(ids)
    }

    /// Ends all sessions of the subject, or all but one. Sessions created while this runs may survive.
    pub async fn end_subject(
        &self,
        call: Call,
        subject: Subject,
        except: Option<SessionId>,
        reason: Reason,
    ) -> Result<Vec<SessionId>, Error> {
        let part = self.ender().end_subject(call, subject, except, reason);
        self.in_time(call, Operation::End, part).await.map(ids)
    }

    pub(super) async fn publish(
        &self,
        call: Call,
        subject: Subject,
        ended: EndedMany,
    ) -> Result<(), store::Error> {
        if ended.is_empty() {
            return Ok(());
        }
        let ender = self.ender();
        uninterrupted(call, async move { ender.publish(&subject, &ended).await }).await
    }

    /// Publishes this tombstone, and all other unpublished ones of the subject.
    pub(super) async fn settle(
        &self,
        call: Call,
        subject: Subject,
        met: EndedSession,
    ) -> Result<Vec<SessionId>, store::Error> {
        let ender = self.ender();
        uninterrupted(call, async move { ender.settle(&subject, met).await.map(ids) }).await
    }

    /// Repairs the end of a session on the denylist, where the store has lost it. Returns the sessions whose ends this
    /// call has published.
    pub(super) async fn insist(
        &self,
        call: Call,
        subject: &Subject,
        met: EndedSession,
    ) -> Result<Vec<SessionId>, Error> {
        self.end_session(call, subject.clone(), met.session, met.reason).await
    }

    /// The end of the session, if it is on the denylist.
    pub(super) fn remembered(&self, subject: &Subject, session: SessionId) -> Option<EndedSession> {
        self.denylist.reason(subject, session).map(|reason| EndedSession { session, reason })
    }

    fn ender(&self) -> Ender {
        Ender::new(self.store.clone(), self.metrics.clone(), self.denylist.clone())
    }
}

fn ids(ended: EndedMany) -> Vec<SessionId> {
    ended.all().into_iter().map(|one| one.session).collect()
}

/// Runs to its end or to the deadline, even if nobody waits for it any more.
async fn uninterrupted<T: Send + 'static>(
    call: Call,
    part: impl Future<Output = Result<T, store::Error>> + Send + 'static,
) -> Result<T, store::Error> {
    let task = tokio::spawn(call.in_time(part));
    task.await.unwrap_or_else(|_| Err(store::Error::Unavailable("the call was cut off".into())))
}

/// The means to end sessions, without the rest of a worker: the commands for operators have no secrets, and end
/// sessions all the same.
#[derive(Clone)]
pub struct Ender {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    denylist: Arc<Denylist>,
}

impl Ender {
    /// `denylist` is the denylist for the ended sessions.
    pub fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>, denylist: Arc<Denylist>) -> Self {
        Self { store, metrics, denylist }
    }

    /// Ends one session. Returns the sessions whose ends this call has published.
    pub async fn end_session(
        self,
        call: Call,
        subject: Subject,
        session: SessionId,
        reason: Reason,
    ) -> Result<EndedMany, store::Error> {
        let part = async move {
            match self.store.end_session(&subject, session, reason).await? {
                EndedOne::Ended => {
                    let ended = EndedMany { now: vec![EndedSession { session, reason }], before: Vec::new() };
                    self.publish(&subject, &ended).await?;
                    Ok(ended)
                }
                EndedOne::Already { reason, announced: false } => {
                    self.settle(&subject, EndedSession { session, reason }).await
                }
                EndedOne::Already { announced: true, .. } | EndedOne::Unknown => Ok(EndedMany::default()),
            }
        };
        uninterrupted(call, part).await
    }

    /// The same by a signed token, as proof of the session. If the store has lost the session, its end is published all
    /// the same: its access tokens are still about.
    pub async fn log_out(
        self,
        call: Call,
        subject: Subject,
        session: SessionId,
    ) -> Result<EndedMany, store::Error> {
        let ended = self.clone().end_session(call, subject.clone(), session, Reason::Logout).await?;
        if !ended.is_empty() || self.denylist.is_published(&subject, session) {
            return Ok(ended);
        }
        let lost = vec![EndedSession { session, reason: Reason::Logout }];
        let part = async move {
            self.denylist.remember(&subject, &lost);
            self.store.publish(&subject, &lost).await
        };
        uninterrupted(call, part).await.map(|()| ended)
    }

    /// Repairs an end that its record or the feed has lost. Returns whether the record had lost it.
    pub async fn end_again(
        self,
        call: Call,
        subject: Subject,
        lost: EndedSession,
    ) -> Result<bool, store::Error> {
        let part = async move {
            match self.store.end_session(&subject, lost.session, lost.reason).await? {
                EndedOne::Ended => {
                    let ended = EndedMany { now: vec![lost], before: Vec::new() };
                    self.publish(&subject, &ended).await.map(|()| true)
                }
                EndedOne::Already { .. } | EndedOne::Unknown => {
                    self.store.publish(&subject, &[lost]).await.map(|()| false)
                }
            }
        };
        uninterrupted(call, part).await
    }

    /// Ends all sessions of the subject, or all but one. Sessions created while this runs may survive.
    ///
    /// Asks the store for its time first. A bound a little too early is fine for a refresh; here it could spare a
    /// session created before the call. No time from after the deadline is used, because the task is gone by then. Such
    /// a time could end a login made after the caller gave up.
    pub async fn end_subject(
        self,
        call: Call,
        subject: Subject,
        except: Option<SessionId>,
        reason: Reason,
    ) -> Result<EndedMany, store::Error> {
        let part = async move {
            self.store.now(&subject).await?;
            let sent_at = Moment::Local(Instant::now());
            let ended = self.store.end_subject(&subject, except, reason, sent_at).await?;
            self.publish(&subject, &ended).await?;
            Ok(ended)
        };
        uninterrupted(call, part).await
    }

    async fn publish(&self, subject: &Subject, ended: &EndedMany) -> Result<(), store::Error> {
        for one in &ended.now {
            self.metrics.session_ended(one.reason);
        }
        let all = ended.all();
        self.denylist.remember(subject, &all);
        self.store.publish(subject, &all).await
    }

    async fn settle(&self, subject: &Subject, met: EndedSession) -> Result<EndedMany, store::Error> {
        // No session was created before the epoch, so this ends nothing and returns the unpublished tombstones.
        let mut waiting =
            self.store.end_subject(subject, None, met.reason, Moment::Stored(Timestamp(0))).await?;
        if !waiting.before.iter().any(|one| one.session == met.session) {
            waiting.before.push(met);
        }
        self.publish(subject, &waiting).await?;
        Ok(waiting)
    }
}
