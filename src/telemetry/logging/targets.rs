//! The targets of log lines.

/// The target of access lines; `RUST_LOG=info,access=off` silences them.
pub const ACCESS_LOG_TARGET: &str = "access";

/// The target of the alarm of a theft. Its lines are the last to be dropped.
pub const THEFT_LOG_TARGET: &str = "token_gateway::gateway::theft";

/// The target of lines about the log itself. `RUST_LOG` does not silence them.
pub(super) const LOG_TARGET: &str = "token_gateway::telemetry::logging";

/// The targets of our lines. A test compares them with the sources.
const OUR_TARGETS: [&str; 25] = [
    ACCESS_LOG_TARGET,
    THEFT_LOG_TARGET,
    "token_gateway::cli::dev",
    "token_gateway::gateway::deadline",
    "token_gateway::gateway::issue",
    "token_gateway::gateway::refresh",
    "token_gateway::gateway::repair",
    "token_gateway::http::revocations::open_streams",
    "token_gateway::startup",
    "token_gateway::startup::connection_watch",
    "token_gateway::startup::key_watch",
    "token_gateway::startup::readiness_watch",
    LOG_TARGET,
    "token_gateway::telemetry::overloads",
    "token_gateway_core::checker",
    "token_gateway_core::feed::denylist::first_reading",
    "token_gateway_core::feed::denylist::fullness",
    "token_gateway_redis_link::cluster_keeper",
    "token_gateway_redis_link::error_replies",
    "token_gateway_redis_link::feed_reader::feed_log",
    "token_gateway_redis_link::keeper",
    "token_gateway_redis_link::link",
    "token_gateway_redis_link::link_health",
    "token_gateway_redis_link::links",
    "token_gateway_redis_link::sentinel",
];

/// The crates of others that may log, too.
const OTHER_CRATES: [&str; 15] = [
    "actix_codec",
    "actix_http",
    "actix_router",
    "actix_rt",
    "actix_server",
    "actix_service",
    "actix_utils",
    "actix_web",
    "mio",
    "redis",
    "rustls",
    "tokio",
    "tracing",
    "ureq",
    "ureq_proto",
];

/// Whether a line is of this crate, or of those beside it.
pub(super) fn is_ours(target: &str) -> bool {
    let name = target.split("::").next().unwrap_or_default();
    target == ACCESS_LOG_TARGET || name == "token_gateway" || name.starts_with("token_gateway_")
}

/// Whether lines can have this target, or one that begins with it.
pub(super) fn is_known(target: &str) -> bool {
    let name = target.split("::").next().unwrap_or_default();
    OUR_TARGETS.iter().any(|ours| ours.starts_with(target)) || OTHER_CRATES.contains(&name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// The files below a folder.
    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path());
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }

    /// The path of the module in a file.
    fn module(name: &str, folder: &Path, file: &Path) -> String {
        let path = file.strip_prefix(folder).expect("below it").with_extension("");
        let names = path.iter().filter_map(|part| part.to_str()).filter(|part| *part != "lib");
        std::iter::once(name).chain(names).collect::<Vec<_>>().join("::")
    }

    /// Whether a text logs under the path of its own module.
    fn logs(text: &str) -> bool {
        ["error", "warn", "info", "debug", "trace", "log"].iter().any(|level| {
            let name = format!("log::{level}!(");
            let mut calls = text.split(&name).skip(1);
            calls.any(|call| !call.trim_start().starts_with("target:"))
        })
    }

    #[test]
    fn our_targets_are_those_of_the_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let crates = ["src", "crates/core/src", "crates/redis-link/src"];
        let names = ["token_gateway", "token_gateway_core", "token_gateway_redis_link"];
        let mut found = BTreeSet::from([ACCESS_LOG_TARGET, THEFT_LOG_TARGET, LOG_TARGET].map(str::to_owned));
        for (folder, name) in crates.map(|folder| root.join(folder)).iter().zip(names) {
            let sources =
                files(folder).into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs"));
            let logging = sources.filter(|file| logs(&fs::read_to_string(file).expect("text")));
            found.extend(logging.map(|file| module(name, folder, &file)));
        }
        assert_eq!(found, OUR_TARGETS.map(str::to_owned).into());
    }

    #[test]
    fn each_crate_of_others_is_one_of_the_build() {
        let lock = include_str!("../../../Cargo.lock").replace('-', "_");
        for name in OTHER_CRATES {
            assert!(lock.contains(&format!("\nname = \"{name}\"\n")), "{name} is not in Cargo.lock");
        }
    }
}
