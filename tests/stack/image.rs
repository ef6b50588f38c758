//! The image: its ingredients, and its properties.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{repository, text_of};
use crate::sources::sources;

/// The names let through by `.dockerignore`: all is shut out, then some are let in.
fn let_through() -> Vec<String> {
    let text = text_of(".dockerignore");
    let mut rules = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    assert_eq!(rules.next(), Some("*"), "all is shut out first");
    rules.map(|rule| rule.strip_prefix('!').expect("then some are let in").to_owned()).collect()
}

pub fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        std::fs::copy(from, to).expect("a copy");
    } else if from.is_dir() {
        std::fs::create_dir_all(to).expect("a folder");
        for entry in std::fs::read_dir(from).expect("a folder") {
            let entry = entry.expect("an entry");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    }
}

#[test]
fn every_target_of_every_package_is_in_the_build_context() {
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
    let packages = metadata["packages"].as_array().expect("packages");
    let targets: Vec<_> = packages.iter().flat_map(|it| it["targets"].as_array().expect("targets")).collect();
    assert!(packages.len() >= 4 && targets.len() >= 6, "libraries, binary, tests: {targets:?}");
    for target in targets {
        let path = target["src_path"].as_str().expect("a path");
        assert!(Path::new(path).is_file(), "{path}: named by Cargo.toml, kept out by .dockerignore");
    }
}

#[test]
fn every_file_that_a_source_takes_in_is_in_the_build_context() {
    let inside: Vec<_> = let_through().iter().map(|name| repository(name)).collect();
    let mut files = Vec::new();
    sources(&repository("src"), &mut files);
    sources(&repository("crates"), &mut files);
    let mut taken_in = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        for rest in ["include_str!(\"", "include_bytes!(\""].iter().flat_map(|it| text.split(it).skip(1)) {
            let name = rest.split('"').next().expect("a name");
            let path = file.parent().expect("a folder").join(name).canonicalize().expect(name);
            assert!(inside.iter().any(|it| path.starts_with(it)), "{}: {name}", file.display());
            taken_in += 1;
        }
        for rest in text.split("include_str!(").chain(text.split("include_bytes!(").skip(1)).skip(1) {
            let is_seen = rest.starts_with('"') || rest.starts_with("concat!(\"scripts/\"");
            assert!(is_seen, "{}: {}", file.display(), rest.lines().next().unwrap_or_default());
        }
    }
    assert!(taken_in > 0, "the users of Redis are taken in");
}

/// An SBOM of the image is made of the lists in its build context, too.
#[test]
fn the_build_context_has_no_list_of_dependencies_but_that_of_cargo() {
    let lists = ["package.json", "package-lock.json", "requirements.txt", "go.mod"];
    let mut paths: Vec<_> = let_through().iter().map(|name| repository(name)).collect();
    while let Some(path) = paths.pop() {
        assert!(!lists.iter().any(|name| path.ends_with(name)), "{}", path.display());
        if path.is_dir() {
            let entries = std::fs::read_dir(path).expect("a folder");
            paths.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
    }
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
        let base = base.split('@').next().expect("a name before its digest");
        let (name, tag) = base.split_once(':').expect("a version");
        assert!(!name.contains('/'), "an official image: {base}");
        let version = tag.split('-').next().expect("a version");
        let is_minor =
            version.split('.').count() == 2 && version.split('.').all(|it| it.parse::<u32>().is_ok());
        assert!(is_minor, "a minor version: {base}");
    }
}

/// Platforms such as Cloud Run and Heroku set the port to listen on by `PORT`; `BIND_ADDR` would win over it.
#[test]
fn the_image_listens_where_port_says() {
    let file = text_of("Dockerfile");
    let variables: Vec<_> = file.lines().filter_map(|line| line.strip_prefix("ENV ")).collect();
    assert_eq!(variables, ["PORT=8080"]);
}

#[test]
fn the_image_says_what_it_is_and_leaves_blank_what_is_not_told() {
    let file = text_of("Dockerfile").replace("\\\n", " ");
    let labels = file.lines().find_map(|line| line.strip_prefix("LABEL ")).expect("labels");
    let label = |name: &str| {
        let rest = labels.split_once(&format!("org.opencontainers.image.{name}=\"")).expect(name).1;
        rest.split_once('"').expect("its end").0
    };
    assert_eq!(label("title"), env!("CARGO_PKG_NAME"));
    assert_eq!(label("description"), env!("CARGO_PKG_DESCRIPTION"));
    assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(label("licenses"), env!("CARGO_PKG_LICENSE"));
    assert_eq!((label("revision"), label("source")), ("${REVISION}", "${SOURCE}"));
    for argument in ["ARG REVISION=\"\"", "ARG SOURCE=\"\""] {
        assert!(file.lines().any(|line| line == argument), "{argument}");
    }
}

/// The dependencies are compiled before any source is there, so a change of ours leaves their layer alone.
#[test]
fn dependencies_are_a_layer_of_their_own() {
    let file = text_of("Dockerfile");
    let (before, after) = file.split_once("\nCOPY . .\n").expect("the sources");
    assert!(
        before.contains("\nCOPY Cargo.toml Cargo.lock ./\n")
            && before.contains("cargo build --release --locked")
    );
    assert!(after.contains("cargo build --release --locked"));
    let (_, command) = before.split_once("RUN ").expect("a command");
    // Looks at every target, as a build does, and builds nothing.
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let fetch = format!("cargo fetch --locked --offline --target {host}");
    let command = command.replace("\\\n", " ").replace("cargo build --release --locked", &fetch);
    let context = tempfile::tempdir().expect("a folder");
    for copied in before.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let (names, folder) = copied.rsplit_once(' ').expect("sources and a folder");
        for name in names.split(' ') {
            let file_name = Path::new(name).file_name().expect("a file");
            copy(&repository(name), &context.path().join(folder).join(file_name));
        }
    }
    let status = Command::new("sh").args(["-ec", &command]).current_dir(context.path()).status();
    assert!(status.expect("sh runs").success(), "every target has a file: {command}");
    for file in ["src/main.rs", "proof/main.rs", "crates/core/src/lib.rs"] {
        assert!(context.path().join(file).is_file(), "{file}");
    }
}
