//! Ended sessions, as several scripts tell of them.

use token_gateway_core::feed::EndedSession;
use token_gateway_core::session::SessionId;
use token_gateway_redis_link::Reply;

use crate::store::{EndedMany, Error};

/// How many ended now, then sid and reason of these, then of those that ended before.
pub fn decode(reply: &mut Reply) -> Result<EndedMany, Error> {
    let count: usize = reply.parse("count")?;
    let mut all = Vec::new();
    while !reply.is_empty() {
        let session: SessionId = reply.parse("sid")?;
        all.push(EndedSession { session, reason: reply.parse("reason")? });
    }
    if count > all.len() {
        return Err(Error::Corrupt("a script's reply is too short".into()));
    }
    let before = all.split_off(count);
    Ok(EndedMany { now: all, before })
}
