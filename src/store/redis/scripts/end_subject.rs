//! Call and reply of `end_subject.lua`.

use std::time::Duration;

use token_gateway_core::clock::Timestamp;
use token_gateway_core::session::{Reason, SessionId};
use token_gateway_redis_link::{Call, Reply};

use super::ended;
use super::store_script::StoreScript;
use crate::store::{Ends, StoreError};

pub static SCRIPT: StoreScript = StoreScript::new("end_subject", &["ended"], include_str!("end_subject.lua"));

/// Ends the sessions of the set `sessions`, except one, that were created until `sent_at` on the server's clock.
pub fn call(
    sessions: &str,
    sent_at: Timestamp,
    except: Option<SessionId>,
    reason: Reason,
    tombstone_ttl: Duration,
) -> Call {
    Call::new(&SCRIPT.lua, &[sessions])
        .arg(sent_at.0)
        .arg(except.as_ref().map_or("", SessionId::as_str))
        .arg(reason.as_str())
        .arg(tombstone_ttl.as_millis() as u64)
}

pub fn decode(mut reply: Reply) -> Result<Ends, StoreError> {
    match reply.word() {
        "ended" => ended::decode(&mut reply),
        _ => reply.unexpected(),
    }
}
