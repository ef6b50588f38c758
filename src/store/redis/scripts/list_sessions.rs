//! Call and reply of `list_sessions.lua`.

use std::time::Duration;

use token_gateway_redis_link::{Call, Reply};

use super::get_session::decode_record;
use super::store_script::StoreScript;
use crate::store::{SessionRecord, StoreError};

pub static SCRIPT: StoreScript =
    StoreScript::new("list_sessions", &["sessions"], include_str!("list_sessions.lua"));

/// `sessions` is the key of the subject's sessions.
pub fn call(sessions: &str) -> Call {
    Call::new(&SCRIPT.lua, &[sessions])
}

/// The most recently refreshed session first. `max_age` is the setting of the absolute lifetime.
pub fn decode(mut reply: Reply, max_age: Option<Duration>) -> Result<Vec<SessionRecord>, StoreError> {
    match reply.word() {
        "sessions" => {
            let mut records = Vec::new();
            while !reply.is_empty() {
                let session = reply.parse("sid")?;
                records.extend(decode_record(&mut reply, session)?.within(max_age, reply.time));
            }
            SessionRecord::sort(&mut records);
            Ok(records)
        }
        _ => reply.unexpected(),
    }
}
