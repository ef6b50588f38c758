//! The cause of a failure, and the remedy.

use std::borrow::Cow;

/// Both, in words.
pub(crate) type Reason = (String, Cow<'static, str>);
