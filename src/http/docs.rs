//! `/docs`, where Swagger UI shows `/openapi.json`. All of it comes from the binary.

mod swagger_ui;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION};
use actix_web::{HttpRequest, HttpResponse};

use self::swagger_ui::SwaggerFile;
use super::error::ErrorResponse;

/// People type credentials into this page: it runs no foreign code, and stands in no foreign frame.
const CONTENT_SECURITY_POLICY_VALUE: &str =
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";

/// To the page: its assets are beside it
#[utoipa::path(
    get,
    path = "/docs",
    tag = "Documentation",
    operation_id = "docs",
    responses((status = 308, description = "To `/docs/`", headers(("Location", description = "`docs/`")))),
)]
pub async fn entrance() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "docs/")).finish()
}

/// Swagger UI, which shows this document
#[utoipa::path(
    get,
    path = "/docs/",
    tag = "Documentation",
    operation_id = "docs_page",
    responses((
        status = 200,
        description = "A page",
        content_type = "text/html",
        body = String,
        headers(("Cache-Control"), ("Content-Security-Policy")),
    )),
)]
pub async fn page() -> Result<HttpResponse, ErrorResponse> {
    swagger_ui::file("index.html").map(served).ok_or(ErrorResponse::UnknownPath)
}

/// A file of the page
#[utoipa::path(
    get,
    path = "/docs/{asset}",
    tag = "Documentation",
    operation_id = "docs_asset",
    params(("asset" = String, Path, example = "swagger-ui.css")),
    responses((
        status = 200,
        description = "A file",
        content(
            (String = "text/css"), (String = "text/html"), (String = "text/javascript"), (String = "image/png")
        ),
        headers(("Cache-Control"), ("Content-Security-Policy")),
    )),
)]
pub async fn asset(http: HttpRequest) -> Result<HttpResponse, ErrorResponse> {
    let name = http.match_info().get("asset").filter(|name| !name.is_empty());
    name.and_then(swagger_ui::file).map(served).ok_or(ErrorResponse::UnknownPath)
}

fn served(file: SwaggerFile) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, "max-age=3600"));
    answer.insert_header((CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_VALUE));
    answer.content_type(file.content_type).body(file.bytes)
}
