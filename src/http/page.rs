//! The parameters of a list in pages: `limit` and `after`.

use actix_web::HttpRequest;
use token_gateway_core::session::SessionId;
use utoipa::IntoParams;

use super::error::ErrorResponse;
use super::query::Query;
use crate::store::{MAX_PAGE, PageRequest};
use crate::view::schema;

/// The parameters as the document has them.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "`asked` reads the query")]
pub struct PageParameters {
    /// The most sessions of the page.
    #[param(minimum = 1, maximum = 100, default = 100, nullable = false, example = 100)]
    limit: Option<u8>,
    /// `next` of the page before.
    #[param(value_type = Option<schema::SessionIdSchema>, nullable = false, example = "4830719265501837429")]
    after: Option<SessionId>,
}

/// The page that a request asks for.
pub fn asked(http: &HttpRequest) -> Result<PageRequest, ErrorResponse> {
    let query = Query::read(http, &["limit", "after"])?;
    let limit = query.get("limit").map_or(Ok(MAX_PAGE), limit)?;
    let after = query.get("after").map(str::parse).transpose();
    let after = after.map_err(|_| ErrorResponse::field("after", "must be 'next' of the page before"))?;
    Ok(PageRequest { after, limit })
}

/// Written as JSON has it, so every number has one form: no sign, and no zero before it.
fn limit(text: &str) -> Result<usize, ErrorResponse> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
    let is_plain = |limit: &usize| limit.to_string() == text;
    let right = format!("must be a whole number from 1 to {MAX_PAGE}, in plain digits such as 50");
    limit.filter(is_plain).ok_or_else(|| ErrorResponse::field("limit", right))
}
