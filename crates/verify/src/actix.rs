//! Access tokens in actix-web: a middleware as a guard, and an extractor for the claims.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, web};
//! use token_gateway_verify::Verifier;
//! use token_gateway_verify::actix::{Bearer, Guard};
//!
//! #[derive(serde::Deserialize)]
//! struct Claims {
//!     roles: Vec<String>,
//! }
//!
//! async fn orders(bearer: Bearer<Claims>) -> String {
//!     format!("{} has {} roles", bearer.access.subject().as_str(), bearer.claims.roles.len())
//! }
//!
//! # async fn run(verifier: Verifier) -> std::io::Result<()> {
//! HttpServer::new(move || {
//!     let guard = Guard::new(verifier.clone()).scope("orders:read");
//!     App::new().service(web::scope("").wrap(guard).route("/orders", web::get().to(orders)))
//! })
//! .bind(("127.0.0.1", 8080))?
//! .run()
//! .await
//! # }
//! ```

use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{Access, AccessRefusal, Outcome, Unknown, Verifier};

/// A middleware: refuses requests without a valid access token.
#[derive(Debug, Clone)]
pub struct Guard {
    verifier: Verifier,
    scopes: Arc<Vec<String>>,
}

impl Guard {
    /// Admits requests whose access token this verifier accepts.
    pub fn new(verifier: Verifier) -> Self {
        Self { verifier, scopes: Arc::default() }
    }

    /// Demands this scope, too.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.scopes).push(scope.into());
        self
    }

    async fn admit(&self, http: &HttpRequest) -> Result<Access, Denied> {
        let access = match self.verifier.verify(bearer(http)?).await {
            Outcome::Accepted(access) => access,
            Outcome::Refused(refusal) => return Err(Denied::Refused(refusal)),
            Outcome::Unknown(reason) => return Err(Denied::Unknown(reason)),
        };
        match self.scopes.iter().find(|scope| !access.has_scope(scope)) {
            Some(missing) => Err(Denied::Scope(missing.clone())),
            None => Ok(access),
        }
    }
}

impl<S, B> Transform<S, ServiceRequest> for Guard
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Guarded<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Guarded { guard: self.clone(), service: Rc::new(service) }))
    }
}

/// A service behind a [`Guard`].
pub struct Guarded<S> {
    guard: Guard,
    service: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for Guarded<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (guard, service) = (self.guard.clone(), self.service.clone());
        Box::pin(async move {
            match guard.admit(request.request()).await {
                Ok(access) => {
                    request.extensions_mut().insert(access);
                    service.call(request).await.map(ServiceResponse::map_into_left_body)
                }
                Err(denied) => Ok(request.into_response(denied.error_response().map_into_right_body())),
            }
        })
    }
}

/// The access token of a request behind a [`Guard`]; `C` are the claims of the login service.
#[derive(Clone)]
pub struct Bearer<C = serde_json::Value> {
    /// The content of the token.
    pub access: Access,
    /// The claims of the login service.
    pub claims: C,
}

impl<C> fmt::Debug for Bearer<C> {
    /// Without the claims: these may say more of a person than a log should hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.access.fmt(f)
    }
}

impl<C: DeserializeOwned> FromRequest for Bearer<C> {
    type Error = Denied;
    type Future = Ready<Result<Self, Denied>>;

    fn from_request(http: &HttpRequest, _: &mut Payload) -> Self::Future {
        let access = http.extensions().get::<Access>().cloned().ok_or(Denied::Unguarded);
        ready(access.and_then(|access| {
            let claims = access.claims().map_err(|_| Denied::Claims)?;
            Ok(Self { access, claims })
        }))
    }
}

/// Why a request is denied (RFC 6750 section 3.1). Says nothing of the token's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// No access token came.
    Missing,
    /// Several credentials came.
    Ambiguous,
    /// The token is not good, or its session has ended.
    Refused(AccessRefusal),
    /// There is no verdict on the token.
    Unknown(Unknown),
    /// The token lacks this scope.
    Scope(String),
    /// The claims do not fit the type of the handler's parameter.
    Claims,
    /// The handler is behind no [`Guard`].
    Unguarded,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "an access token is missing",
            Self::Ambiguous => "'Authorization' is given more than once",
            Self::Unknown(_) => "it cannot be known now whether the session has ended; repeat the request",
            Self::Refused(_) => "the access token is not valid, or its session has ended",
            Self::Scope(_) => "the access token lacks a scope that is needed here",
            Self::Claims => "the access token lacks a claim that is needed here",
            Self::Unguarded => "this resource is misconfigured",
        })
    }
}

impl Denied {
    fn parts(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Missing | Self::Refused(_) => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Self::Ambiguous => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Unknown(_) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
            Self::Scope(_) | Self::Claims => (StatusCode::FORBIDDEN, "insufficient_scope"),
            Self::Unguarded => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        }
    }

    /// Without an error code when no credentials came.
    fn challenge(&self) -> Option<String> {
        match (self, self.parts()) {
            (Self::Missing, _) => Some("Bearer".to_owned()),
            (Self::Scope(scope), (_, error)) => Some(format!(r#"Bearer error="{error}", scope="{scope}""#)),
            (_, (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, error)) => {
                Some(format!(r#"Bearer error="{error}""#))
            }
            _ => None,
        }
    }
}

impl ResponseError for Denied {
    fn status_code(&self) -> StatusCode {
        self.parts().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, error) = self.parts();
        let mut answer = HttpResponse::build(status);
        answer.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(challenge) = self.challenge() {
            answer.insert_header((WWW_AUTHENTICATE, challenge));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            answer.insert_header((RETRY_AFTER, "1"));
        }
        answer.json(json!({ "error": error, "error_description": self.to_string() }))
    }
}

/// The token of the `Authorization` header (RFC 6750 section 2.1). Tokens in the query or the body do not count.
fn bearer(http: &HttpRequest) -> Result<&str, Denied> {
    let mut headers = http.headers().get_all(AUTHORIZATION);
    let Some(header) = headers.next() else { return Err(Denied::Missing) };
    if headers.next().is_some() {
        return Err(Denied::Ambiguous);
    }
    let (scheme, token) = header.to_str().unwrap_or_default().split_once(' ').unwrap_or_default();
    if scheme.eq_ignore_ascii_case("Bearer") { Ok(token.trim()) } else { Err(Denied::Missing) }
}
