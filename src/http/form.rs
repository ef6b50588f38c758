//! The parameters of a form body.

use std::borrow::Cow;

use actix_web::HttpRequest;
use utoipa::ToSchema;

use super::error::ErrorResponse;

/// The media type of a form.
pub const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// Text without control characters.
#[derive(ToSchema)]
#[schema(as = FormText, pattern = r"^[^\u0000-\u001f\u007f-\u009f\ufffd]*$")]
#[expect(dead_code, reason = "it documents what `is_readable` demands")]
pub struct Text(String);

/// Text without control characters, and without a space at an end.
#[derive(ToSchema)]
#[schema(
    as = FormClientId,
    pattern = r"^([^\s\u0000-\u001f\u007f-\u009f\ufffd]([^\u0000-\u001f\u007f-\u009f\ufffd]*[^\s\u0000-\u001f\u007f-\u009f\ufffd])?)?$"
)]
#[expect(dead_code, reason = "it documents what `credentials` demands")]
pub struct ClientId(String);

/// The form of an introspection. Unknown parameters are ignored, empty ones count as absent; none belongs in the URI.
#[derive(ToSchema)]
#[schema(example = json!({"token": "eyJ0eXAiOiJydCtqd3QiLCJhbGciOiJIUzI1NiJ9.e30.c2ln"}))]
#[expect(dead_code, reason = "it documents what `Form` reads")]
pub struct TokenForm {
    /// A refresh token or an access token.
    #[schema(pattern = r"^[^\u0000-\u001f\u007f-\u009f\ufffd]+$")]
    token: String,
    /// Changes nothing: both kinds are tried.
    #[schema(value_type = Option<Text>, nullable = false)]
    token_type_hint: Option<String>,
    /// The client, where it does not use the Authorization header; alone, it names a public client.
    #[schema(value_type = Option<ClientId>, nullable = false)]
    client_id: Option<String>,
    /// The service key, as RFC 6749 section 2.3.1 lets clients send it; needs `client_id`.
    #[schema(value_type = Option<Text>, nullable = false)]
    client_secret: Option<String>,
}

/// More parameters than this are no honest form.
const MAX_PARAMETERS: usize = 32;

/// Parameters with credentials or personal data, or of a token request: refused in a URI, where logs see them.
const BODY_ONLY: [&str; 9] = [
    "refresh_token",
    "token",
    "access_token",
    "client_secret",
    "client_id",
    "client",
    "grant_type",
    "scope",
    "token_type_hint",
];

/// The parameters of a form body; empty ones count as absent (RFC 6749 section 3.1).
pub struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Form<'a> {
    pub fn read(http: &HttpRequest, body: &'a str) -> Result<Self, ErrorResponse> {
        check_uri(http)?;
        Self::parse(body)
    }

    /// The same where one parameter may hold anything: its reader has an answer for nonsense.
    pub fn read_with_any(http: &HttpRequest, body: &'a str, any: &str) -> Result<Self, ErrorResponse> {
        check_uri(http)?;
        Self::parse_by(body, |name, value| name == any || is_readable(value))
    }

    /// Reads the body alone.
    pub fn parse(body: &'a str) -> Result<Self, ErrorResponse> {
        Self::parse_by(body, |_, value| is_readable(value))
    }

    fn parse_by(body: &'a str, is_readable: impl Fn(&str, &str) -> bool) -> Result<Self, ErrorResponse> {
        let mut parameters = Vec::with_capacity(4);
        for pair in body.split('&').filter(|pair| !pair.is_empty()) {
            let is_plain = is_plain(pair);
            let (name, value) = if is_plain { halves(pair) } else { decoded(pair) };
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(ErrorResponse::field(name.into_owned(), "is given more than once"));
            }
            if parameters.len() == MAX_PARAMETERS {
                return Err(ErrorResponse::Request("the body has too many parameters"));
            }
            if !is_plain && !is_readable(&name, &value) {
                return Err(ErrorResponse::field(
                    name.into_owned(),
                    "must be text without control characters",
                ));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| &**value)
    }

    pub fn required(&self, name: &'static str) -> Result<&str, ErrorResponse> {
        self.get(name).ok_or_else(|| ErrorResponse::field(name, "is missing"))
    }
}

fn check_uri(http: &HttpRequest) -> Result<(), ErrorResponse> {
    let mut names = form_urlencoded::parse(http.query_string().as_bytes()).map(|(name, _)| name);
    match names.find_map(|name| BODY_ONLY.into_iter().find(|known| *known == name)) {
        Some(name) => Err(ErrorResponse::field(name, "belongs in the body, not in the URI")),
        None => Ok(()),
    }
}

/// A body as text. Invalid UTF-8 becomes U+FFFD, and no parameter may hold it. This goes even for bytes whose
/// percent-encoded neighbours would complete them to text.
pub fn text(body: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed)
}

/// Printable ASCII with nothing encoded, such as a token: the pair stands for itself, and is readable. All bytes are looked
/// at without an early exit, so the compiler can look at many at once.
fn is_plain(pair: &str) -> bool {
    let is_odd = |b: u8| b == b'%' || b == b'+' || !(b' '..=b'~').contains(&b);
    pair.bytes().fold(0, |found, b| found | u8::from(is_odd(b))) == 0
}

/// Name and value of a plain pair. Nothing is copied.
fn halves(pair: &str) -> (Cow<'_, str>, Cow<'_, str>) {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    (name.into(), value.into())
}

fn decoded(pair: &str) -> (Cow<'_, str>, Cow<'_, str>) {
    form_urlencoded::parse(pair.as_bytes()).next().unwrap_or_default()
}

/// No control characters, and no U+FFFD, the mark of invalid UTF-8.
fn is_readable(value: &str) -> bool {
    value.chars().all(|c| !c.is_control() && c != char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_plain_pair_is_what_the_library_decodes_and_readable(pair in "[a= !~-]{1,12}") {
            prop_assert!(is_plain(&pair));
            prop_assert_eq!(halves(&pair), decoded(&pair));
            prop_assert!(is_readable(&pair));
        }

        #[test]
        fn what_is_encoded_or_unreadable_is_not_plain(pair in "[a=&]{0,5}[%+é\u{0}-\u{1f}\u{7f}-\u{9f}\u{fffd}][a=&]{0,5}") {
            prop_assert!(!is_plain(&pair));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_not_readable() {
        assert!(!is_readable(&text(b"token=\xff")));
    }

    #[test]
    fn only_text_without_control_characters_is_readable() {
        for good in ["", "a b~", "Zoë", "🦊"] {
            assert!(is_readable(good), "{good}");
        }
        for bad in ["a\nb", "\u{7f}", "\u{85}", "\u{fffd}", "é\0"] {
            assert!(!is_readable(bad), "{bad:?}");
        }
    }
}
