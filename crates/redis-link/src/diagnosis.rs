//! Why a server cannot be used, in three parts: the server, the cause, the remedy.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;

use crate::server::Server;
use crate::{reply_remedy, transport_remedy};

/// Why a server cannot be used. Holds no argument of a command, and no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The question that failed with it, such as the one for the primary.
    context: Option<String>,
    server: Option<Arc<Server>>,
    /// In the words of Redis or of the system.
    cause: String,
    remedy: Cow<'static, str>,
}

impl Diagnosis {
    pub(crate) fn new(
        server: impl Into<Option<Arc<Server>>>,
        cause: impl Into<String>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { context: None, server: server.into(), cause: cause.into(), remedy: remedy.into() }
    }

    /// The meaning of an error of `server`.
    pub(crate) fn of(error: &RedisError, server: &Arc<Server>) -> Self {
        let answered = reply_remedy::code_and_text(error);
        let (cause, remedy) = match answered {
            Some((code, text)) => reply_remedy::of_passing(&code, &text),
            None => transport_remedy::of(error, server),
        };
        Self::new(server.clone(), cause, remedy)
    }

    /// No answer in time. `server` is not known where nobody has named one yet.
    pub(crate) fn late(server: Option<Arc<Server>>, within: Duration) -> Self {
        let within = Duration::from_millis(within.as_millis() as u64);
        let remedy =
            server.as_deref().map_or(Cow::Borrowed("look at Redis's log"), transport_remedy::of_silence);
        let cause = match &server {
            Some(_) => format!("gave no answer within {within:?}"),
            None => format!("no answer within {within:?}"),
        };
        Self::new(server, cause, remedy)
    }

    /// The same, with the question that failed.
    pub(crate) fn while_asking(mut self, context: impl Into<String>) -> Self {
        self.context = Some(context.into());
        self
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(context) = &self.context {
            write!(f, "{context}: ")?;
        }
        if let Some(server) = &self.server {
            write!(f, "{server} ")?;
        }
        write!(f, "{}; {}", self.cause, self.remedy)
    }
}
