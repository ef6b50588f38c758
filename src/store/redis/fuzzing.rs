//! The decoders of script replies as the targets in `fuzz/` call them; in no other build.

use token_gateway_core::session::SessionId;

pub use redis::Value;
use token_gateway_redis_link::Reply;

use super::scripts;
use crate::store::{Created, EndedMany, EndedOne, Error, Lookup, Rotated, Rotation, SessionRecord};

pub fn rotate(reply: Value, rotation: &Rotation<'_>) -> Result<Rotated, Error> {
    scripts::exchanged(Reply::new(reply)?, rotation)
}

pub fn create(reply: Value) -> Result<Created, Error> {
    scripts::created(Reply::new(reply)?)
}

pub fn end_session(reply: Value) -> Result<EndedOne, Error> {
    scripts::ended_one(Reply::new(reply)?)
}

pub fn end_subject(reply: Value) -> Result<EndedMany, Error> {
    scripts::ended_many(Reply::new(reply)?)
}

pub fn get_session(reply: Value, session: SessionId) -> Result<Lookup, Error> {
    scripts::looked_up(Reply::new(reply)?, session)
}

pub fn list_sessions(reply: Value) -> Result<Vec<SessionRecord>, Error> {
    scripts::listed(Reply::new(reply)?)
}

pub fn set_claims(reply: Value) -> Result<Vec<SessionId>, Error> {
    scripts::updated(Reply::new(reply)?)
}

pub fn open_layout(reply: Value) -> Result<(), Error> {
    Ok(scripts::check_layout(Reply::new(reply)?)?)
}
