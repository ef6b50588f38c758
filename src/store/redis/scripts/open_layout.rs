//! Call and reply of `open_layout.lua`, and the handshake that sends it.

use token_gateway_redis_link::{Call, Handshake, LinkError, Reply};

use super::store_script::StoreScript;
use crate::store::redis::layout::{LAYOUT_VERSION, Layout};

pub static SCRIPT: StoreScript =
    StoreScript::new("open_layout", &["layout"], include_str!("open_layout.lua"));

/// The first call on each new connection. Only a primary of a known layout answers it. Without it a node could write
/// behind the fence of `migrations-notes/README.md`.
pub fn handshake(keys: &Layout) -> Handshake {
    let layout = keys.layout();
    let call = call(&layout);
    Handshake::new(layout, call, decode)
}

/// `layout` is the key of the layout's version.
pub fn call(layout: &str) -> Call {
    Call::new(&SCRIPT.lua, &[layout]).arg(LAYOUT_VERSION)
}

/// # Errors
///
/// Also for a layout unknown to this release.
pub fn decode(mut reply: Reply) -> Result<(), LinkError> {
    match reply.word() {
        "layout" => check_version(&reply.text()?),
        _ => reply.unexpected(),
    }
}

/// Refuses a layout unknown to this release.
pub fn check_version(found: &str) -> Result<(), LinkError> {
    if found == LAYOUT_VERSION.to_string() {
        return Ok(());
    }
    Err(LinkError::Corrupt(format!(
        "the key layout is version '{}', but this node knows version {LAYOUT_VERSION}; run a matching release, see \
         migrations-notes",
        found.escape_debug()
    )))
}
