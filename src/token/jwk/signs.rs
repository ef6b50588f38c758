//! The kinds of tokens.

use serde::{Deserialize, Serialize};

/// The kind of tokens that a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signs {
    #[default]
    Access,
    /// Always HS256, and never published.
    Refresh,
}

impl Signs {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }
}
