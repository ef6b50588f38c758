//! The end of sessions: they end, their ends are published, and lost ends are repaired.
//!
//! Logout everywhere, as one sequence:
//!
//! | step | call | after it |
//! |---|---|---|
//! | 1 | [`Store::now`] | no session created before this call can be spared |
//! | 2 | [`Store::end_subject`] | no refresh token of the sessions works |
//! | 3 | [`Denylist::add`] | this node refuses their access tokens |
//! | 4 | [`Store::publish`] | every node and API node refuses them within milliseconds |
//! | 5 | [`Store::mark_published`] | nothing is left to repeat |
//!
//! An end is published before its request is answered. If publishing fails, the caller gets "unavailable" and may
//! repeat the call. A request that meets an unpublished tombstone publishes it first. Only a login is answered even if
//! its evictions are unpublished.
//!
//! All of this runs in a task of its own, so a client cannot cut it short by hanging up.

use std::sync::Arc;
use std::time::Instant;

use token_gateway_core::clock::Moment;
use token_gateway_core::feed::{Denylist, EndedSession};
use token_gateway_core::session::{Reason, SessionId, Subject};

use super::{Deadline, Gateway};
use crate::store::{EndOutcome, Ends, Store, StoreError};
use crate::telemetry::logging::{RequestId, carried};
use crate::telemetry::metrics::{Metrics, Operation};

/// Ends sessions. Needs no secret, so the commands for operators use it, too.
#[derive(Clone)]
pub struct Ender {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    denylist: Arc<Denylist>,
}

impl Gateway {
    pub fn ender(&self) -> Ender {
        Ender::new(self.store.clone(), self.metrics.clone(), self.denylist.clone())
    }
}

impl Ender {
    pub fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>, denylist: Arc<Denylist>) -> Self {
        Self { store, metrics, denylist }
    }

    /// Ends one session. Returns the ends that this call has published.
    pub async fn end_one(
        &self,
        deadline: Deadline,
        subject: Subject,
        session: SessionId,
        reason: Reason,
    ) -> Result<Ends, StoreError> {
        let part =
            self.detached(
                deadline,
                |ender| async move { ender.end_and_publish(&subject, session, reason).await },
            );
        deadline.counted(&*self.store, &self.metrics, Operation::End, part).await
    }

    /// The same by a signed token, as proof of the session. If the store has lost the session, its end is published all
    /// the same: its access tokens are still about.
    pub async fn end_proven(
        &self,
        deadline: Deadline,
        subject: Subject,
        session: SessionId,
    ) -> Result<Ends, StoreError> {
        let part = self.detached(deadline, |ender| async move {
            let ends = ender.end_and_publish(&subject, session, Reason::Logout).await?;
            if ends.is_empty() && !ender.denylist.is_published(&subject, session) {
                let lost = [EndedSession { session, reason: Reason::Logout }];
                ender.denylist.add(&subject, &lost);
                ender.publish_and_mark(&subject, &lost).await?;
            }
            Ok(ends)
        });
        deadline.counted(&*self.store, &self.metrics, Operation::End, part).await
    }

    /// Ends all sessions of the subject, or all but one. Sessions created while this runs may survive.
    ///
    /// Asks the store for its time first. A bound a little too early is fine for a refresh; here it could spare a
    /// session created before the call. No time from after the deadline is used, because the task is gone by then. Such
    /// a time could end a login made after the caller gave up.
    pub async fn end_all(
        &self,
        deadline: Deadline,
        subject: Subject,
        except: Option<SessionId>,
        reason: Reason,
    ) -> Result<Ends, StoreError> {
        let part = self.detached(deadline, |ender| async move {
            ender.store.now(&subject).await?;
            let sent_at = Moment::Local(Instant::now());
            let ends = ender.store.end_subject(&subject, except, reason, sent_at).await?;
            ender.deny_and_publish(&subject, &ends).await?;
            Ok(ends)
        });
        deadline.counted(&*self.store, &self.metrics, Operation::End, part).await
    }

    /// Publishes ends that another call on the store has brought about.
    pub async fn publish_ends(
        &self,
        deadline: Deadline,
        subject: Subject,
        ends: Ends,
    ) -> Result<(), StoreError> {
        if ends.is_empty() {
            return Ok(());
        }
        self.detached(deadline, |ender| async move { ender.deny_and_publish(&subject, &ends).await }).await
    }

    /// Publishes this tombstone, and all other unpublished ones of the subject.
    pub async fn publish_tombstone(
        &self,
        deadline: Deadline,
        subject: Subject,
        met: EndedSession,
    ) -> Result<Ends, StoreError> {
        self.detached(deadline, |ender| async move { ender.publish_unpublished(&subject, met).await }).await
    }

    /// Repairs an end that its record or the feed has lost. Returns whether the record had lost it.
    pub async fn repair(
        &self,
        deadline: Deadline,
        subject: Subject,
        lost: EndedSession,
    ) -> Result<bool, StoreError> {
        let part = |ender: Self| async move {
            match ender.store.end_session(&subject, lost.session, lost.reason).await? {
                EndOutcome::Ended => ender.deny_and_publish(&subject, &Ends::of(lost)).await.map(|()| true),
                EndOutcome::Already { .. } | EndOutcome::Missing => {
                    ender.publish_and_mark(&subject, &[lost]).await.map(|()| false)
                }
            }
        };
        self.detached(deadline, part).await
    }

    /// Runs `part` to its end or to the deadline, even if nobody waits for it any more.
    async fn detached<T: Send + 'static, F>(
        &self,
        deadline: Deadline,
        part: impl FnOnce(Self) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let (store, part) = (self.store.clone(), part(self.clone()));
        let part = async move { deadline.in_time(&*store, part).await };
        let part = carried(RequestId::current(), part);
        let task = tokio::spawn(part);
        task.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the call was cut off".into())))
    }

    async fn end_and_publish(
        &self,
        subject: &Subject,
        session: SessionId,
        reason: Reason,
    ) -> Result<Ends, StoreError> {
        match self.store.end_session(subject, session, reason).await? {
            EndOutcome::Ended => {
                let ends = Ends::of(EndedSession { session, reason });
                self.deny_and_publish(subject, &ends).await.map(|()| ends)
            }
            EndOutcome::Already { reason, published: false } => {
                self.publish_unpublished(subject, EndedSession { session, reason }).await
            }
            EndOutcome::Already { published: true, .. } | EndOutcome::Missing => Ok(Ends::default()),
        }
    }

    async fn publish_unpublished(&self, subject: &Subject, met: EndedSession) -> Result<Ends, StoreError> {
        let mut before = self.store.unpublished(subject).await?;
        if !before.iter().any(|one| one.session == met.session) {
            before.push(met);
        }
        let ends = Ends { now: Vec::new(), before };
        self.deny_and_publish(subject, &ends).await.map(|()| ends)
    }

    async fn deny_and_publish(&self, subject: &Subject, ends: &Ends) -> Result<(), StoreError> {
        if ends.is_empty() {
            return Ok(());
        }
        for one in &ends.now {
            self.metrics.session_ended(one.reason);
        }
        let all = ends.all();
        self.denylist.add(subject, &all);
        self.publish_and_mark(subject, &all).await
    }

    async fn publish_and_mark(&self, subject: &Subject, ended: &[EndedSession]) -> Result<(), StoreError> {
        self.store.publish(subject, ended).await?;
        self.store.mark_published(subject, ended).await
    }
}
