#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod address;
mod cluster;
mod cluster_gate;
mod cluster_keeper;
mod cluster_nodes;
mod connector;
mod deployment;
mod endpoint;
mod error;
mod failure;
pub mod feed;
mod handshake;
mod keeper;
mod link;
mod links;
mod primaries;
mod primary;
mod script;
mod sentinel;
mod settings;
mod slot_map;
mod slots;
mod wait_pool;
mod wire;

pub use self::error::LinkError;
pub use self::handshake::Handshake;
pub use self::links::Links;
pub use self::primaries::Primaries;
pub use self::script::{Call, Reply, Script};
pub use self::settings::LinkSettings;
pub use self::wire::{optional_text, send, unavailable};
