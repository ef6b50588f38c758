//! Call and reply of `end_subject.lua`.

use std::time::Duration;

use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::EndedSession;
use token_gateway_core::session::{Reason, SessionId};
use token_gateway_redis_link::{Call, LinkError, Reply};

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
        "ended" => decode_ends(&mut reply),
        _ => reply.unexpected(),
    }
}

/// How many ended now, then sid and reason of these, then of those that ended before. `rotate.lua` and `create.lua` return
/// the same.
pub fn decode_ends(reply: &mut Reply) -> Result<Ends, StoreError> {
    let count: usize = reply.parse("count")?;
    let mut all = decode_ended(reply)?;
    if count > all.len() {
        return Err(StoreError::Corrupt("a script's reply is too short".into()));
    }
    let before = all.split_off(count);
    Ok(Ends { now: all, before })
}

/// sid and reason of each, up to the end of the reply.
pub fn decode_ended(reply: &mut Reply) -> Result<Vec<EndedSession>, LinkError> {
    let mut ended = Vec::new();
    while !reply.is_empty() {
        ended.push(EndedSession { session: reply.parse("sid")?, reason: reply.parse("reason")? });
    }
    Ok(ended)
}
