//! The decisions in `docs/adr/`: each has its parts and its date, and the index has each.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/adr")
}

/// The names and the texts of all decisions.
fn decisions() -> Vec<(String, String)> {
    let entries = fs::read_dir(folder()).expect("a readable folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    let mut names: Vec<_> = names.filter(|name| name != "README.md").collect();
    names.sort();
    let text = |name: String| {
        let text = fs::read_to_string(folder().join(&name)).expect("a readable page");
        (name, text)
    };
    names.into_iter().map(text).collect()
}

/// The value behind a name in the list below the title.
fn stated<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix("- **")?.strip_prefix(name)?.strip_prefix(":** "))
}

fn is_date(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').map(|part| (part.len(), part.parse::<u32>().is_ok())).collect();
    parts == [(4, true), (2, true), (2, true)]
}

#[test]
fn every_decision_has_a_number_a_date_and_all_parts() {
    for (at, (name, text)) in decisions().iter().enumerate() {
        assert!(name.starts_with(&format!("{:04}-", at + 1)), "{name}: numbers have no gap");
        assert!(stated(text, "Status").is_some_and(|status| !status.is_empty()), "{name}: no status");
        assert!(stated(text, "Date").is_some_and(is_date), "{name}: no date");
        let sections: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(sections, ["Context", "Decision", "Rejected"], "{name}");
    }
}

#[test]
fn the_index_has_every_decision_with_its_title_and_date_and_no_other() {
    let row = |(at, (name, text)): (usize, &(String, String))| {
        let title = text.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a title");
        format!("| {} | [{title}]({name}) | {} |", at + 1, stated(text, "Date").expect("a date"))
    };
    let rows: BTreeSet<_> = decisions().iter().enumerate().map(row).collect();
    let index = fs::read_to_string(folder().join("README.md")).expect("an index");
    let shown = index.lines().filter(|line| line.contains(".md) |"));
    assert_eq!(shown.map(str::to_owned).collect::<BTreeSet<_>>(), rows);
}
