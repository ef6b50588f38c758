//! Call and reply of `mark_published.lua`.

use token_gateway_core::feed::EndedSession;
use token_gateway_redis_link::{Call, Reply};

use super::store_script::StoreScript;
use crate::store::StoreError;

pub static SCRIPT: StoreScript =
    StoreScript::new("mark_published", &["marked"], include_str!("mark_published.lua"));

/// `sessions` is the key of the subject's sessions.
pub fn call(sessions: &str, ended: &[EndedSession]) -> Call {
    let call = Call::new(&SCRIPT.lua, &[sessions]);
    ended.iter().fold(call, |call, one| call.arg(one.session.as_str()))
}

/// # Errors
///
/// Also when a failover has brought one of the sessions back.
pub fn decode(reply: Reply) -> Result<(), StoreError> {
    match reply.word() {
        "marked" if reply.is_empty() => Ok(()),
        "marked" => Err(StoreError::Unavailable(
            "the primary changed since a session ended; it must end again".into(),
        )),
        _ => reply.unexpected(),
    }
}
