//! Call and reply of `get_session.lua`.

use token_gateway_core::session::SessionId;
use token_gateway_redis_link::{Call, Reply};

use super::record;
use super::store_script::StoreScript;
use crate::store::{Lookup, StoreError};

pub static SCRIPT: StoreScript =
    StoreScript::new("get_session", &["live", "ended", "unknown"], include_str!("get_session.lua"));

/// `session` is the key of the session's record.
pub fn call(session: &str) -> Call {
    Call::new(&SCRIPT.lua, &[session])
}

pub fn decode(mut reply: Reply, session: SessionId) -> Result<Lookup, StoreError> {
    match reply.word() {
        "live" => Ok(Lookup::Live {
            record: Box::new(record::decode(&mut reply, session)?),
            claims: reply.text()?,
            jti: reply.parse("jti")?,
        }),
        "ended" => Ok(Lookup::Ended {
            reason: reply.parse("reason")?,
            ended_at: reply.time()?,
            published: reply.flag()?,
        }),
        "unknown" => Ok(Lookup::Unknown),
        _ => reply.unexpected(),
    }
}
