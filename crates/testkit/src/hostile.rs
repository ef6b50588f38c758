//! Clients that mean harm: one file for each kind. A crowd of them counts the answers, so a test knows what a node gave.
//!
//! They run on a thread of their own, and take nothing from the honest clients of the test but processor time.

mod client;
mod crowd;
mod deaf_subscriber;
mod file_flood;
mod filler;
mod footprint;
mod kind;
mod list_hammer;
mod login_hammer;
mod never_reads;
mod pipeliner;
mod readiness_hammer;
mod slow_head;
mod tally;
mod unfinished_body;
mod wire;

pub use self::client::Target;
pub use self::crowd::Crowd;
pub use self::footprint::{Footprint, socket_memory};
pub use self::kind::Kind;
pub use self::tally::Tally;
