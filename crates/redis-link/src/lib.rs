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
mod error_replies;
mod error_reply;
mod failure;
pub mod feed_reader;
mod handshake;
mod keeper;
mod link;
mod link_error;
mod link_settings;
mod links;
pub mod pem;
mod primaries;
mod primary;
pub mod redis_url;
mod script;
mod sent;
mod sentinel;
mod slot_map;
mod slots;
mod wait_pool;
mod wire;

pub use self::error_replies::ErrorReplies;
pub use self::error_reply::ErrorReply;
pub use self::handshake::Handshake;
pub use self::link_error::LinkError;
pub use self::link_settings::LinkSettings;
pub use self::links::Links;
pub use self::primaries::Primaries;
pub use self::script::{Call, Reply, Script};
pub use self::slots::{SLOT_COUNT, own_slots, tags};
pub use self::wire::{optional_text, send, unavailable};
