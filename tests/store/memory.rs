//! A duty of the embedded store alone: expiry.

use std::time::Duration;

use token_gateway::store::Store;
use token_gateway::store::memory::MemoryStore;
use token_gateway_core::session::{Jti, SessionId};

use super::{new_session, policy, subject};

#[tokio::test]
async fn subjects_that_nobody_asks_for_any_more_are_forgotten_after_expiry() {
    let store = MemoryStore::new(policy());
    for n in 0..5000 {
        if n == 2000 {
            store.age(Duration::from_secs(60));
        }
        let (subject, deadline) =
            (subject(&format!("user-{n}")), store.now(&crate::store::anybody()).await.unwrap());
        let new =
            new_session(&subject, Jti::first(SessionId::random()), deadline.plus(Duration::from_secs(5)));
        let _ = store.create(&new).await.unwrap();
    }
    let left = store.subjects();
    assert!((3000..4000).contains(&left), "2,000 of 5,000 had expired: {left}");
}
