//! Call and reply of `publish.lua`.

use std::time::Duration;

use token_gateway_core::feed::EndedSession;
use token_gateway_core::session::Subject;
use token_gateway_redis_link::{Call, Reply};

use super::store_script::StoreScript;
use crate::store::StoreError;

pub static SCRIPT: StoreScript = StoreScript::new("publish", &["appended"], include_str!("publish.lua"));

/// `feed` is the key of a partition of the feed.
pub fn call(feed: &str, subject: &Subject, ended: &[EndedSession], retention: Duration) -> Call {
    let call =
        Call::new(&SCRIPT.lua, &[feed]).arg(retention.as_millis() as u64).arg(subject.encoded().to_string());
    ended.iter().fold(call, |call, one| call.arg(one.session.as_str()).arg(one.reason.as_str()))
}

pub fn decode(reply: Reply) -> Result<(), StoreError> {
    match reply.word() {
        "appended" => Ok(()),
        _ => reply.unexpected(),
    }
}
