//! No answer through nginx leaves its type to guesses.

use reqwest::Method;
use token_gateway_testkit::api::{Answer, Api};

use super::parts::Stack;

#[track_caller]
fn expect_nosniff(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    let values: Vec<_> = answer.headers.get_all("x-content-type-options").iter().collect();
    assert_eq!(values, ["nosniff"], "{answer:?}");
}

async fn get(api: &Api, path: &str) -> Answer {
    api.send(api.request(Method::GET, path)).await
}

#[tokio::test]
async fn answers_of_nginx_and_of_the_gateway_say_nosniff_once() {
    let mut stack = Stack::start();
    let (public, internal) = (stack.nginx.public(), stack.nginx.internal());
    expect_nosniff(&get(&public, "/livez").await, 200);
    expect_nosniff(&get(&public, "/nowhere").await, 404);
    expect_nosniff(&get(&public, "/.well-known/jwks.json").await, 200);
    expect_nosniff(&get(&internal, "/readyz").await, 200);
    let large = public.raw_form("/oauth/revoke", "x".repeat(16 * 1024 + 1));
    expect_nosniff(&public.send(large).await, 413);
    let trace = Method::from_bytes(b"TRACE").expect("a method");
    expect_nosniff(&public.send(public.request(trace, "/oauth/token")).await, 405);
    stack.kill(0);
    stack.kill(1);
    expect_nosniff(&get(&internal, "/readyz").await, 503);
}
