//! The data that a redis-server has synced to its disk, by its own record: a power cut may take the rest.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

pub struct Disk(TempDir);

impl Disk {
    /// Builds the library to load into the server. A C compiler is there: a dependency of the gateway wants one.
    pub fn make() -> Self {
        let disk = Self(tempfile::tempdir().expect("a temporary folder"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/synced.c");
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(disk.library()).arg(source).status();
        assert!(built.expect("cc runs").success());
        disk
    }

    /// Makes a server record its syncs.
    pub fn watch(&self, server: &mut Command) {
        server.env("LD_PRELOAD", self.library()).env("SYNCED", self.record());
    }

    /// How much of a file has reached the disk.
    pub fn synced(&self, file: &Path) -> u64 {
        let number = file.metadata().expect("a file").ino().to_string();
        let record = std::fs::read_to_string(self.record()).expect("something was synced");
        let mut lengths =
            record.lines().filter_map(|line| line.split_once(' ')).filter(|(of, _)| *of == number);
        lengths.next_back().map_or(0, |(_, length)| length.parse().expect("a length"))
    }

    fn library(&self) -> PathBuf {
        self.0.path().join("synced.so")
    }

    fn record(&self) -> PathBuf {
        self.0.path().join("synced")
    }
}
