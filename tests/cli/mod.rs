//! Commands and settings.

mod check;
mod dev;
mod healthcheck;
pub mod help;
mod init;
mod refusals;
mod secrets;
mod service_key;
mod settings;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::wait_for;

/// How a command ended, and what it said.
#[derive(Debug)]
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs a command to its end; fails where it goes on running.
fn run(command: &mut Command) -> Ended {
    let (out, err) = (tempfile::NamedTempFile::new().unwrap(), tempfile::NamedTempFile::new().unwrap());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out.reopen().unwrap())
        .stderr(err.reopen().unwrap())
        .spawn()
        .expect("it starts");
    let mut limit = 1_000;
    let status = wait_for("the command ends", Duration::from_secs(20), || {
        limit -= 1;
        if limit == 0 {
            child.kill().expect("it can be killed");
        }
        child.try_wait().expect("it can be asked")
    });
    let read = |path| std::fs::read_to_string(path).expect("text");
    let code = status.code().unwrap_or_else(|| panic!("it went on: {}", read(err.path())));
    Ended { code, stdout: read(out.path()), stderr: read(err.path()) }
}

/// The binary with nothing but arguments: no setting at all.
fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_token-gateway"));
    command.env_clear().args(args);
    command
}

/// A file with this content, and the folder that holds it until it is dropped.
fn file(content: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("secret");
    std::fs::write(&path, content).expect("it can be written");
    (dir, path)
}
