//! The parsers of this layer as the targets in `fuzz/` call them; in no other build.

pub use super::chunks::Chunks;
pub use super::exchange::{BodyLength, Exchange};
pub use super::head_end::{BlankLine, empty_lines};
