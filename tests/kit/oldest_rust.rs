//! The oldest Rust that can build this repository: `rust-version` of Cargo.toml. Clippy refuses what its standard library
//! lacks, a job of `.github/workflows/ci.yml` runs the tests on it, and here are the dependencies.

use std::process::Command;

use serde_json::Value;

use super::{as_text, files, items, repository, text_of, yaml_of};

const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

/// Its numbers: 1.91 is 1.91.0.
fn numbers(version: &str) -> [u32; 3] {
    let mut numbers = version.split('.').map(|it| it.parse().expect("a number"));
    [(); 3].map(|()| numbers.next().unwrap_or(0))
}

#[test]
fn no_dependency_needs_a_newer_one() {
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(repository(""));
    cargo.args(["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", &host]);
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let used: Vec<_> = items(&metadata["resolve"]["nodes"]).map(|node| &node["id"]).collect();
    let newer: Vec<_> = items(&metadata["packages"])
        .filter(|package| used.contains(&&package["id"]))
        .filter_map(|package| Some((as_text(&package["name"]), package["rust_version"].as_str()?)))
        .filter(|(_, version)| numbers(version) > numbers(OLDEST))
        .collect();
    assert!(used.len() > 100, "dependencies: {}", used.len());
    assert!(newer.is_empty(), "they need a newer Rust than {OLDEST}: {newer:?}");
}

#[test]
fn it_is_said_once_and_every_crate_inherits_it_with_the_lints() {
    let manifests: Vec<_> = files().into_iter().filter(|file| file.ends_with("Cargo.toml")).collect();
    for manifest in manifests.iter().filter(|file| *file == "Cargo.toml" || file.starts_with("crates/")) {
        let text = text_of(manifest);
        for line in ["rust-version.workspace = true", "[lints]\nworkspace = true"] {
            assert!(text.contains(&format!("\n{line}\n")), "{manifest}: {line}");
        }
    }
    let root = text_of("Cargo.toml");
    assert!(
        root.contains("\nunsafe_code = \"forbid\"\n") && root.contains("\nincompatible_msrv = \"deny\"\n")
    );
    let fuzz = text_of("fuzz/Cargo.toml");
    assert!(
        fuzz.contains("\n[lints.rust]\nunsafe_code = \"forbid\"\n"),
        "a workspace of its own inherits nothing"
    );
    let pins: Vec<_> = files().into_iter().filter(|file| file.contains("rust-toolchain")).collect();
    assert_eq!(pins, [""; 0], "a contributor's own Rust is used");
}

#[test]
fn workflows_pages_and_the_image_agree_with_it() {
    let tested = &yaml_of(".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["rust"];
    assert_eq!(items(tested).map(as_text).collect::<Vec<_>>(), [OLDEST, "stable"]);
    assert!(text_of("CONTRIBUTING.md").contains(&format!("Rust {OLDEST} or newer")), "CONTRIBUTING.md");
    let dockerfile = text_of("Dockerfile");
    let (_, rest) = dockerfile.split_once("\nFROM rust:").expect("the image of Rust");
    assert!(
        numbers(rest.split('-').next().expect("a version")) >= numbers(OLDEST),
        "the image has an older one"
    );
}
