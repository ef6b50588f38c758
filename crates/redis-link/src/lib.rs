#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod address;
mod budget;
mod cluster;
mod error;
mod failure;
pub mod feed;
mod handshake;
mod link;
mod links;
mod masters;
mod nodes;
mod reply;
mod script;
mod sentinel;
mod settings;
mod shard;
mod waiting;
mod wire;

pub use self::error::LinkError;
pub use self::handshake::Handshake;
pub use self::links::Links;
pub use self::masters::Masters;
pub use self::reply::Reply;
pub use self::script::{Call, Script};
pub use self::settings::Settings;
pub use self::wire::{answered, send, unavailable};
