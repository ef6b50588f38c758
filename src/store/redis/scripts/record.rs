//! The record of a live session, as several scripts tell of it.

use token_gateway_core::session::SessionId;
use token_gateway_redis_link::Reply;

use crate::store::{SessionRecord, StoreError};

pub fn decode(reply: &mut Reply, session: SessionId) -> Result<SessionRecord, StoreError> {
    Ok(SessionRecord {
        session,
        generation: reply.parse("gen")?,
        created_at: reply.time()?,
        last_refreshed_at: reply.time()?,
        expires_at: reply.expiry()?,
        absolute_expires_at: reply.optional_time()?,
        client: reply.text()?,
        client_id: reply.text()?,
    })
}
