//! The transport: connections of clients, below HTTP.
//!
//! actix's dispatcher decodes whatever it can read, and closes no slow connection but one in its first head. So each
//! connection is a `guarded_stream` under the dispatcher. It hands on one request at a time, and nothing while an answer
//! waits for its reader. `reporting` tells it how far the request and its answer are.
//!
//! - `exchange` decides which bytes are handed on; `head_end` and `chunks` find the ends of heads and bodies.
//! - `connection` knows how far a connection is, and `phase` its deadlines. `connections` looks at them, and makes room
//!   for new connections.
//! - `descriptors` says how many connections a node takes, `server` puts all of it together.

mod chunks;
mod connection;
mod connections;
mod descriptors;
mod exchange;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod guarded_stream;
mod head_end;
mod phase;
mod raw_answers;
mod reporting;
mod server;
mod socket;
mod ticks;

pub use descriptors::{ADMIN_CONNECTIONS, Capacity};
pub use server::{Bounds, serve};
pub use socket::prepare_listener;
