//! A key set file in a folder of its own, and the real command for its changes.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::gateway::Binary;

pub struct Keys {
    binary: Binary,
    _dir: TempDir,
    path: PathBuf,
}

impl Keys {
    /// No file yet.
    pub fn none(binary: Binary) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("keys.json");
        Self { binary, _dir: dir, path }
    }

    /// With this text.
    pub fn with(binary: Binary, text: &str) -> Self {
        let keys = Self::none(binary);
        keys.write(text);
        keys
    }

    pub fn path(&self) -> &str {
        self.path.to_str().expect("a path of text")
    }

    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.path).expect("it is there")
    }

    /// As an editor does it: another file takes its place. Nobody else reads it.
    pub fn write(&self, text: &str) {
        let fresh = self.path.with_extension("tmp");
        std::fs::write(&fresh, text).expect("it can be written");
        std::fs::set_permissions(&fresh, Permissions::from_mode(0o600)).expect("its owner may");
        std::fs::rename(&fresh, &self.path).expect("it can be renamed");
    }

    /// `token-gateway keys <args>`, with a cache time short enough for tests.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.binary.0);
        command.env_clear().arg("keys").args(args).env("SIGNING_KEYS", &self.path);
        command.env("JWKS_MAX_AGE_SECONDS", "1");
        command
    }

    /// The output of such a command at success.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> String {
        let output = self.command(args).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    pub fn folder(&self) -> &Path {
        self.path.parent().expect("a folder")
    }
}
