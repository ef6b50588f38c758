//! Call and reply of `list_sessions.lua`.

use std::time::Duration;

use token_gateway_core::session::SessionId;
use token_gateway_redis_link::{Call, Reply};

use super::get_session::decode_record;
use super::store_script::StoreScript;
use crate::store::{MAX_PAGE, SessionRecord, StoreError};

pub static SCRIPT: StoreScript =
    StoreScript::new("list_sessions", &["sessions", "ids"], include_str!("list_sessions.lua"));

/// The most records that one call reads: a quarter of the largest page and of the session after it.
pub const MAX_SLICE: usize = MAX_PAGE / 4 + 1;

/// The records or ids that one call has read.
pub enum Listing {
    Sessions(Vec<SessionRecord>),
    /// The ids of the whole set, in no order.
    Ids(Vec<SessionId>),
}

/// `sessions` is the key of the subject's sessions. `ids` are those to read; none of them stands for the whole set.
pub fn call(sessions: &str, ids: &[SessionId]) -> Call {
    let call = Call::new(&SCRIPT.lua, &[sessions]).arg(MAX_SLICE);
    ids.iter().fold(call, |call, session| call.arg(session.as_str()))
}

/// `max_age` is the setting of the absolute lifetime.
pub fn decode(mut reply: Reply, max_age: Option<Duration>) -> Result<Listing, StoreError> {
    match reply.word() {
        "sessions" => {
            let mut records = Vec::new();
            while !reply.is_empty() {
                let session = reply.parse("sid")?;
                records.extend(decode_record(&mut reply, session)?.within(max_age, reply.time));
            }
            Ok(Listing::Sessions(records))
        }
        "ids" => {
            let mut ids = Vec::new();
            while !reply.is_empty() {
                ids.push(reply.parse("sid")?);
            }
            Ok(Listing::Ids(ids))
        }
        _ => reply.unexpected(),
    }
}
