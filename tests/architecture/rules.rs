//! The rules: where a crate of others may be named, and which layer uses which.

use std::collections::BTreeSet;

use super::resolve::Use;

/// The places of a crate of others, by the beginning of a path.
const CRATES: [(&str, &[&str]); 18] = [
    ("actix_http", &["src/transport/"]),
    ("actix_server", &["src/transport/"]),
    ("actix_service", &["src/transport/"]),
    ("actix_web", &["src/http", "src/startup", "src/transport/", "src/cli"]),
    ("anyhow", &["src/main.rs", "src/cli", "src/startup", "src/config"]),
    ("clap", &["src/cli", "src/config", "src/telemetry/logging/"]),
    ("comfy_table", &["src/cli/output.rs"]),
    ("indicatif", &["src/cli/output.rs", "src/cli/stats/"]),
    ("jsonwebtoken", &["src/token/", "crates/core/src/token/"]),
    ("miniz_oxide", &["src/http/docs/swagger_ui.rs"]),
    ("quick_cache", &["crates/core/src/checker/valid_tokens.rs"]),
    ("rawzip", &["src/http/docs/swagger_ui.rs"]),
    ("redis", &["src/store/redis"]),
    ("rustix", &["src/main.rs", "src/transport/descriptors.rs"]),
    ("sse_stream", &["src/http/revocations.rs"]),
    (
        "tokio",
        &[
            "src/gateway",
            "src/http",
            "src/startup",
            "src/store/memory/memory_feed.rs",
            "src/store/redis",
            "src/telemetry/logging/request_id.rs",
            "src/transport/",
            "crates/core/src/checker",
            "crates/core/src/feed/denylist",
        ],
    ),
    ("utoipa", &["src/http", "src/view"]),
    ("utoipa_swagger_ui_vendored", &["src/http/docs/swagger_ui.rs"]),
];

/// The manifests of these crates say enough: their other files may use all that one file uses.
const BY_MANIFEST: [&str; 3] = ["crates/redis-link/", "crates/testkit/", "crates/verify/"];

/// The layers: a name, the beginning of the paths of its files, and the layers that these files may use.
/// A test compares the names with those in ARCHITECTURE.md.
pub const LAYERS: [(&str, &str, &[&str]); 24] = [
    ("main", "src/main.rs", &["cli"]),
    ("lib", "src/lib.rs", &[]),
    (
        "cli",
        "src/cli",
        &[
            "config",
            "startup",
            "transport",
            "view",
            "gateway",
            "store",
            "redis-store",
            "token",
            "telemetry",
            "core-token",
            "core-feed",
            "core",
            "shown-value",
        ],
    ),
    (
        "startup",
        "src/startup",
        &[
            "config",
            "http",
            "transport",
            "gateway",
            "store",
            "memory-store",
            "redis-store",
            "token",
            "telemetry",
            "core-checker",
            "core-feed",
            "core",
        ],
    ),
    (
        "config",
        "src/config",
        &[
            "gateway",
            "store",
            "redis-store",
            "redis-link",
            "token",
            "telemetry",
            "core-checker",
            "core-token",
            "core-feed",
            "copied-text",
            "shown-value",
        ],
    ),
    (
        "http",
        "src/http",
        &[
            "gateway",
            "view",
            "store",
            "token",
            "telemetry",
            "core-checker",
            "core-token",
            "core-feed",
            "core",
            "copied-text",
        ],
    ),
    (
        "gateway",
        "src/gateway",
        &["store", "token", "telemetry", "core-checker", "core-token", "core-feed", "core"],
    ),
    ("view", "src/view", &["store", "core"]),
    ("memory-store", "src/store/memory", &["store", "core-feed", "core"]),
    ("redis-store", "src/store/redis", &["store", "redis-link", "redis-feed", "core-feed", "core"]),
    ("store", "src/store", &["redis-link", "core-feed", "core"]),
    ("token", "src/token", &["core-checker", "core-token", "core"]),
    ("transport", "src/transport", &["telemetry"]),
    ("telemetry", "src/telemetry", &["core", "shown-value"]),
    (
        "verify",
        "crates/verify/",
        &["redis-feed", "redis-link", "core-checker", "core-token", "core-feed", "core"],
    ),
    ("redis-feed", "crates/redis-link/src/feed", &["redis-link", "core-feed", "core"]),
    ("redis-link", "crates/redis-link/", &["core"]),
    ("core-checker", "crates/core/src/checker", &["core-token", "core-feed", "core"]),
    ("core-token", "crates/core/src/token", &["core"]),
    ("core-feed", "crates/core/src/feed", &["core"]),
    ("core", "crates/core/", &[]),
    ("copied-text", "src/copied_text.rs", &[]),
    ("shown-value", "src/shown_value.rs", &[]),
    ("testkit", "crates/testkit/", &[]),
];

/// A message for each file that names a crate outside of its places.
pub fn misplaced(foreign: &BTreeSet<(&str, &str)>) -> Vec<String> {
    let ruled = |file: &str| !BY_MANIFEST.iter().any(|place| file.starts_with(place));
    let mut messages = Vec::new();
    for (name, places) in CRATES {
        let files = foreign.iter().filter(|(file, used)| *used == name && ruled(file));
        let outside = files.filter(|(file, _)| !places.iter().any(|place| file.starts_with(place)));
        messages.extend(outside.map(|(file, _)| format!("{file} names {name}, which belongs to {places:?}")));
    }
    messages
}

/// A message for each use against the arrows between layers.
pub fn against_the_arrows(uses: &BTreeSet<Use>) -> Vec<String> {
    let against = uses.iter().filter(|found| {
        let (from, uses) = layer(&found.from);
        let (to, _) = layer(&found.to);
        from != to && !uses.contains(&to)
    });
    let message = |found: &Use| format!("{found}: {} uses no {}", layer(&found.from).0, layer(&found.to).0);
    against.map(message).collect()
}

/// The layer of a file, by the longest beginning of its path, and the layers that it may use.
fn layer(file: &str) -> (&'static str, &'static [&'static str]) {
    let layers = LAYERS.iter().filter(|(_, place, _)| file.starts_with(place));
    let found = layers.max_by_key(|(_, place, _)| place.len());
    let (name, _, uses) = found.unwrap_or_else(|| panic!("{file} has no layer: give it one in LAYERS"));
    (name, uses)
}
