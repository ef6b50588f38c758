//! The whole API, called as its own document describes it, rightly and wrongly: no 5xx, and no answer outside the
//! document.

use reqwest::Method;
use serde_json::Value;
use token_gateway_testkit::api::decided;
use token_gateway_testkit::gateway::{Gateway, PUBLIC_DOCS};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;

use super::fuzzer::{Fuzzer, file};
use crate::GATEWAY;

/// Calls per operation and phase.
const EXAMPLES: u32 = 60;

async fn document(gateway: &Gateway) -> Value {
    let api = gateway.api();
    api.send(api.request(Method::GET, "/openapi.json")).await.json()
}

async fn finds_nothing(gateway: &Gateway, bearers: &[(&str, &str)], document: &Value) {
    let items = document["paths"].as_object().expect("paths").values();
    let operations = items.map(|item| item.as_object().expect("a path item").len()).sum();
    let (_folder, path) = file(document);
    let url = format!("http://{}", gateway.address());
    let fuzzer = Fuzzer { url: &url, bearers, examples: EXAMPLES, seed: 1 };
    fuzzer.run(&path, operations).await.unwrap_or_else(|text| panic!("{text}"));
}

/// The document without the paths in `unwanted`.
fn without(mut document: Value, unwanted: impl Fn(&str) -> bool) -> Value {
    document["paths"].as_object_mut().expect("paths").retain(|path, _| !unwanted(path));
    document
}

/// Paths for calls with an access token.
fn is_for_users(path: &str) -> bool {
    path.starts_with("/v1/me/") || path == "/verify"
}

#[tokio::test]
async fn a_service_gets_no_answer_that_is_not_described() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[PUBLIC_DOCS]);
    let (api, login) = (gateway.api(), gateway.api().login("alice").await);
    let ask = || api.send(api.request(Method::GET, "/verify").bearer_auth(&login.access));
    assert_eq!(decided(ask).await.status, 200, "it hears the feed of a server that has just started");
    let document = without(document(&gateway).await, is_for_users);
    finds_nothing(&gateway, &[("service_key", WEB.key)], &document).await;
}

/// Apart from services, which end the sessions of anybody.
#[tokio::test]
async fn a_user_gets_no_answer_that_is_not_described() {
    let gateway = GATEWAY.embedded_with(&[PUBLIC_DOCS]);
    let access = gateway.api().login("alice").await.access;
    let mut document = without(document(&gateway).await, |path| !is_for_users(path));
    // A call here would end the session of the other calls.
    let item = document["paths"]["/v1/me/sessions"].as_object_mut().expect("a path item");
    item.remove("delete").expect("it is there");
    finds_nothing(&gateway, &[("access_token", &access)], &document).await;
}

#[tokio::test]
async fn callers_without_credentials_get_no_answer_that_is_not_described() {
    let gateway = GATEWAY.embedded_with(&[PUBLIC_DOCS]);
    finds_nothing(&gateway, &[], &document(&gateway).await).await;
}
