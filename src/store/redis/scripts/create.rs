//! Call and reply of `create.lua`.

use std::time::Duration;

use token_gateway_core::clock::Clock;
use token_gateway_redis_link::{Call, Reply};

use super::end_subject::decode_ends;
use super::store_script::StoreScript;
use crate::store::{Created, NewSession, Policy, StoreError, absolute_end};

pub static SCRIPT: StoreScript =
    StoreScript::new("create", &["created", "exists", "late"], include_str!("create.lua"));

/// `keys` are those of the session's record and of the subject's sessions. `clock` is the server's.
pub fn call(keys: [&str; 2], new: &NewSession<'_>, policy: &Policy, clock: &Clock) -> Call {
    Call::new(&SCRIPT.lua, &keys)
        .arg(new.jti.as_str())
        .arg(new.deadline.on(clock).0)
        .arg(policy.refresh_ttl.as_millis() as u64)
        .arg(policy.session_max_age.map_or(0, |age| age.as_millis() as u64))
        .arg(policy.max_sessions)
        .arg(policy.tombstone_ttl.as_millis() as u64)
        .arg(new.claims)
        .arg(new.client)
        .arg(new.client_id)
        .arg(new.scope)
        .arg(new.aud)
}

/// `max_age` is the setting of the absolute lifetime. A doubled create may meet a record of a node with a higher one.
pub fn decode(mut reply: Reply, max_age: Option<Duration>) -> Result<Created, StoreError> {
    match reply.word() {
        "created" => {
            let (created_at, stored_end) = (reply.time()?, reply.optional_time()?);
            let absolute_expires_at = absolute_end(created_at, stored_end, max_age);
            Ok(Created::Created { created_at, absolute_expires_at, ended: decode_ends(&mut reply)? })
        }
        "exists" => Ok(Created::Exists),
        "late" => Ok(Created::Late),
        _ => reply.unexpected(),
    }
}
