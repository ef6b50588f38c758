//! Call and reply of `set_claims.lua`.

use std::time::Duration;

use token_gateway_core::session::SessionId;
use token_gateway_redis_link::{Call, Reply};

use super::store_script::StoreScript;
use crate::store::StoreError;

pub static SCRIPT: StoreScript = StoreScript::new("set_claims", &["updated"], include_str!("set_claims.lua"));

/// `sessions` is the key of the subject's sessions. Without a `session`, all of them get the claims. `max_age` is the
/// setting of the absolute lifetime.
pub fn call(sessions: &str, session: Option<SessionId>, claims: &str, max_age: Option<Duration>) -> Call {
    Call::new(&SCRIPT.lua, &[sessions])
        .arg(claims)
        .arg(session.as_ref().map_or("", SessionId::as_str))
        .arg(max_age.map_or(0, |age| age.as_millis() as u64))
}

/// The changed sessions.
pub fn decode(mut reply: Reply) -> Result<Vec<SessionId>, StoreError> {
    match reply.word() {
        "updated" => {
            let mut updated = Vec::new();
            while !reply.is_empty() {
                updated.push(reply.parse("sid")?);
            }
            Ok(updated)
        }
        _ => reply.unexpected(),
    }
}
