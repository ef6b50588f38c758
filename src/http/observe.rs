//! One access line and one count per request, under the route's pattern: never the path, never the query. Successful
//! health checks are counted and leave no line: those of a container come every few seconds.
//!
//! Each request has an id. Its answer and all lines that are logged while it is served carry it. No browser guesses at the
//! type of an answer: `nosniff` is on every one that a route gives.

use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{HttpServiceFactory, Service, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::web::Data;
use actix_web::{Error, HttpRequest, HttpResponse, Resource, ResponseError};

use super::error::ErrorResponse;
use super::health::{self, Lifecycle};
use super::request_id::{self, X_REQUEST_ID};
use crate::gateway::Gateway;
use crate::telemetry::logging::ACCESS_LOG_TARGET;
use crate::telemetry::metrics::Request;

/// The content type counts as it is said.
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// The resource, with each of its requests observed under the route's pattern.
pub fn observed(route: &'static str, resource: Resource) -> impl HttpServiceFactory {
    resource.wrap_fn(move |request, service| observe(route, request, service))
}

fn observe<S, B>(
    route: &'static str,
    request: ServiceRequest,
    service: &S,
) -> impl Future<Output = Result<ServiceResponse<B>, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let began = Instant::now();
    let (method, id) = (label(request.method()), request_id::of(request.headers()));
    let gateway = request.app_data::<Data<Gateway>>().cloned();
    let lifecycle = request.app_data::<Data<Lifecycle>>().cloned();
    let answer = service.call(request);
    let name = request_id::value(&id);
    id.scope(async move {
        let mut answer = answer.await?;
        if let Some(gateway) = gateway {
            record(&gateway, route, method, answer.status(), began.elapsed());
        }
        let head = answer.response_mut().head_mut();
        add_headers(head.headers_mut(), name);
        if lifecycle.is_some_and(|lifecycle| lifecycle.is_draining()) {
            head.set_connection_type(ConnectionType::Close);
        }
        Ok(answer)
    })
}

/// The answer where no route matches.
pub async fn unknown_path(http: HttpRequest, gateway: Data<Gateway>) -> HttpResponse {
    let id = request_id::of(http.headers());
    let mut answer = ErrorResponse::UnknownPath.error_response();
    add_headers(answer.headers_mut(), request_id::value(&id));
    id.sync_scope(|| record(&gateway, "unmatched", label(http.method()), answer.status(), Duration::ZERO));
    answer
}

/// The headers of every answer.
fn add_headers(headers: &mut HeaderMap, id: HeaderValue) {
    headers.insert(X_REQUEST_ID.clone(), id);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
}

fn record(gateway: &Gateway, route: &'static str, method: &'static str, status: StatusCode, took: Duration) {
    let status = status.as_u16();
    gateway.metrics.requested(&Request { route, method, status });
    if status < 400 && health::HEALTH_PATHS.contains(&route) {
        return;
    }
    let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    log::info!(
        target: ACCESS_LOG_TARGET,
        method, route, status, microseconds;
        "{method} {route} {status} {microseconds}us"
    );
}

/// A closed set, however inventive the client.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::PUT => "PUT",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
