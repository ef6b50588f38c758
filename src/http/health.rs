//! `/livez`, `/readyz`, `/metrics`.
//!
//! Alive means the process answers; it never looks at the store. Ready means it can serve: the store is
//! reachable and writable, and the node is not draining. Redis is asked once for all who ask within a quarter of a second,
//! so questions about readiness cost the refreshes nothing. A flood of them waits for the next answer. Draining shows at
//! once.

use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use serde_json::json;

use super::answer;
use crate::gateway::Gateway;

/// The repeated checks of load balancers and containers.
pub const HEALTH_PATHS: [&str; 2] = ["/livez", "/readyz"];

/// The media type of a word.
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// Whether the node is about to stop. Shared by all workers.
#[derive(Debug, Default)]
pub struct Lifecycle {
    draining: AtomicBool,
}

impl Lifecycle {
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

/// Whether the process answers
///
/// Never looks at the store.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "Health",
    operation_id = "live",
    responses((status = 200, description = "It does", content_type = PLAIN_TEXT, body = String, example = "alive")),
)]
pub async fn live() -> HttpResponse {
    word(StatusCode::OK, "alive")
}

/// Whether the node can serve
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "Health",
    operation_id = "ready",
    responses(
        (status = 200, description = "The store can be written to", content_type = PLAIN_TEXT, body = String, example = "ready"),
        (status = 503, description = "The store cannot be used, or the node is about to stop", content_type = PLAIN_TEXT, body = String,
            examples(("unready" = (value = json!("unready"))), ("draining" = (value = json!("draining"))))),
    ),
)]
pub async fn ready(gateway: Data<Gateway>, lifecycle: Data<Lifecycle>) -> HttpResponse {
    if lifecycle.is_draining() {
        return word(StatusCode::SERVICE_UNAVAILABLE, "draining");
    }
    match gateway.shared_ready().await {
        Ok(_) => word(StatusCode::OK, "ready"),
        Err(_) => word(StatusCode::SERVICE_UNAVAILABLE, "unready"),
    }
}

/// Readiness for the admin address, with the reasons in words.
pub async fn ready_in_full(gateway: Data<Gateway>, lifecycle: Data<Lifecycle>) -> HttpResponse {
    let draining = lifecycle.is_draining();
    let (store, warnings) = match gateway.shared_ready().await {
        Ok(warnings) => ("ok".to_owned(), warnings),
        Err(error) => (error.to_string(), gateway.shared_dangers_when_unready().await),
    };
    let ready = store == "ok" && !draining;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer::json(
        status,
        &json!({ "ready": ready, "draining": draining, "store": store, "warnings": warnings }),
    )
}

pub async fn metrics(gateway: Data<Gateway>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(gateway.metrics.render(gateway.feed_state()))
}

fn word(status: StatusCode, word: &'static str) -> HttpResponse {
    HttpResponse::build(status).content_type(PLAIN_TEXT).body(word)
}
