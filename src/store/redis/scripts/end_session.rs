//! Call and reply of `end_session.lua`.

use std::time::Duration;

use token_gateway_core::session::Reason;
use token_gateway_redis_link::{Call, Reply};

use super::store_script::StoreScript;
use crate::store::{EndOutcome, StoreError};

pub static SCRIPT: StoreScript =
    StoreScript::new("end_session", &["ended", "already", "unknown"], include_str!("end_session.lua"));

/// `keys` are those of the session's record and of the subject's sessions.
pub fn call(keys: [&str; 2], reason: Reason, tombstone_ttl: Duration) -> Call {
    Call::new(&SCRIPT.lua, &keys).arg(reason.as_str()).arg(tombstone_ttl.as_millis() as u64)
}

pub fn decode(mut reply: Reply) -> Result<EndOutcome, StoreError> {
    match reply.word() {
        "ended" => Ok(EndOutcome::Ended),
        "already" => Ok(EndOutcome::Already { reason: reply.parse("reason")?, published: reply.flag()? }),
        "unknown" => Ok(EndOutcome::Missing),
        _ => reply.unexpected(),
    }
}
