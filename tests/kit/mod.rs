//! The kit of contributors and owners: workflows, recipes of `just`, releases, the changelog, the oldest Rust, and the
//! blanks. Nothing here can run a workflow, so programs by others check its form.

mod blanks;
mod changelog;
mod dependencies;
mod just;
mod oldest_rust;
mod release;
mod rings;
mod workflows;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// The version of this package, and of its crates.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The text before each missing value. In one piece, the words here would be in the list.
const MARK: &str = concat!("BLANK", ": ");

/// The end of a program, and all its output.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    text: String,
}

fn run(command: &mut Command) -> Ended {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    Ended { code: output.status.code(), text: String::from_utf8(text).expect("text") }
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text_of(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml_of(path: &str) -> Value {
    yaml_serde::from_str(&text_of(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A program without our environment: no token and no setting gets in.
fn clean(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    let kept = ["PATH", "HOME"].map(|name| (name, std::env::var_os(name).unwrap_or_default()));
    command.env_clear().envs(kept).current_dir(repository(""));
    command
}

/// The files that belong to the repository, also new ones.
fn files() -> Vec<String> {
    let listed = run(clean("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]));
    assert_eq!(listed.code, Some(0), "{}", listed.text);
    listed.text.lines().filter(|name| repository(name).is_file()).map(str::to_owned).collect()
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn as_text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// A repository of its own, with some scripts of ours.
struct Sandbox(TempDir);

impl Sandbox {
    fn with(scripts: &[&str]) -> Self {
        let sandbox = Self(tempfile::tempdir().expect("a folder"));
        for script in scripts {
            sandbox.write(script, &text_of(script));
            sandbox.allow_to_run(script);
        }
        let made = run(clean("git").args(["init", "--quiet"]).current_dir(sandbox.0.path()));
        assert_eq!(made.code, Some(0), "{}", made.text);
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("it can be written");
    }

    fn allow_to_run(&self, name: &str) {
        let rights = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.path(name), rights).expect("it can be changed");
    }

    /// A program that takes the place of the real one for `run`.
    fn imitate(&self, program: &str, script: &str) {
        let name = format!("bin/{program}");
        self.write(&name, &format!("#!/bin/sh\n{script}\n"));
        self.allow_to_run(&name);
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Ended {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = clean(self.path(script));
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        run(command.args(arguments).current_dir(self.0.path()))
    }
}
