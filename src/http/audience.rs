//! The audience of a session: a string, or an array of one string (RFC 7519 section 4.1.3).

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};

use super::error::ErrorResponse;

/// The entries of `aud`, of which there must be one. More would let a token for one service in at another.
pub struct Audience(Vec<String>);

impl Audience {
    pub fn one(self) -> Result<String, ErrorResponse> {
        <[String; 1]>::try_from(self.0).map(|[audience]| audience).map_err(|entries| {
            let count = entries.len();
            ErrorResponse::field(
                "aud",
                format!("has {count} entries: a session has one audience, so send one string"),
            )
        })
    }

    pub fn schema() -> Schema {
        let text =
            || ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[ -~]*$")).max_length(Some(255));
        let nothing = ObjectBuilder::new().schema_type(Type::Null);
        let list = ArrayBuilder::new().items(text()).min_items(Some(1)).max_items(Some(1));
        let what = "`aud` of the access tokens, `AUDIENCE` unless given; never the issuer. A session has one audience.";
        OneOfBuilder::new().item(nothing).item(text()).item(list).description(Some(what)).build().into()
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StringOrArray;

        impl<'de> Visitor<'de> for StringOrArray {
            type Value = Audience;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or an array of one string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Audience, E> {
                Ok(Audience(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, array: A) -> Result<Audience, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(array)).map(Audience)
            }
        }

        deserializer.deserialize_any(StringOrArray)
    }
}
