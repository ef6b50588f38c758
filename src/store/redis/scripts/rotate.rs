//! Call and reply of `rotate.lua`.

use token_gateway_core::clock::{Clock, Timestamp};
use token_gateway_core::session::Jti;
use token_gateway_redis_link::{Call, Reply};

use super::end_subject::decode_ends;
use super::store_script::StoreScript;
use crate::store::{Policy, Rotated, Rotation, StoreError, Successor};

pub static SCRIPT: StoreScript = StoreScript::new(
    "rotate",
    &["unknown", "ended", "replayed", "rotated", "rolled_back", "late", "suspect", "reused"],
    include_str!("rotate.lua"),
);

/// `keys` are those of the session's record and of the subject's sessions. `clock` is the server's.
pub fn call(keys: [&str; 2], rotation: &Rotation<'_>, policy: &Policy, clock: &Clock) -> Call {
    Call::new(&SCRIPT.lua, &keys)
        .arg(rotation.presented.as_str())
        .arg(rotation.generation)
        .arg(rotation.successor.as_str())
        .arg(rotation.sent_at.on(clock).0)
        .arg(policy.refresh_ttl.as_millis() as u64)
        .arg(policy.refresh_grace.as_micros() as u64)
        .arg(if rotation.accuse { policy.reuse_scope.as_str() } else { "none" })
        .arg(policy.tombstone_ttl.as_millis() as u64)
        .arg(policy.held_up.as_micros() as u64)
        .arg(policy.session_max_age.map_or(0, |age| age.as_millis() as u64))
        .arg(rotation.client)
}

pub fn decode(mut reply: Reply, rotation: &Rotation<'_>) -> Result<Rotated, StoreError> {
    match reply.word() {
        "unknown" => Ok(Rotated::Missing),
        "ended" => Ok(Rotated::Ended { reason: reply.parse("reason")?, published: reply.flag()? }),
        "replayed" => replayed(&mut reply).map(Rotated::Replayed),
        "rotated" => rotated(&mut reply, rotation).map(Rotated::Rotated),
        "rolled_back" => rotated(&mut reply, rotation).map(Rotated::RolledBack),
        "late" => Ok(Rotated::Late),
        "suspect" => Ok(Rotated::Suspect),
        "reused" => decode_ends(&mut reply).map(Rotated::Reused),
        _ => reply.unexpected(),
    }
}

/// The successor of a record that this call wrote.
fn rotated(reply: &mut Reply, rotation: &Rotation<'_>) -> Result<Successor, StoreError> {
    successor(reply, rotation.successor, rotation.generation + 1, reply.time)
}

/// The successor of a record that an earlier call wrote.
fn replayed(reply: &mut Reply) -> Result<Successor, StoreError> {
    let (jti, generation, issued_at) = (reply.parse("jti")?, reply.parse("gen")?, reply.time()?);
    successor(reply, jti, generation, issued_at)
}

fn successor(
    reply: &mut Reply,
    jti: Jti,
    generation: u64,
    issued_at: Timestamp,
) -> Result<Successor, StoreError> {
    let (now, absolute_expires_at, claims) = (reply.time, reply.optional_time()?, reply.text()?);
    let (scope, aud) = if reply.is_empty() { Default::default() } else { (reply.text()?, reply.text()?) };
    Ok(Successor { now, jti, generation, issued_at, absolute_expires_at, claims, scope, aud })
}
