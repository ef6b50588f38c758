//! The errors of `SERVICE_KEYS` and of its parts.

/// Why a text is no `ServiceKeys`, or no part of one. It repeats nothing of `SERVICE_KEYS`, not even a name: a secret may
/// have got there by mistake.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidServiceKeys {
    #[error(
        "needs at least one entry `name[+role+role]=<sha256 of the key, hex>`; see `token-gateway service-key new`"
    )]
    Empty,
    #[error("entry {0} lacks '='; expected `name[+role+role]=<sha256 of the key, hex>`")]
    Form(usize),
    #[error("entry {0}: the hash must be 64 hex digits, the SHA-256 of the key")]
    Hash(usize),
    #[error("entry {0}: the name must be 1 to 64 of A-Z a-z 0-9 . _ -")]
    EntryName(usize),
    #[error(
        "entry {0}: a role must be issue, introspect, manage or feed; events is reserved; confidential is a mark beside them"
    )]
    EntryRole(usize),
    #[error(
        "entry {entry}: the hash is the SHA-256 of {known}, which anybody can guess; make a key with `token-gateway service-key new`"
    )]
    Guessable { entry: usize, known: String },
    #[error("'{0}' is no service name; use 1 to 64 of A-Z a-z 0-9 . _ -")]
    Name(String),
    #[error(
        "'{0}' is no role; use issue, introspect, manage or feed; events is reserved, and nothing serves it yet; the mark \
         confidential may stand beside them"
    )]
    Role(String),
}
