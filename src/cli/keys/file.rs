//! Changing the key set file: one change at a time, whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::config::read_key_set;
use crate::token::key_set::KeySet;

/// Of a new file: it holds private keys.
const MODE: u32 = 0o600;

/// Reads the set, or begins one, and writes it back changed. The new file takes the old one's place in one step, so
/// that a node reads either; a lock beside it keeps two changes apart.
pub fn change<T>(path: &Path, by: impl FnOnce(&mut KeySet) -> Result<T>) -> Result<T> {
    let place = || format!("SIGNING_KEYS: {}", path.display());
    let lock =
        OpenOptions::new().write(true).create(true).truncate(false).mode(MODE).open(beside(path, "lock"));
    let lock = lock.with_context(place)?;
    lock.lock().with_context(place)?;
    let (mut set, mode) = match fs::metadata(path) {
        Ok(file) => (read_key_set(path)?, file.permissions().mode()),
        Err(error) if error.kind() == ErrorKind::NotFound => (KeySet::default(), MODE),
        Err(error) => return Err(error).with_context(place),
    };
    let result = by(&mut set)?;
    replace(path, mode, &set.to_text()).with_context(place)?;
    Ok(result)
}

/// Writes beside the file, then renames: what a reader opens is complete, and survives a power cut.
pub fn replace(path: &Path, mode: u32, text: &str) -> Result<()> {
    let fresh = beside(path, "new");
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode & 0o777).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(File::open(folder)?.sync_all()?)
}

/// `.<name>.<suffix>` in the same folder.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{suffix}"))
}
