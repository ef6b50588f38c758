#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod ascii_json;
pub mod checker;
pub mod clock;
pub mod feed;
pub mod outage;
pub mod session;
pub mod token;
