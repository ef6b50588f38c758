//! Both backends against one specification.

mod contract;
mod layout;
mod memory;
mod model;
mod pages;

use std::sync::Arc;
use std::time::Duration;

use token_gateway::store::memory::MemoryStore;
use token_gateway::store::redis::{RedisSettings, RedisStore};
use token_gateway::store::{
    Created, NewSession, PageRequest, Policy, ReuseScope, Rotated, Rotation, SessionRecord, Store,
};
use token_gateway_core::clock::{Moment, Timestamp};
use token_gateway_core::session::{Jti, SessionId, Subject};
use token_gateway_testkit::redis::Redis;

/// A backend under test, and a way to let time pass for it.
pub struct Bench {
    pub store: Arc<dyn Store>,
    aged: Aged,
}

enum Aged {
    Memory(Arc<MemoryStore>),
    Redis(Arc<Redis>),
}

/// Short lifetimes, told apart by their size.
pub fn policy() -> Policy {
    Policy {
        refresh_ttl: Duration::from_secs(60),
        session_max_age: Some(Duration::from_secs(150)),
        refresh_grace: Duration::ZERO,
        reuse_scope: ReuseScope::Subject,
        held_up: Duration::from_secs(3600),
        max_sessions: 3,
        tombstone_ttl: Duration::from_secs(40),
        feed_retention: Duration::from_secs(3600),
    }
}

impl Bench {
    pub fn memory(policy: Policy) -> Self {
        let store = Arc::new(MemoryStore::new(policy));
        Self { store: store.clone(), aged: Aged::Memory(store) }
    }

    /// Must run inside a runtime: the store connects in the background.
    pub fn redis(policy: Policy) -> Self {
        Self::on(Arc::new(Redis::start()), policy)
    }

    fn on(redis: Arc<Redis>, policy: Policy) -> Self {
        let mut settings = RedisSettings::new(redis.url());
        settings.link.timeout = Duration::from_secs(5);
        settings.link.max_in_flight = 64;
        let store = RedisStore::new(&settings, policy).expect("a valid URL");
        Self { store: Arc::new(store), aged: Aged::Redis(redis) }
    }

    /// The same sessions, for a node with another policy.
    pub fn under(&self, policy: Policy) -> Self {
        match &self.aged {
            Aged::Redis(redis) => Self::on(redis.clone(), policy),
            Aged::Memory(store) => {
                let store = Arc::new(store.under(policy));
                Self { store: store.clone(), aged: Aged::Memory(store) }
            }
        }
    }

    pub fn age(&self, by: Duration) {
        match &self.aged {
            Aged::Memory(store) => store.age(by),
            Aged::Redis(redis) => redis.age(by),
        }
    }

    pub fn server(&self) -> Option<&Redis> {
        match &self.aged {
            Aged::Memory(_) => None,
            Aged::Redis(redis) => Some(redis),
        }
    }

    /// A time of the store, later than all its timestamps so far and earlier than all further ones.
    pub async fn moment(&self) -> Timestamp {
        let past = self.store.now(&anybody()).await.expect("the store tells the time");
        let moment = self.later_than(past).await;
        self.later_than(moment).await;
        moment
    }

    async fn later_than(&self, moment: Timestamp) -> Timestamp {
        loop {
            let now = self.store.now(&anybody()).await.expect("the store tells the time");
            if now > moment {
                return now;
            }
        }
    }

    /// The first page of a list.
    pub async fn list(&self, subject: &Subject) -> Vec<SessionRecord> {
        self.store.list(subject, PageRequest::default()).await.expect("the store answers").sessions
    }

    pub async fn create(&self, subject: &Subject) -> Jti {
        let jti = Jti::first(SessionId::random());
        let deadline = self.moment().await.plus(Duration::from_secs(5));
        match self.store.create(&new_session(subject, jti, deadline)).await {
            Ok(Created::Created { .. }) => jti,
            other => panic!("not created: {other:?}"),
        }
    }

    /// Presents a token now.
    pub async fn rotate(&self, subject: &Subject, presented: Jti, generation: u64, attempt: &str) -> Rotated {
        let sent_at = self.moment().await;
        self.rotate_sent_at(subject, presented, generation, attempt, sent_at).await
    }

    pub async fn rotate_sent_at(
        &self,
        subject: &Subject,
        presented: Jti,
        generation: u64,
        attempt: &str,
        sent_at: Timestamp,
    ) -> Rotated {
        let successor = successor(presented, attempt);
        let sent_at = Moment::Stored(sent_at);
        let (client, accuse) = ("", true);
        let rotation = Rotation { subject, presented, generation, successor, sent_at, client, accuse };
        self.store.rotate(&rotation).await.expect("the store answers")
    }

    /// Presents a token now, from a device that a service describes.
    pub async fn rotate_from(
        &self,
        client: &str,
        subject: &Subject,
        presented: Jti,
        generation: u64,
        attempt: &str,
    ) -> Rotated {
        let (successor, sent_at) = (successor(presented, attempt), Moment::Stored(self.moment().await));
        let rotation = Rotation { subject, presented, generation, successor, sent_at, client, accuse: true };
        self.store.rotate(&rotation).await.expect("the store answers")
    }
}

/// The device at the login.
pub const CLIENT: &str = r#"{"ip":"192.0.2.1"}"#;

pub fn new_session(subject: &Subject, jti: Jti, deadline: Timestamp) -> NewSession<'_> {
    NewSession {
        subject,
        jti,
        deadline: Moment::Stored(deadline),
        claims: r#"{"role":"admin"}"#,
        client: CLIENT,
        client_id: "web",
        scope: "read write",
        aud: "billing",
    }
}

/// The subject for a question about the time: there is one server, and one clock.
pub fn anybody() -> Subject {
    subject("anybody")
}

/// The successor in an attempt of this name.
pub fn successor(presented: Jti, attempt: &str) -> Jti {
    let key = format!("an-attempt-named-{attempt}").parse().expect("long enough");
    presented.successor(&token_gateway_core::session::Attempt::Keyed(key))
}

pub fn subject(name: &str) -> Subject {
    name.parse().expect("a valid subject")
}
