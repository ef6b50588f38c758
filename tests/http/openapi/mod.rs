//! `GET /openapi.json`: complete in itself, and true of the gateway's answers.

mod answers;
mod parameters;
mod schema;

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use token_gateway_testkit::gateway::{Gateway, PUBLIC_DOCS};

use self::schema::{Document, Operation};
use crate::GATEWAY;

async fn document(gateway: &Gateway) -> Document {
    let api = gateway.api();
    let answer = api.send(api.request(Method::GET, "/openapi.json")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    Document::new(answer.json())
}

/// A path for every method: a proxy asks with the method of the user's request.
const TAKES_ANY: &str = "/verify";

#[tokio::test]
async fn the_document_is_openapi_3_1_of_this_release_with_a_relative_server() {
    let document = document(&GATEWAY.embedded_with(&[PUBLIC_DOCS])).await;
    let json = document.json();
    assert!(json["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")), "{json}");
    assert_eq!(json["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["servers"][0]["url"], "/");
}

/// Services may be given it, so that their keys open the events once there are any.
#[tokio::test]
async fn the_role_events_is_shown_as_reserved_and_no_operation_asks_for_it() {
    let document = document(&GATEWAY.embedded_with(&[PUBLIC_DOCS])).await;
    let schemes = &document.json()["components"]["securitySchemes"];
    let description = schemes["service_key"]["description"].as_str().expect("a description");
    assert!(description.contains("the role `events` is reserved"), "{description}");
    assert!(!document.json()["paths"].to_string().contains("\"events\""), "an operation asks for it");
}

#[tokio::test]
async fn every_reference_resolves() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document(&GATEWAY.embedded_with(&[PUBLIC_DOCS])).await;
    let mut found = Vec::new();
    references(document.json(), &mut found);
    assert!(found.len() > 100, "only {} references", found.len());
    for reference in found {
        assert!(document.find(reference).is_some(), "{reference} leads nowhere");
    }
}

#[tokio::test]
async fn every_operation_names_itself_its_callers_and_its_errors() {
    let document = document(&GATEWAY.embedded_with(&[PUBLIC_DOCS])).await;
    let schemes = &document.json()["components"]["securitySchemes"];
    let mut ids = BTreeSet::new();
    for operation in document.operations() {
        let id = operation.json["operationId"].as_str().expect("an id");
        assert!(ids.insert(id.to_owned()), "{id} is there twice");
        assert!(operation.json["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{operation}");
        assert!(operation.json["tags"][0].is_string(), "{operation}");
        let statuses: Vec<_> = operation.answers().map(|(status, _)| status).collect();
        assert!(statuses.iter().any(|status| matches!(status, 200..400)), "{operation}: {statuses:?}");
        assert_eq!(statuses.contains(&405), operation.path != TAKES_ANY, "{operation}: {statuses:?}");
        for requirement in operation.json["security"].as_array().into_iter().flatten() {
            assert!(requirement.as_object().unwrap().keys().all(|name| schemes[name].is_object()));
            let expected = [400, 401, 503];
            assert!(expected.iter().all(|status| statuses.contains(status)), "{operation}: {statuses:?}");
        }
        if operation.json["requestBody"].is_object() {
            let expected = [400, 408, 413, 415];
            assert!(expected.iter().all(|status| statuses.contains(status)), "{operation}: {statuses:?}");
        }
    }
}

#[tokio::test]
async fn every_answer_is_described_and_every_json_body_has_an_example_that_fits_its_schema() {
    let document = document(&GATEWAY.embedded_with(&[PUBLIC_DOCS])).await;
    for operation in document.operations() {
        for (status, answer) in operation.answers() {
            let described = answer["description"].as_str().is_some_and(|text| !text.is_empty());
            assert!(described, "{operation} {status}");
            expect_examples(&document, &operation, &answer["content"]);
        }
        expect_examples(&document, &operation, &operation.json["requestBody"]["content"]);
    }
}

fn expect_examples(document: &Document, operation: &Operation, content: &Value) {
    for (media_type, content) in content.as_object().into_iter().flatten() {
        let examples = document.examples(content);
        let is_file = !media_type.contains("json") && operation.path.starts_with("/docs/");
        assert!(is_file || !examples.is_empty(), "{operation} {media_type}: no example");
        for example in examples {
            let problem = document.check(&content["schema"], example);
            assert_eq!(problem, Ok(()), "{operation} {media_type}: {example}");
        }
    }
}

#[tokio::test]
async fn the_methods_of_each_path_are_those_that_allow_names() {
    let gateway = GATEWAY.embedded_with(&[PUBLIC_DOCS]);
    let (api, document) = (gateway.api(), document(&gateway).await);
    for (path, item) in document.json()["paths"].as_object().expect("paths") {
        let documented: BTreeSet<_> =
            item.as_object().unwrap().keys().map(|key| key.to_uppercase()).collect();
        let answer = api.send(api.request(Method::PUT, path)).await;
        if path == TAKES_ANY {
            answer.expect_error(401, "invalid_token");
            continue;
        }
        answer.expect_error(405, "invalid_request");
        let allowed = answer.header("allow").expect("the methods").split(", ");
        assert_eq!(allowed.map(str::to_owned).collect::<BTreeSet<_>>(), documented, "{path}");
    }
}
