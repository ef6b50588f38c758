//! A user's life over the whole stack: the login service on the internal port, the user on the public one.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::claims;
use token_gateway_testkit::wait_for;

use super::parts::Stack;

#[tokio::test]
async fn a_chain_of_refreshes_goes_over_both_nodes_with_its_claims() {
    let stack = Stack::start();
    let (internal, public) = (stack.nginx.internal(), stack.nginx.public());
    let mut tokens = internal.issue(&json!({"sub": "alice", "claims": {"role": "admin"}})).await.tokens();
    for generation in 1..=20 {
        tokens = public.refresh(&tokens.refresh).await.tokens();
        assert_eq!(claims(&tokens.refresh)["gen"], generation);
        assert_eq!(claims(&tokens.access)["role"], "admin");
    }
    for node in [0, 1] {
        // A node writes its lines in batches, so the last ones may come after their answers.
        wait_for(&format!("node {node} takes its share"), Duration::from_secs(10), || {
            (stack.met(node, "/oauth/token") >= 5).then_some(())
        });
    }
    let patch = internal.service(Method::PATCH, "/v1/users/alice/sessions");
    assert_eq!(internal.send(patch.json(&json!({"claims": {"role": "guest"}}))).await.status, 200);
    let tokens = public.refresh(&tokens.refresh).await.tokens();
    assert_eq!(claims(&tokens.access)["role"], "guest");
}

#[tokio::test]
async fn users_see_and_end_their_sessions_on_the_public_port() {
    let stack = Stack::start();
    let (internal, public) = (stack.nginx.internal(), stack.nginx.public());
    let (one, two, three) =
        (internal.login("alice").await, internal.login("alice").await, internal.login("alice").await);
    assert_eq!(public.me(Method::GET, "", &one.access).await.sessions().len(), 3);
    assert_eq!(public.revoke(&two.refresh).await.status, 200);
    public.refresh(&two.refresh).await.expect_error(400, "invalid_grant");
    let path = format!("/{}", three.session);
    assert_eq!(public.me(Method::DELETE, &path, &one.access).await.ended(), [three.session]);
    let four = internal.login("alice").await;
    let mut rest = [one.session, four.session];
    rest.sort();
    assert_eq!(public.me(Method::DELETE, "", &four.access).await.ended(), rest);
    public.refresh(&four.refresh).await.expect_error(400, "invalid_grant");
    public.me(Method::GET, "", &one.access).await.expect_error(401, "invalid_token");
}

#[tokio::test]
async fn a_token_that_comes_back_after_its_exchange_ends_every_session() {
    let stack = Stack::start();
    let (internal, public) = (stack.nginx.internal(), stack.nginx.public());
    let (stolen, other) = (internal.login("alice").await, internal.login("alice").await);
    let honest = public.refresh(&stolen.refresh).await.tokens();
    public.refresh_until_decided(&stolen.refresh).await.expect_error(400, "invalid_grant");
    for tokens in [honest, other] {
        public.refresh(&tokens.refresh).await.expect_error(400, "invalid_grant");
    }
    assert!(internal.user(Method::GET, "alice", "").await.sessions().is_empty());
}

#[tokio::test]
async fn support_staff_reach_any_subject_through_the_internal_port() {
    let stack = Stack::start();
    let internal = stack.nginx.internal();
    let tokens = internal.login("team/alice %2F").await;
    let path = "team%2Falice%20%252F";
    assert_eq!(internal.user(Method::GET, path, "").await.sessions(), [tokens.session.as_str()]);
    assert_eq!(internal.user(Method::DELETE, path, "").await.ended(), [tokens.session]);
    let readiness = internal.send(internal.request(Method::GET, "/readyz")).await;
    assert_eq!((readiness.status.as_u16(), readiness.text.as_str()), (200, "ready"));
}
