//! The requirements of `requirements.md`: each has tests, and each id in the comment of a test is one of the page.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::sources::sources;

/// The ids of the page, in its order.
fn demanded() -> Vec<&'static str> {
    let rows = include_str!("requirements.md").lines().filter_map(|line| line.strip_prefix("| "));
    let ids = rows.filter_map(|row| row.split(" | ").next()).filter(|id| id.contains('-'));
    ids.collect()
}

/// The ids that a comment names: `Requirement TOKEN-1.`, or `Requirements TOKEN-1, TOKEN-2.`
fn ids_of(line: &str) -> Vec<String> {
    let named = ["/// Requirement ", "/// Requirements "].iter().find_map(|start| line.strip_prefix(start));
    let ids = named.and_then(|named| named.split('.').next()).unwrap_or_default();
    ids.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect()
}

/// The ids that tests of a file name. Each stands in the comment of a test.
fn decided_in(file: &Path) -> Vec<String> {
    let code = fs::read_to_string(file).expect("readable");
    let mut ids = Vec::new();
    for (n, line) in code.lines().enumerate() {
        let named = ids_of(line);
        if !named.is_empty() {
            let next = code.lines().skip(n).find(|line| !line.starts_with("///"));
            let is_test =
                next.is_some_and(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
            assert!(is_test, "{}: no test below '{line}'", file.display());
        }
        ids.extend(named);
    }
    ids
}

#[test]
fn each_requirement_has_a_test_and_each_id_of_a_test_is_a_requirement() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), &mut files);
    let decided: BTreeSet<String> = files.iter().flat_map(|file| decided_in(file)).collect();
    let demanded = demanded();
    assert!(demanded.len() > 45, "the rows are found: {demanded:?}");
    let distinct: BTreeSet<String> = demanded.iter().map(|&id| id.to_owned()).collect();
    assert_eq!(distinct.len(), demanded.len(), "an id twice");
    assert_eq!(decided, distinct);
}
