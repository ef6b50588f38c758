//! The image: what it is built from, and what it is.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{repository, text_of};
use crate::architecture::sources;

/// The names that `.dockerignore` lets through: all is shut out, then some are let in.
fn let_through() -> Vec<String> {
    let text = text_of(".dockerignore");
    let mut rules = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    assert_eq!(rules.next(), Some("*"), "all is shut out first");
    rules.map(|rule| rule.strip_prefix('!').expect("then some are let in").to_owned()).collect()
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        std::fs::copy(from, to).expect("a copy");
    } else if from.is_dir() {
        std::fs::create_dir(to).expect("a folder");
        for entry in std::fs::read_dir(from).expect("a folder") {
            let entry = entry.expect("an entry");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    }
}

#[test]
fn every_target_of_the_package_is_in_the_build_context() {
    let context = tempfile::tempdir().expect("a folder");
    for name in let_through() {
        copy(&repository(&name), &context.path().join(&name));
    }
    assert!(context.path().join("Cargo.lock").is_file(), "--locked needs it");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"]);
    let output = cargo.current_dir(context.path()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let targets = metadata["packages"][0]["targets"].as_array().expect("targets");
    assert!(targets.len() >= 3, "library, binary, tests: {targets:?}");
    for target in targets {
        let path = target["src_path"].as_str().expect("a path");
        assert!(Path::new(path).is_file(), "{path}: named by Cargo.toml, kept out by .dockerignore");
    }
}

#[test]
fn no_source_takes_in_a_file_from_outside_the_build_context() {
    assert!(let_through().contains(&"src".to_owned()));
    let mut files = Vec::new();
    sources(&repository("src"), &mut files);
    let mut taken_in = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        for line in
            text.lines().filter(|line| line.contains("include_str!(") || line.contains("include_bytes!("))
        {
            assert!(!line.contains("..") && !line.contains("env!("), "{}: {line}", file.display());
            taken_in += 1;
        }
    }
    assert!(taken_in > 0, "the scripts are taken in");
}

#[test]
fn no_secret_and_no_build_output_is_in_the_build_context() {
    for name in let_through() {
        assert!(!name.starts_with('.') && !name.contains('*') && name != "target", "{name}");
    }
}

#[test]
fn the_image_needs_neither_root_nor_a_shell() {
    let file = text_of("Dockerfile");
    let (_, last) = file.rsplit_once("\nFROM ").expect("several stages");
    let user = last.lines().find_map(|line| line.strip_prefix("USER ")).expect("a user");
    let ids: Vec<u32> = user.split(':').map(|id| id.parse().expect("a number")).collect();
    assert!(ids.len() == 2 && ids.iter().all(|id| *id > 0), "{user}");
    for instruction in ["ENTRYPOINT ", "CMD "] {
        let line = last.lines().find_map(|line| line.strip_prefix(instruction)).expect(instruction);
        assert!(line.starts_with('['), "without a shell: {line}");
    }
    assert!(!last.lines().any(|line| line.starts_with("RUN ")));
    for base in file.lines().filter_map(|line| line.strip_prefix("FROM ")) {
        assert!(!base.contains('/') && base.contains(':'), "an official image of a named version: {base}");
    }
}
