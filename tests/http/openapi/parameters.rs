//! Every operation of `/v1` takes the parameters and members that the document names, and no others.

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Answer, Api};
use token_gateway_testkit::gateway::{Gateway, PUBLIC_DOCS};
use token_gateway_testkit::service_key::WEB;

use super::document;
use super::schema::{Document, Operation};
use crate::GATEWAY;

/// Calls one operation after the other, each with a session of its own.
struct Caller {
    api: Api,
    document: Document,
}

impl Caller {
    async fn of(gateway: &Gateway) -> Self {
        Self { api: gateway.api(), document: document(gateway).await }
    }

    fn operations(&self) -> Vec<Operation<'_>> {
        let mut operations = self.document.operations();
        // HEAD takes what GET takes, and its refusals have no body to look at.
        operations.retain(|operation| operation.path.starts_with("/v1/") && operation.method != "head");
        assert!(operations.len() >= 11, "{} operations", operations.len());
        operations
    }

    /// A right request, but for its query and its body.
    async fn request(&self, operation: &Operation<'_>) -> RequestBuilder {
        let tokens = self.api.login("alice").await;
        let path = operation.path.replace("{sub}", "alice").replace("{sid}", &tokens.session);
        let method = operation.method.to_uppercase().parse().expect("a method");
        let users = operation.json["security"][0]["access_token"].is_array();
        self.api.request(method, &path).bearer_auth(if users { &tokens.access } else { WEB.key })
    }

    /// The documented body, or none.
    fn body(&self, operation: &Operation<'_>) -> Option<Value> {
        let content = &operation.json["requestBody"]["content"]["application/json"];
        content.is_object().then(|| self.document.examples(content)[0].clone())
    }

    async fn send(&self, request: RequestBuilder, body: Option<Value>) -> Answer {
        self.api.send(body.iter().fold(request, |request, body| request.json(body))).await
    }
}

fn query(operation: &Operation<'_>) -> Vec<(String, String)> {
    let parameters = operation.json["parameters"].as_array().into_iter().flatten();
    let of_query = parameters.filter(|parameter| parameter["in"] == "query");
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    of_query.map(|parameter| (text(&parameter["name"]), text(&parameter["example"]))).collect()
}

#[tokio::test]
async fn every_documented_parameter_is_taken_and_no_other() {
    let gateway = GATEWAY.embedded_with(&[PUBLIC_DOCS]);
    let caller = Caller::of(&gateway).await;
    let mut taken = 0;
    for operation in caller.operations() {
        let body = caller.body(&operation);
        for (name, value) in query(&operation) {
            let request = caller.request(&operation).await.query(&[(&name, &value)]);
            let answer = caller.send(request, body.clone()).await;
            assert!(answer.status.is_success(), "{operation} {name}: {answer:?}");
            let twice = caller.request(&operation).await.query(&[(&name, &value), (&name, &value)]);
            let answer = caller.send(twice, body.clone()).await;
            assert!(answer.status == 400 && answer.text.contains(&format!("'{name}'")), "{answer:?}");
            taken += 1;
        }
        let request = caller.request(&operation).await.query(&[("undocumented", "1")]);
        let answer = caller.send(request, body).await;
        answer.expect_error(400, "invalid_request");
        assert!(answer.text.contains("'undocumented'"), "{operation}: {answer:?}");
    }
    assert_eq!(taken, 6, "`except`, `limit` and `after`, of a user and of one's own sessions");
}

#[tokio::test]
async fn every_documented_member_is_taken_and_no_other() {
    let gateway = GATEWAY.embedded_with(&[PUBLIC_DOCS]);
    let caller = Caller::of(&gateway).await;
    for operation in caller.operations() {
        let body = caller.body(&operation);
        if body.is_some() {
            let answer = caller.send(caller.request(&operation).await, body.clone()).await;
            assert!(answer.status.is_success(), "{operation}: {answer:?}");
        }
        let mut more = body.unwrap_or_else(|| json!({}));
        more["undocumented"] = json!(1);
        let answer = caller.send(caller.request(&operation).await, Some(more)).await;
        answer.expect_error(400, "invalid_request");
        assert!(answer.text.contains("'undocumented'"), "{operation}: {answer:?}");
    }
}
