//! The import rules of ARCHITECTURE.md, held by a test: arrows run one way.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a crate, or a module of ours, may be named: folders and files below `src`.
const RULES: [(&str, &[&str]); 20] = [
    ("jsonwebtoken::", &["token/"]),
    ("redis::", &["store/redis"]),
    ("deadpool_redis::", &["store/redis"]),
    ("deadpool::", &["store/redis"]),
    ("actix_web::", &["http", "startup", "cli", "verify/actix.rs"]),
    ("utoipa::", &["http", "view.rs"]),
    ("utoipa_swagger_ui::", &["http/docs.rs"]),
    ("anyhow::", &["main.rs", "cli", "startup", "config"]),
    ("clap::", &["cli", "config", "telemetry/logging.rs"]),
    ("comfy_table::", &["cli/output.rs"]),
    ("indicatif::", &["cli/output.rs", "cli/stats/"]),
    (
        "tokio::",
        &["gateway", "http", "revocations.rs", "startup", "store/memory.rs", "store/redis", "verify"],
    ),
    ("quick_cache::", &["verify/seen.rs"]),
    ("reqwest::", &["verify/"]),
    ("sse_stream::", &["http/revocations.rs", "verify/feed.rs"]),
    (
        "crate::store::redis",
        &[
            "store/redis",
            "startup.rs",
            "config",
            "cli/check.rs",
            "cli/sessions/",
            "cli/stats",
            "verify/feed.rs",
        ],
    ),
    ("crate::http", &["http", "startup.rs"]),
    ("crate::gateway", &["gateway", "http", "startup.rs", "config.rs", "cli/"]),
    ("crate::startup", &["cli"]),
    ("crate::view", &["http", "cli"]),
];

/// Rust files below a folder.
pub fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The code of a file, without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("readable");
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Whether `code` names `path` itself, and not only something with the same end.
fn names(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        !before.is_alphanumeric() && before != '_' && before != ':'
    })
}

#[test]
fn each_crate_and_layer_is_named_only_where_it_belongs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 30, "the sources are found");
    for file in files {
        let (code, name) =
            (code(&file), file.strip_prefix(&root).expect("below src").to_string_lossy().into_owned());
        for (path, allowed) in RULES {
            let belongs = allowed.iter().any(|place| name.starts_with(place));
            assert!(belongs || !names(&code, path), "{name} names {path}, which belongs to {allowed:?}");
        }
    }
}

#[test]
fn main_stays_thin() {
    let main =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs")).expect("readable");
    assert!(main.lines().count() < 50);
}
