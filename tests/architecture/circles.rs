//! Files that use each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::resolve::Use;

/// The uses in each circle, in words: those between files that all reach each other.
pub fn circles(uses: &BTreeSet<Use>) -> Vec<Vec<String>> {
    let reached = reached(uses);
    let together = |one: &str, other: &str| reached[one].contains(other) && reached[other].contains(one);
    let mut circles: BTreeMap<BTreeSet<&str>, Vec<String>> = BTreeMap::new();
    for found in uses.iter().filter(|found| together(&found.from, &found.to)) {
        let files = reached[found.from.as_str()].iter().filter(|file| together(file, &found.from));
        circles.entry(files.copied().collect()).or_default().push(found.to_string());
    }
    circles.into_values().collect()
}

/// The files that each file reaches, over any number of uses.
fn reached(uses: &BTreeSet<Use>) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for found in uses {
        next.entry(&found.from).or_default().insert(&found.to);
        next.entry(&found.to).or_default();
    }
    next.keys().map(|file| (*file, reached_from(&next, file))).collect()
}

fn reached_from<'a>(next: &BTreeMap<&'a str, BTreeSet<&'a str>>, file: &'a str) -> BTreeSet<&'a str> {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![file]);
    while let Some(file) = waiting.pop() {
        waiting.extend(next[file].iter().filter(|other| seen.insert(**other)));
    }
    seen
}
