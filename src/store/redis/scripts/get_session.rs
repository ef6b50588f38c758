//! Call and reply of `get_session.lua`.

use std::time::Duration;

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

/// `max_age` is the setting of the absolute lifetime.
pub fn decode(mut reply: Reply, session: SessionId, max_age: Option<Duration>) -> Result<Lookup, StoreError> {
    match reply.word() {
        "live" => {
            let record = decode_record(&mut reply, session)?;
            let (claims, jti, first_client) = (reply.text()?, reply.parse("jti")?, reply.text()?);
            Ok(record.within(max_age, reply.time).map_or(Lookup::Missing, |record| Lookup::Live {
                record: Box::new(record),
                jti,
                claims,
                first_client,
            }))
        }
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
