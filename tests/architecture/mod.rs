//! The import rules of ARCHITECTURE.md, held by a test: arrows run one way, and no files use each other in a circle. No
//! struct that prints itself holds a secret in plain.

mod circles;
mod planted;
mod printed_structs;
mod read;
mod resolve;
mod rules;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use self::circles::circles;
use self::resolve::Modules;
use self::rules::{LAYERS, against_the_arrows, misplaced};
use crate::sources::sources;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The crates of the workspace, by the names that code has for them, and their root files.
fn crates() -> Vec<(String, String)> {
    let own = [("token_gateway", "src/lib.rs"), ("main", "src/main.rs")];
    let mut crates = own.map(|(name, file)| (name.to_owned(), file.to_owned())).to_vec();
    for entry in fs::read_dir(root().join("crates")).expect("a readable folder") {
        let folder = entry.expect("a readable entry").file_name().into_string().expect("a name in UTF-8");
        let name = format!("token_gateway_{}", folder.replace('-', "_"));
        crates.push((name, format!("crates/{folder}/src/lib.rs")));
    }
    crates
}

/// The same of the benchmarks, which have no layers.
fn benches() -> Vec<(String, String)> {
    let benches = ["refresh", "verify"];
    benches.map(|name| (format!("bench_{name}"), format!("benches/{name}/main.rs"))).to_vec()
}

static MODULES: LazyLock<Modules> = LazyLock::new(|| Modules::read(root(), &crates()));

#[test]
fn every_file_is_read() {
    let mut files = Vec::new();
    for (_, file) in crates() {
        sources(root().join(file).parent().expect("a file is in a folder"), &mut files);
    }
    let below_root = |file: &Path| file.strip_prefix(root()).expect("below it").display().to_string();
    let files: BTreeSet<String> = files.iter().map(|file| below_root(file)).collect();
    assert_eq!(MODULES.files(), files.iter().map(String::as_str).collect());
}

#[test]
fn each_crate_is_named_only_where_it_belongs() {
    let messages = misplaced(&MODULES.foreign());
    assert!(messages.is_empty(), "{}", messages.join("\n"));
}

#[test]
fn arrows_between_layers_run_one_way() {
    let messages = against_the_arrows(&MODULES.uses());
    assert!(messages.is_empty(), "{}", messages.join("\n"));
}

#[test]
fn the_page_has_the_layers_and_their_arrows() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("readable");
    let (_, section) = page.split_once("\n## Layers\n").expect("a section on layers");
    let block = section.split("```").nth(1).expect("a block");
    let mut shown = Vec::new();
    for line in block.lines().skip(1) {
        shown.push(line.split_whitespace().filter(|name| *name != "-").collect::<Vec<_>>());
    }
    let ruled = LAYERS.map(|(name, _, uses)| [&[name], uses].concat());
    assert_eq!(shown, ruled);
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let modules = Modules::read(root(), &[crates(), benches()].concat());
    let text: Vec<String> = circles(&modules.uses()).iter().map(|circle| circle.join("\n")).collect();
    assert!(text.is_empty(), "circles:\n{}", text.join("\n\n"));
}

#[test]
fn main_stays_thin() {
    let main = fs::read_to_string(root().join("src/main.rs")).expect("readable");
    assert!(main.lines().count() < 50);
}
