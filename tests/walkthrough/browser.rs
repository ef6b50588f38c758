//! The module for a browser, run by node with the parts of a browser that it uses.

use std::time::Duration;

use token_gateway_testkit::service_key::WEB;
use tokio::process::Command;

use super::blocks::{blocks, repository};
use crate::GATEWAY;
use crate::interop::foreign::{clean, run};

#[tokio::test]
async fn tabs_reloads_and_lost_answers_sign_nobody_out_with_the_module_of_the_guide() {
    let modules = blocks("docs/guides/several-tabs-and-retries.md", "js");
    let [module] = modules.as_slice() else { panic!("one module: {modules:?}") };
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("session.mjs");
    std::fs::write(&file, module).expect("a file");
    let gateway = GATEWAY.embedded();
    let mut node = Command::new("node");
    node.arg(repository("tests/walkthrough/tabs.mjs")).arg(&file);
    let mut node = clean(node);
    node.env("URL", format!("http://{}", gateway.address())).env("SERVICE_KEY", WEB.key);
    let ended = run("the tabs", node, Duration::from_secs(60)).await;
    assert!(ended.success, "{}", ended.text);
}
