//! Whatever the order of events, nothing forbidden works afterwards. The counts are small: the scenarios `races` of the
//! proof have thousands of rounds.

use futures_util::future::join_all;
use reqwest::Method;
use token_gateway_testkit::api::{Api, Tokens, decided, fresh_key, successors};
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use tokio::join;

use crate::GATEWAY;

/// Rounds of a race; a round is a handful of requests.
const ROUNDS: usize = 100;

/// Rounds of fifty requests at once.
const CROWDS: usize = 30;

/// Three gateway processes on one Redis.
struct Nodes {
    _redis: Redis,
    gateways: Vec<Gateway>,
}

impl Nodes {
    fn start() -> Self {
        let redis = Redis::start_with(&["--appendonly", "no"]);
        let quiet = [("RUST_LOG", "token_gateway=info"), ("WORKERS", "1")];
        let gateways = (0..3).map(|_| GATEWAY.start_with(&redis, &quiet)).collect();
        Self { _redis: redis, gateways }
    }

    fn apis(&self) -> Vec<Api> {
        self.gateways.iter().map(Gateway::api).collect()
    }
}

/// Refreshes a session until a refusal; every pair of tokens on the way.
async fn refresh_until_refused(api: &Api, first: &Tokens, most: usize) -> Vec<Tokens> {
    let mut got = vec![first.clone()];
    while got.len() <= most {
        let answer = api.refresh_until_decided(&got[got.len() - 1].refresh).await;
        match answer.status.as_u16() {
            200 => got.push(answer.tokens()),
            400 => break,
            other => panic!("{other}: {answer:?}"),
        }
    }
    got
}

/// No token of these works on any node.
async fn nothing_works(apis: &[Api], tokens: &[Tokens]) {
    let (newest, api) = (&tokens[tokens.len() - 1], &apis[0]);
    for (n, api) in apis.iter().enumerate() {
        api.refresh_until_decided(&newest.refresh).await.expect_error(400, "invalid_grant");
        let shown = decided(|| api.me(Method::GET, "", &newest.access)).await;
        assert_eq!(shown.status, 401, "node {n}: {shown:?}");
    }
    for older in &tokens[..tokens.len() - 1] {
        api.refresh_until_decided(&older.refresh).await.expect_error(400, "invalid_grant");
        assert_eq!(decided(|| api.me(Method::GET, "", &older.access)).await.status, 401);
    }
}

/// Requirement TOKEN-17.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_parallel_refreshes_of_one_token_over_three_nodes_never_get_two_distinct_successors() {
    let nodes = Nodes::start();
    let apis = nodes.apis();
    for round in 0..CROWDS {
        let first = apis[0].login(&format!("user-{round}")).await;
        let answers = join_all((0..50).map(|n| apis[n % 3].refresh(&first.refresh))).await;
        assert_eq!(successors(&answers).len(), 1, "round {round}");
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            assert!(matches!(refused.status.as_u16(), 400 | 503), "{refused:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_parallel_refreshes_with_one_idempotency_key_all_get_the_same_successor() {
    let nodes = Nodes::start();
    let apis = nodes.apis();
    for round in 0..CROWDS {
        let first = apis[0].login(&format!("user-{round}")).await;
        let key = fresh_key();
        let answers = join_all((0..50).map(|n| apis[n % 3].refresh_as(&first.refresh, &key))).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "round {round}: {answers:?}");
        let successors = successors(&answers);
        assert_eq!(successors.len(), 1, "round {round}");
        let only = successors.first().expect("one");
        assert_eq!(apis[1].refresh(only).await.status, 200, "and it works");
    }
}

/// Requirement REVOKE-6.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_logout_that_raced_with_refreshes_no_token_of_that_session_works() {
    let nodes = Nodes::start();
    let apis = nodes.apis();
    for round in 0..ROUNDS {
        let first = apis[0].login("alice").await;
        let token = if round % 2 == 0 { &first.refresh } else { &first.access };
        let (tokens, revoked) = join!(refresh_until_refused(&apis[0], &first, 20), apis[1].revoke(token));
        assert_eq!(revoked.status, 200);
        nothing_works(&apis, &tokens).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_logging_out_everywhere_while_refreshing_no_token_of_that_user_works() {
    let nodes = Nodes::start();
    let apis = nodes.apis();
    for round in 0..ROUNDS {
        let user = format!("user-{round}");
        let (one, two) = (apis[0].login(&user).await, apis[1].login(&user).await);
        let (first, second, ended) = join!(
            refresh_until_refused(&apis[0], &one, 20),
            refresh_until_refused(&apis[1], &two, 20),
            apis[2].user(Method::DELETE, &user, ""),
        );
        assert_eq!(ended.ended().len(), 2, "{ended:?}");
        nothing_works(&apis, &first).await;
        nothing_works(&apis, &second).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_raced_with_logging_out_everywhere_works_exactly_when_it_is_listed() {
    let nodes = Nodes::start();
    let apis = nodes.apis();
    for round in 0..ROUNDS {
        let user = format!("user-{round}");
        let before = apis[0].login(&user).await;
        let (during, ended) = join!(apis[1].login(&user), apis[2].user(Method::DELETE, &user, ""));
        let ended = ended.ended();
        assert!(ended.contains(&before.session), "a login answered before the call: {ended:?}");
        nothing_works(&apis, &[before]).await;
        let survives = !ended.contains(&during.session);
        assert_eq!(apis[0].user(Method::GET, &user, "").await.sessions().contains(&during.session), survives);
        if survives {
            assert_eq!(apis[0].refresh(&during.refresh).await.status, 200);
        } else {
            nothing_works(&apis, &[during]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reuse_that_raced_with_refreshes_no_token_of_that_user_works() {
    let nodes = Nodes::start();
    let apis = nodes.apis();
    for round in 0..ROUNDS {
        let user = format!("user-{round}");
        let (stolen, other) = (apis[0].login(&user).await, apis[1].login(&user).await);
        let honest = apis[0].refresh(&stolen.refresh).await.tokens();
        let (replayed, tokens, others) = join!(
            apis[2].refresh_until_decided(&stolen.refresh),
            refresh_until_refused(&apis[0], &honest, 20),
            refresh_until_refused(&apis[1], &other, 20),
        );
        replayed.expect_error(400, "invalid_grant");
        nothing_works(&apis, &tokens).await;
        nothing_works(&apis, &others).await;
    }
}
