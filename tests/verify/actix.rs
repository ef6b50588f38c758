//! The middleware and the extractor for actix-web, in an app of their own.

use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::{App, web};
use serde_json::{Value, json};
use token_gateway_verify::Verifier;
use token_gateway_verify::actix::{Bearer, Guard};

use super::{ENDED, unaccepted, verifier};
use crate::GATEWAY;

#[derive(serde::Deserialize)]
struct Claims {
    roles: Vec<String>,
}

/// The answer to a request: status, challenge, body.
async fn ask(verifier: &Verifier, path: &str, headers: &[(&str, &str)]) -> (u16, Option<String>, Value) {
    let guard = |scopes: &[&str]| {
        scopes.iter().fold(Guard::new(verifier.clone()), |guard, scope| guard.scope(*scope))
    };
    let who = async |bearer: Bearer<Claims>| {
        web::Json(json!({ "sub": bearer.access.subject().as_str(), "roles": bearer.claims.roles }))
    };
    let any = async |bearer: Bearer| web::Json(json!({ "sub": bearer.access.subject().as_str() }));
    let app = App::new()
        .service(web::resource("/open").to(any))
        .service(web::scope("/orders").wrap(guard(&["orders:read", "b"])).route("", web::get().to(any)))
        .service(
            web::scope("")
                .wrap(guard(&[]))
                .route("/who", web::get().to(who))
                .route("/any", web::get().to(any)),
        );
    let app = init_service(app).await;
    let request = headers.iter().fold(TestRequest::get().uri(path), |it, header| it.append_header(*header));
    let answer = call_service(&app, request.to_request()).await;
    let header = answer.headers().get("www-authenticate").map(|it| it.to_str().expect("text").to_owned());
    let status = answer.status();
    let body = if status == StatusCode::NOT_FOUND { Value::Null } else { read_body_json(answer).await };
    (status.as_u16(), header, body)
}

#[actix_web::test]
async fn a_good_token_comes_through_with_its_typed_claims() {
    let gateway = GATEWAY.embedded();
    let verifier = verifier(&gateway).await;
    let body = json!({"sub": "alice", "claims": {"roles": ["admin"]}, "scope": "orders:read b"});
    let tokens = gateway.api().issue(&body).await.tokens();
    for scheme in ["Bearer", "bearer"] {
        let header = format!("{scheme} {}", tokens.access);
        let (status, _, body) = ask(&verifier, "/who", &[("Authorization", &header)]).await;
        assert_eq!((status, body), (200, json!({"sub": "alice", "roles": ["admin"]})));
        assert_eq!(ask(&verifier, "/orders", &[("Authorization", &header)]).await.0, 200);
    }
}

#[actix_web::test]
async fn what_is_not_good_is_denied_as_rfc_6750_has_it() {
    let gateway = GATEWAY.embedded();
    let verifier = verifier(&gateway).await;
    let api = gateway.api();
    let (tokens, ended) = (api.login("alice").await, api.login("alice").await);
    assert_eq!(api.revoke(&ended.refresh).await.status, 200);
    assert_eq!(unaccepted(&verifier, &ended.access).await, ENDED);
    let header = |token: &str| format!("Bearer {token}");
    for bad in ["bad", &tokens.refresh, &ended.access, ""] {
        let (status, challenge, body) = ask(&verifier, "/any", &[("Authorization", &header(bad))]).await;
        assert_eq!((status, body["error"].as_str()), (401, Some("invalid_token")), "{bad}");
        assert_eq!(challenge.as_deref(), Some(r#"Bearer error="invalid_token""#));
    }
    let good = header(&tokens.access);
    for none in [vec![], vec![("Authorization", "Basic eDp5")], vec![("Cookie", good.as_str())]] {
        let (status, challenge, _) = ask(&verifier, "/any", &none).await;
        assert_eq!((status, challenge.as_deref()), (401, Some("Bearer")));
    }
    let twice = [("Authorization", good.as_str()), ("Authorization", good.as_str())];
    assert_eq!(ask(&verifier, "/any", &twice).await.0, 400);
    assert_eq!(ask(&verifier, &format!("/any?access_token={}", tokens.access), &[]).await.0, 401);
}

#[actix_web::test]
async fn a_scope_or_a_claim_that_is_missing_is_403_and_a_handler_without_a_guard_is_closed() {
    let gateway = GATEWAY.embedded();
    let verifier = verifier(&gateway).await;
    let body = json!({"sub": "alice", "scope": "orders:read"});
    let tokens = gateway.api().issue(&body).await.tokens();
    let header = format!("Bearer {}", tokens.access);
    let (status, challenge, _) = ask(&verifier, "/orders", &[("Authorization", &header)]).await;
    let expected = r#"Bearer error="insufficient_scope", scope="b""#;
    assert_eq!((status, challenge.as_deref()), (403, Some(expected)));
    assert_eq!(ask(&verifier, "/who", &[("Authorization", &header)]).await.0, 403);
    let (status, _, body) = ask(&verifier, "/open", &[("Authorization", &header)]).await;
    assert_eq!((status, body["error"].as_str()), (500, Some("server_error")));
}

#[actix_web::test]
async fn not_knowing_is_503_and_says_when_to_ask_again() {
    let feed = format!("http://127.0.0.1:{}/v1/revocations", token_gateway_testkit::free_port());
    let feed = token_gateway_verify::Feed::http(&feed, "some-key").expect("a URL");
    let verifier = super::builder().feed(feed).start().expect("sound settings");
    let header = format!("Bearer {}", GATEWAY.embedded().api().login("alice").await.access);
    let (status, _, body) = ask(&verifier, "/any", &[("Authorization", &header)]).await;
    assert_eq!((status, body["error"].as_str()), (503, Some("temporarily_unavailable")));
    let (status, _, body) = ask(&verifier, "/any", &[("Authorization", "Bearer x.y.z")]).await;
    assert_eq!(
        (status, body["error"].as_str()),
        (401, Some("invalid_token")),
        "nothing makes that a good one"
    );
}
