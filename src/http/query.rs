//! The parameters of a query on the routes of `/v1`. An unknown one is refused by its name: a typing error in `except`
//! must not end all sessions. `/oauth` ignores unknown parameters (RFC 6749 section 3.2), and has forms instead.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::web::Payload;

use super::error::ErrorResponse;
use super::request;

/// The parameters of a query, each known to its route.
pub struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Reads the query of a route that knows these parameters and no others.
    pub fn read(http: &'a HttpRequest, known: &[&str]) -> Result<Self, ErrorResponse> {
        let mut parameters: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(http.query_string().as_bytes()) {
            if !known.contains(&&*name) {
                return Err(unknown(&name, known));
            }
            if parameters.iter().any(|(before, _)| *before == name) {
                return Err(ErrorResponse::field(name.into_owned(), "is given more than once"));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// Demands a query without parameters.
    pub fn none(http: &HttpRequest) -> Result<(), ErrorResponse> {
        Query::read(http, &[]).map(|_| ())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

/// The error where a query has a parameter that its route does not know.
pub fn unknown(name: &str, known: &[&str]) -> ErrorResponse {
    let problem = if known.is_empty() {
        "is no parameter of this route, which takes none".to_owned()
    } else {
        format!("is no parameter of this route, which takes '{}'", known.join("', '"))
    };
    ErrorResponse::field(request::shortened(name.to_owned()), problem)
}

/// Demands a request without parameters and without members: its path and method say everything.
pub async fn nothing(http: &HttpRequest, payload: Payload) -> Result<(), ErrorResponse> {
    Query::none(http)?;
    request::no_members(http, payload).await
}
