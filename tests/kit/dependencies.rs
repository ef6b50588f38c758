//! `docs/reference/dependencies.md` has each crate of others that a manifest names, and no other.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::{as_text, items, repository, text_of};

/// The names in the first cells of the page's tables.
fn told() -> BTreeSet<String> {
    let page = text_of("docs/reference/dependencies.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" | ").next()).filter(|cell| *cell != "dependency");
    cells.flat_map(|cell| cell.split(", ")).map(str::to_owned).collect()
}

#[test]
fn the_page_of_dependencies_has_every_crate_of_the_manifests_and_no_other() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--locked", "--offline", "--format-version", "1"]);
    let output = cargo.current_dir(repository("")).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let dependencies = items(&metadata["packages"]).flat_map(|package| items(&package["dependencies"]));
    let foreign = dependencies.filter(|dependency| dependency["source"].is_string());
    let named: BTreeSet<_> = foreign.map(|dependency| as_text(&dependency["name"]).to_owned()).collect();
    assert!(named.len() > 50, "{named:?}");
    assert_eq!(told(), named);
}
