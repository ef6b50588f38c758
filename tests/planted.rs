//! The planted faults of `scripts/plant`: each still fits the sources and names existing tests. The script itself shows
//! whether these tests see the fault.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn patches() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("planted-faults")).expect("a readable folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    paths.sort();
    paths
}

/// The text under this name in the header of a patch.
fn said<'a>(patch: &'a str, name: &str) -> Option<&'a str> {
    let mut header = patch.lines().take_while(|line| !line.starts_with("diff "));
    header.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The names in a page's table of promises.
fn promised_by(page: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(page)).expect("readable");
    let (_, table) = text.split_once("\n| promise |").expect("a table of promises");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.split('|').nth(1)).map(|name| name.trim().to_owned()).collect()
}

/// README tells each promise in short, and the page of promises in full.
#[test]
fn the_readme_and_the_page_tell_the_same_promises() {
    assert_eq!(promised_by("README.md"), promised_by("docs/explain/promises.md"));
}

/// The tests that the page names are there.
#[test]
fn each_promise_has_tests() {
    let page = fs::read_to_string(root().join("docs/explain/promises.md")).expect("readable");
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(1);
    for row in rows {
        let named = row.trim_end_matches(" |").rsplit(" | ").next().expect("a cell");
        for path in named.split(", ").map(|path| path.trim_matches('`')) {
            assert!(root().join(path).exists(), "{row}: {path}");
        }
    }
}

/// The tests of this binary.
fn own_tests() -> BTreeSet<String> {
    let own = std::env::current_exe().expect("it runs");
    let listed = Command::new(own).arg("--list").output().expect("it can be run");
    let listed = String::from_utf8(listed.stdout).expect("names");
    listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// Whether a library has this unit test. The module of tests stands in the file that it tests, or in one of its own.
fn is_unit_test(sources: &str, name: &str) -> bool {
    let Some((module, test)) = name.split_once("::tests::") else { return false };
    let module = root().join(sources).join(module.replace("::", "/"));
    let files = [module.with_extension("rs"), module.join("tests.rs")];
    let test = format!("fn {test}() {{");
    files.iter().any(|file| fs::read_to_string(file).is_ok_and(|text| text.contains(&test)))
}

#[test]
fn every_fault_still_fits_the_sources() {
    let patches = patches();
    assert!(patches.len() >= 16, "{patches:?}");
    for patch in patches {
        let checked = Command::new("git").args(["apply", "--check"]).arg(&patch).current_dir(root()).output();
        let checked = checked.expect("git is installed");
        assert!(
            checked.status.success(),
            "{}: {}",
            patch.display(),
            String::from_utf8_lossy(&checked.stderr)
        );
    }
}

#[test]
fn every_fault_says_what_it_breaks_and_names_tests_that_are_there() {
    let (tests, promises) = (own_tests(), promised_by("README.md"));
    for path in patches() {
        let (patch, name) = (fs::read_to_string(&path).expect("readable"), path.display());
        assert!(said(&patch, "Fault").is_some_and(|text| !text.is_empty()), "{name}: Fault");
        let promise = said(&patch, "Promise").unwrap_or_else(|| panic!("{name}: Promise"));
        assert!(promises.contains(promise), "{name}: {promise} is none of {promises:?}");
        let red = said(&patch, "Red").unwrap_or_else(|| panic!("{name}: Red"));
        let is_there = |test: &str| match red.split_once(" -- ") {
            Some(("--test system", _)) => tests.contains(test),
            Some(("--lib", _)) => is_unit_test("src", test),
            Some(("-p token-gateway-core --lib", _)) => is_unit_test("crates/core/src", test),
            _ => false,
        };
        let (_, named) = red.split_once(" -- ").unwrap_or_else(|| panic!("{name}: {red}"));
        assert!(named.split(' ').all(is_there), "{name}: {red}");
    }
}
