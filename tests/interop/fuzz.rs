//! The fuzzer works, and finds the deviations there are: shown with a small document of two operations.

use serde_json::{Value, json};
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;

use super::fuzzer::{Fuzzer, file};
use crate::GATEWAY;

/// A true description of `/livez`, and of introspection with a good service key.
fn document() -> Value {
    let answer =
        |schema: Value| json!({ "description": "", "content": { "application/json": { "schema": schema } } });
    let text = || json!({ "type": "string" });
    let token = json!({ "type": "string", "pattern": "^[!-~]{1,64}$" });
    let error = json!({ "type": "object", "required": ["error", "error_description"], "properties": { "error": text() } });
    let active = json!({ "type": "object", "required": ["active"], "properties": { "active": { "type": "boolean" } } });
    let form = json!({ "type": "object", "required": ["token"], "properties": { "token": token, "token_type_hint": text() } });
    let body =
        json!({ "required": true, "content": { "application/x-www-form-urlencoded": { "schema": form } } });
    let word = json!({ "description": "", "content": { "text/plain": { "schema": text() } } });
    json!({
        "openapi": "3.1.0",
        "info": { "title": "two operations", "version": "1" },
        "components": { "securitySchemes": { "service": { "type": "http", "scheme": "bearer" } } },
        "paths": {
            "/livez": { "get": { "responses": { "200": word } } },
            "/oauth/introspect": { "post": {
                "security": [{ "service": [] }],
                "requestBody": body,
                "responses": { "200": answer(active), "400": answer(error.clone()), "401": answer(error.clone()), "503": answer(error) },
            } },
        },
    })
}

async fn fuzz(gateway: &Gateway, key: &str, document: &Value) -> Result<(), String> {
    let (_folder, path) = file(document);
    let url = format!("http://{}", gateway.address());
    Fuzzer { url: &url, bearers: &[("service", key)], examples: 30, seed: 1 }.run(&path, 2).await
}

/// Demands a failure of the run, with its reason.
#[track_caller]
fn expect_found(outcome: Result<(), String>, what: &str) {
    let text = outcome.expect_err("something is to be found");
    assert!(text.contains(what), "{text}");
}

#[tokio::test]
async fn the_fuzzer_finds_nothing_where_the_document_is_true() {
    fuzz(&GATEWAY.embedded(), WEB.key, &document()).await.unwrap_or_else(|text| panic!("{text}"));
}

#[tokio::test]
async fn the_fuzzer_finds_a_status_that_is_not_described() {
    let mut document = document();
    document["paths"]["/oauth/introspect"]["post"]["responses"].as_object_mut().unwrap().remove("400");
    expect_found(fuzz(&GATEWAY.embedded(), WEB.key, &document).await, "Undocumented status code");
}

#[tokio::test]
async fn the_fuzzer_finds_a_body_that_is_not_described() {
    let mut document = document();
    let pointer = "/paths/~1oauth~1introspect/post/responses/200/content/application~1json/schema/properties";
    *document.pointer_mut(pointer).unwrap() = json!({ "active": { "type": "string" } });
    expect_found(fuzz(&GATEWAY.embedded(), WEB.key, &document).await, "Response violates");
}

/// The document also describes each call without credentials, but such calls never get to the operations behind them.
#[tokio::test]
async fn the_fuzzer_needs_the_right_credentials() {
    expect_found(fuzz(&GATEWAY.embedded(), "tgk-wrong", &document()).await, "Authentication failed");
}

/// Described or not.
#[tokio::test]
async fn the_fuzzer_finds_an_answer_of_5xx() {
    let mut redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let token = gateway.api().login("alice").await.access;
    redis.stop();
    let mut document = document();
    let pointer = "/paths/~1oauth~1introspect/post/requestBody/content/application~1x-www-form-urlencoded/schema/properties/token";
    *document.pointer_mut(pointer).unwrap() = json!({ "type": "string", "enum": [token] });
    expect_found(fuzz(&gateway, WEB.key, &document).await, "Server error");
}
