//! The places of the files that `init` writes, and their names in the `.env`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::config::file_access::{KEYS_FOLDER, SECRETS_FOLDER};

const KEY_SET_FILE: &str = "signing.json";

pub struct Places {
    /// The `.env`, as it was named. All else lies in its folder.
    pub env: PathBuf,
}

impl Places {
    pub fn new(env: &Path) -> Self {
        Self { env: env.to_owned() }
    }

    pub fn keys(&self) -> PathBuf {
        self.env.with_file_name(KEYS_FOLDER)
    }

    pub fn key_set(&self) -> PathBuf {
        self.keys().join(KEY_SET_FILE)
    }

    pub fn secrets(&self) -> PathBuf {
        self.env.with_file_name(SECRETS_FOLDER)
    }

    pub fn secret(&self, name: &str) -> PathBuf {
        self.secrets().join(name)
    }

    /// The values of `SIGNING_KEYS`, `REFRESH_SECRET_FILE` and `SERVICE_KEYS_FILE`. They are found from everywhere, unless the
    /// `.env` lies in the working folder: there they are relative, so that a checkout can move.
    pub fn settings(&self) -> Result<[PathBuf; 3]> {
        let folder = self.folder()?;
        let is_working_folder = std::env::current_dir().is_ok_and(|working| working == folder);
        let below = if is_working_folder { Path::new("") } else { &folder };
        let [keys, secrets] = [KEYS_FOLDER, SECRETS_FOLDER].map(|name| below.join(name));
        Ok([keys.join(KEY_SET_FILE), secrets.join("refresh_secret"), secrets.join("service_keys")])
    }

    /// The `.env`, keys and secrets, from their root on.
    pub fn absolute(&self) -> Result<[PathBuf; 3]> {
        let (folder, env) = (self.folder()?, self.env.file_name().context("it names no file")?);
        Ok([folder.join(env), folder.join(KEYS_FOLDER), folder.join(SECRETS_FOLDER)])
    }

    /// The folder of the `.env`, from its root on and without links. It is there.
    fn folder(&self) -> Result<PathBuf> {
        let folder = self.env.parent().filter(|folder| !folder.as_os_str().is_empty());
        Ok(folder.unwrap_or(Path::new(".")).canonicalize()?)
    }
}
