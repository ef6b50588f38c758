//! Call and reply of `get_session.lua`.

use token_gateway_core::session::SessionId;
use token_gateway_redis_link::{Call, Reply};

use super::store_script::StoreScript;
use crate::store::{Lookup, SessionRecord, StoreError};

pub static SCRIPT: StoreScript =
    StoreScript::new("get_session", &["live", "ended", "unknown"], include_str!("get_session.lua"));

/// `session` is the key of the session's record.
pub fn call(session: &str) -> Call {
    Call::new(&SCRIPT.lua, &[session])
}

pub fn decode(mut reply: Reply, session: SessionId) -> Result<Lookup, StoreError> {
    match reply.word() {
        "live" => Ok(Lookup::Live {
            record: Box::new(decode_record(&mut reply, session)?),
            claims: reply.text()?,
            jti: reply.parse("jti")?,
        }),
        "ended" => Ok(Lookup::Ended {
            reason: reply.parse("reason")?,
            ended_at: reply.time()?,
            published: reply.flag()?,
        }),
        "unknown" => Ok(Lookup::Missing),
        _ => reply.unexpected(),
    }
}

/// The members of a live session. `list_sessions.lua` returns the same.
pub fn decode_record(reply: &mut Reply, session: SessionId) -> Result<SessionRecord, StoreError> {
    Ok(SessionRecord {
        session,
        generation: reply.parse("gen")?,
        created_at: reply.time()?,
        last_refreshed_at: reply.time()?,
        expires_at: reply.expiry()?,
        absolute_expires_at: reply.optional_time()?,
        client: reply.text()?,
        client_id: reply.text()?,
    })
}
