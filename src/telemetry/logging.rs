//! Log lines on standard error: text for people, one JSON object per line for machines. The object has each fact of the
//! line as a member of its own. `docs/reference/log-lines.md` lists all lines.
//!
//! - Nobody waits for the log. Lines wait in a bounded backlog, and one thread writes them. A full backlog drops lines
//!   and counts them. The alarm of a theft is dropped last.
//! - No secret at any level. Dependencies may print anything below `info`: a driver traces its commands. So whatever
//!   `RUST_LOG` says, only their lines from `warn` on are written.

mod backlog;
mod facts;
mod log_filter;
mod log_line;
mod logger;
mod request_id;
mod targets;
mod writer;

pub use self::log_filter::{InvalidLogFilter, LogFilter};
pub use self::log_line::LogFormat;
pub use self::logger::start;
pub use self::request_id::{RequestId, carried};
pub use self::targets::{ACCESS_LOG_TARGET, THEFT_LOG_TARGET};
pub use self::writer::{dropped_lines, flush, say};
