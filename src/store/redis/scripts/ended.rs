//! Ended sessions, as several scripts return them.

use token_gateway_core::feed::EndedSession;
use token_gateway_redis_link::{LinkError, Reply};

use crate::store::{Ends, StoreError};

/// How many ended now, then sid and reason of these, then of those that ended before.
pub fn decode(reply: &mut Reply) -> Result<Ends, StoreError> {
    let count: usize = reply.parse("count")?;
    let mut all = list(reply)?;
    if count > all.len() {
        return Err(StoreError::Corrupt("a script's reply is too short".into()));
    }
    let before = all.split_off(count);
    Ok(Ends { now: all, before })
}

/// sid and reason of each, up to the end of the reply.
pub fn list(reply: &mut Reply) -> Result<Vec<EndedSession>, LinkError> {
    let mut ended = Vec::new();
    while !reply.is_empty() {
        ended.push(EndedSession { session: reply.parse("sid")?, reason: reply.parse("reason")? });
    }
    Ok(ended)
}
