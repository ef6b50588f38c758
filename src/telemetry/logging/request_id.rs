//! The id of a request: one name for it in its answer, in its log lines, and in the logs of the proxies before it.

use std::fmt::{self, Display};
use std::sync::Arc;

use aws_lc_rs::rand;
use uuid::Uuid;

tokio::task_local! {
    static CURRENT: RequestId;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// A text that the caller has checked.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// 128 random bits, in the form of a trace id (W3C Trace Context).
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).expect("the operating system gives random bytes");
        Self::new(Uuid::from_bytes(bytes).simple().encode_lower(&mut [0; 32]))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Every line that `part` logs carries the id.
    pub async fn scope<T>(self, part: impl Future<Output = T>) -> T {
        CURRENT.scope(self, part).await
    }

    /// The same for a part that does not wait.
    pub fn sync_scope<T>(self, part: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, part)
    }

    /// The id of the request that is served here.
    pub fn current() -> Option<Self> {
        CURRENT.try_get().ok()
    }
}

impl Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A part for a task of its own: its lines carry the id of the request that starts it.
pub async fn carried<T>(id: Option<RequestId>, part: impl Future<Output = T>) -> T {
    match id {
        Some(id) => id.scope(part).await,
        None => part.await,
    }
}
