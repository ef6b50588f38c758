//! Lists in pages, at `/v1/me/sessions` and `/v1/users/{sub}/sessions`.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::{Answer, Api, Tokens};

use crate::GATEWAY;

/// Both routes to alice's sessions.
async fn lists(api: &Api, alice: &Tokens, query: &str) -> [Answer; 2] {
    [api.me(Method::GET, query, &alice.access).await, api.user(Method::GET, "alice", query).await]
}

#[tokio::test]
async fn a_long_list_is_followed_by_next_and_a_refresh_meanwhile_changes_no_page() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let mut all = Vec::new();
    for _ in 0..7 {
        all.push(api.login("alice").await);
    }
    for route in [0, 1] {
        let (mut seen, mut query, mut pages) = (Vec::new(), "?limit=3".to_owned(), 0);
        loop {
            let page = &lists(&api, &all[0], &query).await[route];
            seen.extend(page.sessions());
            pages += 1;
            for tokens in &mut all {
                *tokens = api.refresh(&tokens.refresh).await.tokens();
            }
            let json = page.json();
            let Some(next) = json.get("next") else { break };
            query = format!("?limit=3&after={}", next.as_str().expect("a session id"));
        }
        assert_eq!((pages, seen.len()), (3, 7));
        let expected: BTreeSet<_> = all.iter().map(|tokens| &tokens.session).collect();
        assert_eq!(seen.iter().collect::<BTreeSet<_>>(), expected);
    }
}

#[tokio::test]
async fn a_list_without_parameters_has_up_to_a_hundred_and_next_only_where_there_are_more() {
    let gateway = GATEWAY.embedded_with(&[("MAX_SESSIONS_PER_SUBJECT", "101")]);
    let api = gateway.api();
    let alice = api.login("alice").await;
    for _ in 1..100 {
        api.login("alice").await;
    }
    for page in lists(&api, &alice, "").await {
        assert_eq!((page.sessions().len(), page.json().get("next").is_none()), (100, true));
    }
    api.login("alice").await;
    for page in lists(&api, &alice, "").await {
        assert_eq!((page.sessions().len(), page.json().get("next").is_some()), (100, true));
    }
}

#[tokio::test]
async fn a_wrong_parameter_is_named_with_its_right_form() {
    const LIMIT: &str = "'limit' must be a whole number from 1 to 100, in plain digits such as 50";
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let alice = api.login("alice").await;
    for (query, problem) in [
        ("?limit=0", LIMIT),
        ("?limit=101", LIMIT),
        ("?limit=+5", LIMIT),
        ("?limit=%2B5", LIMIT),
        ("?limit=", LIMIT),
        ("?limit=1e1", LIMIT),
        ("?limit=05", LIMIT),
        ("?limit=00", LIMIT),
        ("?limit=050", LIMIT),
        ("?limit=-1", LIMIT),
        ("?limit=%205", LIMIT),
        ("?limit=5+", LIMIT),
        ("?limit=1.0", LIMIT),
        ("?limit=%D9%A5", LIMIT),
        ("?limit", LIMIT),
        ("?limit=18446744073709551617", LIMIT),
        ("?limit=1&limit=1", "'limit' is given more than once"),
        ("?after=", "'after' must be 'next' of the page before"),
        ("?after=483071926550183742", "'after' must be 'next' of the page before"),
        ("?after=0830719265501837429", "'after' must be 'next' of the page before"),
        ("?after=+4830719265501837429", "'after' must be 'next' of the page before"),
        ("?after=4830719265501837429&after=4830719265501837429", "'after' is given more than once"),
        ("?limit=1&l%69mit=2", "'limit' is given more than once"),
        ("?Limit=1", "'Limit' is no parameter of this route, which takes 'limit', 'after'"),
        ("?after=alice", "'after' must be 'next' of the page before"),
        ("?page=2", "'page' is no parameter of this route, which takes 'limit', 'after'"),
    ] {
        for answer in lists(&api, &alice, query).await {
            answer.expect_error(400, "invalid_request");
            assert_eq!(answer.json()["error_description"], json!(problem), "{query}");
        }
    }
    for query in ["?limit=1", "?limit=100", "?limit=%35", "?after=4830719265501837429"] {
        for answer in lists(&api, &alice, query).await {
            assert_eq!(answer.status, 200, "{query}: {answer:?}");
        }
    }
    let answer = api.me(Method::DELETE, "?limit=1", &alice.access).await;
    answer.expect_error(400, "invalid_request");
}
