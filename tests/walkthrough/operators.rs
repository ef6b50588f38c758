//! The commands on the pages of `docs/operate`, as printed.

use std::process::{Command, Output};

use token_gateway_testkit::api::claims;
use token_gateway_testkit::redis::Redis;

use super::blocks::{Workplace, blocks};
use crate::GATEWAY;

/// All commands of a page.
fn commands(page: &str) -> String {
    blocks(&format!("docs/operate/{page}"), "sh").concat()
}

fn ended(bash: &mut Command) -> Output {
    bash.output().expect("bash is installed")
}

/// The output of commands that must succeed.
fn said(bash: &mut Command) -> String {
    let output = ended(bash);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_node_is_set_up_as_the_page_says() {
    let redis = Redis::start();
    // A reader has the program already, edits with an editor, and stays at the findings for a while.
    let lines = commands("run-a-node.md")
        .replace("cargo build --release\n", "")
        .replace("\"${EDITOR:-vi}\" .env", &format!("sed -i 's/:6379/:{}/' .env", redis.port()))
        .replace("token-gateway check ", "token-gateway check || true ")
        .replace("token-gateway serve\n", "");
    let found = said(&mut Workplace::new().bash(&lines));
    assert!(found.contains("shown this once") && found.contains(" maxmemory-policy "), "{found}");
}

#[test]
fn signing_keys_are_made_listed_and_rotated_as_the_page_says() {
    let found = said(&mut Workplace::new().bash(&commands("keys.md")));
    assert_eq!(found.matches("is published, and signs from").count(), 2, "{found}");
    assert!(found.contains("  ES256  access  active  "), "{found}");
    assert_eq!(found.matches("by this machine's clock: ").count(), 4, "{found}");
}

#[test]
fn a_service_key_is_made_as_the_page_says() {
    let found = said(&mut Workplace::new().bash(&commands("service-keys.md")));
    assert!(found.contains("\n  shop+issue+introspect="), "{found}");
}

#[tokio::test]
async fn sessions_are_found_and_ended_as_the_page_says() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let (first, second) = (api.login("alice").await, api.login("alice").await);
    let lines = commands("sessions-of-a-user.md").replace("4830719265501837429", &first.session);
    let workplace = Workplace::new();
    let mut bash = workplace.bash(&lines);
    let jti = claims(&first.refresh)["jti"].as_str().expect("a jti").to_owned();
    let found = said(bash.env("REDIS_URL", redis.url()).env("JTI", jti));
    for session in [&first.session, &second.session] {
        assert!(found.contains(&format!("ended {session} admin\n")), "{found}");
    }
}

#[test]
fn the_filters_of_the_page_are_taken() {
    let lines = commands("logs.md");
    let filters: Vec<_> = lines.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(filters.len(), 3, "{filters:?}");
    for filter in filters {
        let check = format!("STORE=embedded {filter} token-gateway check 2>&1");
        let output = ended(&mut Workplace::new().bash(&check));
        let found = String::from_utf8_lossy(&output.stdout);
        assert!(found.contains("ISSUER") && !found.contains("RUST_LOG"), "{filter}: {found}");
    }
}
