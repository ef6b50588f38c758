//! Call and reply of `list_unpublished.lua`.

use token_gateway_core::feed::EndedSession;
use token_gateway_redis_link::{Call, Reply};

use super::end_subject::decode_ended;
use super::store_script::StoreScript;
use crate::store::StoreError;

pub static SCRIPT: StoreScript =
    StoreScript::new("list_unpublished", &["unpublished"], include_str!("list_unpublished.lua"));

/// `sessions` is the key of the subject's sessions.
pub fn call(sessions: &str) -> Call {
    Call::new(&SCRIPT.lua, &[sessions])
}

pub fn decode(mut reply: Reply) -> Result<Vec<EndedSession>, StoreError> {
    match reply.word() {
        "unpublished" => Ok(decode_ended(&mut reply)?),
        _ => reply.unexpected(),
    }
}
