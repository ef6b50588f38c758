//! The import rules of ARCHITECTURE.md, held by a test: arrows run one way.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a crate, or a module of ours, may be named: folders and files below `src`. For a crate in `crates` its name comes first:
/// `core/token/` is `crates/core/src/token/`.
const RULES: [(&str, &[&str]); 21] = [
    ("jsonwebtoken::", &["token/", "core/token/"]),
    ("redis::", &["store/redis", "redis-link/", "testkit/"]),
    ("deadpool_redis::", &["redis-link/"]),
    ("deadpool::", &["redis-link/"]),
    ("actix_web::", &["http", "startup", "cli", "verify/actix.rs"]),
    ("utoipa::", &["http", "view"]),
    ("utoipa_swagger_ui::", &["http/docs.rs"]),
    ("anyhow::", &["main.rs", "cli", "startup", "config"]),
    ("clap::", &["cli", "config", "telemetry/logging.rs"]),
    ("comfy_table::", &["cli/output.rs"]),
    ("indicatif::", &["cli/output.rs", "cli/stats/"]),
    (
        "tokio::",
        &[
            "gateway",
            "http",
            "startup",
            "store/memory.rs",
            "store/redis",
            "verify",
            "core/checker",
            "core/feed/denylist.rs",
            "redis-link/",
            "testkit/",
        ],
    ),
    ("quick_cache::", &["core/checker/valid_tokens.rs"]),
    ("reqwest::", &["verify/", "testkit/"]),
    ("sse_stream::", &["http/revocations.rs", "verify/feed.rs"]),
    ("token_gateway_redis_link::", &["store.rs", "store/redis", "config/store.rs"]),
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

/// Rust files of all crates, each by the name that a rule has for it.
fn named_sources() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![(String::new(), root.join("src"))];
    for entry in fs::read_dir(root.join("crates")).expect("a readable folder") {
        let entry = entry.expect("a readable entry");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        folders.push((name + "/", entry.path().join("src")));
    }
    let mut named = Vec::new();
    for (prefix, folder) in folders {
        let mut files = Vec::new();
        sources(&folder, &mut files);
        for file in files {
            let name = file.strip_prefix(&folder).expect("below it").to_string_lossy().into_owned();
            named.push((prefix.clone() + &name, file));
        }
    }
    named
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
    let files = named_sources();
    assert!(files.len() > 100, "the sources are found");
    for crate_file in ["core/session.rs", "store/memory.rs"] {
        assert!(files.iter().any(|(name, _)| name == crate_file), "{crate_file}");
    }
    for (name, file) in files {
        let code = code(&file);
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
