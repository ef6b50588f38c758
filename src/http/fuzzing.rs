//! The parsers of this layer as the targets in `fuzz/` call them; in no other build.

pub use super::bare_address::bare_address;
pub use super::credentials::{Credentials, credentials, service};
pub use super::form::{Form, text};
pub use super::login::{LoginBody as NewSession, check_scope, claims, login};
pub use super::me::spares_current;
pub use super::request::{attempt, parsed, subject_in};
pub use super::request_id::{is_id, trace_id};
pub use super::token_endpoint::described;
pub use super::users::{Patch, spared};
