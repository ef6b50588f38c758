//! The dependencies of an API node: those of its features, and none of the server's.

use std::collections::BTreeSet;
use std::process::Command;

/// Crates for the server alone.
const OF_THE_SERVER: [&str; 12] = [
    "token-gateway",
    "anyhow",
    "clap",
    "comfy-table",
    "env_logger",
    "indicatif",
    "jiff",
    "mimalloc",
    "prometheus-client",
    "ureq",
    "utoipa",
    "utoipa-swagger-ui-vendored",
];

const OF_ACTIX: [&str; 2] = ["actix-web", "actix-http"];

const OF_REDIS: [&str; 4] = ["token-gateway-redis-link", "redis", "deadpool", "deadpool-redis"];

/// The crates in a build of token-gateway-verify.
fn dependencies(features: &str) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--locked", "--offline", "--package", "token-gateway-verify", "--edges", "no-dev"]);
    cargo.args(["--prefix", "none", "--format", "{p}", "--no-default-features", "--features", features]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("names");
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn assert_has(features: &str, crates: &[&str]) {
    let found = dependencies(features);
    for name in crates {
        assert!(found.contains(*name), "features '{features}': {name} is missing");
    }
}

fn assert_lacks(features: &str, crates: &[&str]) {
    let found = dependencies(features);
    assert!(found.contains("token-gateway-core"), "the tree is read");
    for name in crates {
        assert!(!found.contains(*name), "features '{features}': {name} is one too many");
    }
}

#[test]
fn a_verifier_has_no_dependency_of_the_server() {
    for features in ["", "actix", "redis"] {
        assert_lacks(features, &OF_THE_SERVER);
    }
}

#[test]
fn each_feature_brings_its_own_dependencies_alone() {
    assert_lacks("", &OF_ACTIX);
    assert_lacks("", &OF_REDIS);
    assert_has("actix", &OF_ACTIX);
    assert_lacks("actix", &OF_REDIS);
    assert_has("redis", &OF_REDIS);
    assert_lacks("redis", &OF_ACTIX);
}
