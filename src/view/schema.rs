//! The ids of sessions as `/openapi.json` describes them. The types themselves are those of [`session`], which know no document.

use std::borrow::Cow;

use token_gateway_core::session;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Describes [`session::SessionId`].
pub struct SessionIdSchema;

/// Describes [`session::Subject`].
pub struct SubjectSchema;

/// Describes [`session::Reason`].
pub struct ReasonSchema;

impl PartialSchema for SessionIdSchema {
    fn schema() -> RefOr<Schema> {
        let id = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[1-9][0-9]{18}$"));
        id.examples(["4830719265501837429"]).build().into()
    }
}

impl ToSchema for SessionIdSchema {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("SessionId")
    }
}

impl PartialSchema for SubjectSchema {
    fn schema() -> RefOr<Schema> {
        // At most three dots, or something that is no dot after at most two of them: not `.`, not `..`.
        let pattern = r"^(\.{3}|\.{0,2}[^.\u0000-\u001f\u007f-\u009f])[^\u0000-\u001f\u007f-\u009f]*$";
        let subject = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
        let what = "1 to 255 bytes of UTF-8 without control characters; not `.` or `..`.";
        let subject = subject.min_length(Some(1)).max_length(Some(255)).description(Some(what));
        subject.examples(["alice"]).build().into()
    }
}

impl ToSchema for SubjectSchema {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Subject")
    }
}

impl PartialSchema for ReasonSchema {
    fn schema() -> RefOr<Schema> {
        let reasons = session::Reason::ALL.map(session::Reason::as_str);
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(reasons)).build().into()
    }
}

impl ToSchema for ReasonSchema {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Reason")
    }
}
