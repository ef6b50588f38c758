//! docker-compose.yml as Docker Compose resolves it, in a folder after `token-gateway init`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;
use token_gateway_testkit::gateway::ISSUER;

use super::repository;
use crate::interop::foreign;

/// A checkout, and its resolved configuration, services of every profile included.
pub struct Resolved {
    pub checkout: Checkout,
    pub config: Value,
}

pub static RESOLVED: LazyLock<Resolved> = LazyLock::new(|| {
    let checkout = Checkout::new();
    let output = checkout.compose().args(["--profile", "*", "config"]).output().expect("the client runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let config = yaml_serde::from_slice(&output.stdout).expect("YAML");
    Resolved { checkout, config }
});

/// A folder with docker-compose.yml and all files of `init`.
pub struct Checkout(TempDir);

impl Checkout {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::copy(repository("docker-compose.yml"), dir.path().join("docker-compose.yml"))
            .expect("a copy");
        let mut init = Command::new(env!("CARGO_BIN_EXE_token-gateway"));
        init.env_clear().args(["init", "--issuer", ISSUER]).current_dir(dir.path());
        let output = init.output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self(dir)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Puts other text into a file, and keeps its owner.
    pub fn rewrite(&self, name: &str, change: impl Fn(&str) -> String) {
        let changed = change(&self.text(name));
        std::fs::write(self.path(name), changed).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Docker Compose in this folder, with nothing of our own environment but the paths of programs.
    pub fn compose(&self) -> Command {
        compose(self.0.path())
    }

    /// The place of a container's file: here if `init` has made it, else in the repository.
    pub fn place(&self, service: &str, path: &str) -> PathBuf {
        let service = &RESOLVED.config["services"][service];
        let root = RESOLVED.checkout.0.path().canonicalize().expect("a folder");
        let secret = items(&service["secrets"]).find(|secret| secret["target"] == path).map(|secret| {
            let source = secret["source"].as_str().expect("a name");
            text_of(&RESOLVED.config["secrets"][source]["file"]).into()
        });
        let bound = || {
            items(&service["volumes"]).filter(|volume| volume["type"] == "bind").find_map(|volume| {
                let rest = Path::new(path).strip_prefix(text_of(&volume["target"])).ok()?;
                Some(Path::new(text_of(&volume["source"])).join(rest))
            })
        };
        let file: PathBuf = secret.or_else(bound).unwrap_or_else(|| panic!("{path} is nowhere"));
        let inside = file.strip_prefix(&root).expect("in the checkout");
        let made = self.0.path().join(inside);
        if made.exists() { made } else { repository("").join(inside) }
    }

    /// The environment of a service, with the files of this checkout in place of the container's.
    pub fn environment(&self, service: &str) -> Vec<(String, String)> {
        let environment =
            RESOLVED.config["services"][service]["environment"].as_object().expect("an environment");
        let is_path = |value: &str| value.starts_with('/');
        let pairs = environment.iter().map(|(name, value)| (name.clone(), text_of(value).to_owned()));
        pairs
            .map(|(name, value)| {
                let value = if is_path(&value) {
                    self.place(service, &value).to_str().expect("text").to_owned()
                } else {
                    value
                };
                (name, value)
            })
            .collect()
    }
}

/// Docker Compose in a folder.
pub fn compose(folder: &Path) -> Command {
    let mut command = foreign::compose();
    command.env_clear().envs(["PATH", "HOME"].map(|name| (name, std::env::var(name).unwrap_or_default())));
    command.current_dir(folder);
    command
}

pub fn service(name: &str) -> &'static Value {
    &RESOLVED.config["services"][name]
}

pub fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

pub fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

pub fn texts(list: &Value) -> Vec<&str> {
    items(list).map(text_of).collect()
}
