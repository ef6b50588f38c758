//! Reading for the commands of operators: one session, one subject's, or all there are.
//!
//! Only looks: nothing is written, not even the layout's version. Answers about one session or one subject come from
//! the gateway's own scripts. Answers about all sessions come from `SCAN`, in batches, while nodes go on working. Such
//! an answer is true of no single moment, but includes every session present all the while.

mod census;
mod ended_sessions;
mod reader;
mod server;
mod stored_session;

pub use self::census::{Census, Leaks, Sample};
pub use self::ended_sessions::EndedRecord;
pub use self::reader::Survey;
pub use self::server::{Feed, Memory};
pub use self::stored_session::{CurrentToken, Found};
