//! An API node in Rust. It checks access tokens in process, and knows of a logout within milliseconds.
//!
//! ```sh
//! export GATEWAY=http://127.0.0.1:8080    # where the gateway is
//! export ISSUER=$GATEWAY                  # its ISSUER, to the byte
//! export FEED_KEY=…                       # a service key with the role `feed`
//! cargo run --release --example api-node
//! curl -sS -H "Authorization: Bearer $ACCESS" http://127.0.0.1:3000/whoami
//! ```

use std::env::{VarError, var};

use actix_web::web::{self, Data, Json};
use actix_web::{App, HttpResponse, HttpServer};
use serde_json::{Value, json};
use token_gateway_verify::actix::{Bearer, Guard};
use token_gateway_verify::{Feed, Verifier};

/// Claims of the login service in the tokens of this API.
#[derive(serde::Deserialize)]
struct Claims {
    #[serde(default)]
    roles: Vec<String>,
}

async fn whoami(bearer: Bearer<Claims>) -> Json<Value> {
    Json(
        json!({ "sub": bearer.access.subject(), "session": bearer.access.session(), "roles": bearer.claims.roles }),
    )
}

/// A node with a stale verifier may miss logouts, so it should get no requests.
async fn ready(verifier: Data<Verifier>) -> HttpResponse {
    if verifier.is_stale() {
        HttpResponse::ServiceUnavailable().body("stale")
    } else {
        HttpResponse::Ok().body("ready")
    }
}

fn or(value: Result<String, VarError>, default: &str) -> String {
    value.unwrap_or_else(|_| default.to_owned())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gateway = or(var("GATEWAY"), "http://127.0.0.1:8080");
    let (issuer, audience) = (or(var("ISSUER"), &gateway), or(var("AUDIENCE"), "api"));
    let feed_key =
        var("FEED_KEY").map_err(|_| "FEED_KEY: is missing; it is a service key with the role feed")?;
    let verifier = Verifier::builder(issuer, audience)
        .jwks(&format!("{gateway}/.well-known/jwks.json"))?
        .feed(Feed::http(&format!("{gateway}/v1/revocations"), feed_key)?)
        .start()?;
    let server = HttpServer::new(move || {
        let guard = Guard::new(verifier.clone());
        App::new()
            .app_data(Data::new(verifier.clone()))
            .route("/readyz", web::get().to(ready))
            .service(web::scope("").wrap(guard).route("/whoami", web::get().to(whoami)))
    });
    let server = server.bind(or(var("BIND_ADDR"), "127.0.0.1:3000"))?;
    println!("listening on http://{}", server.addrs()[0]);
    Ok(server.run().await?)
}
