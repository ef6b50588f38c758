//! Changing the key set file: one change at a time, whole or not at all.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
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
    let (mut set, former) = match fs::metadata(path) {
        Ok(file) => (read_key_set(path)?, Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => (KeySet::default(), None),
        Err(error) => return Err(error).with_context(place),
    };
    let result = by(&mut set)?;
    replace(path, former.as_ref(), &set.to_text()).with_context(place)?;
    Ok(result)
}

/// Writes beside the file, then renames: what a reader opens is complete, and survives a power cut. Whoever could read
/// the former file can read this one: nodes seldom run as whoever changes it.
fn replace(path: &Path, former: Option<&Metadata>, text: &str) -> Result<()> {
    let fresh = beside(path, "new");
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    if let Some(former) = former {
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (former.uid(), former.gid()) {
            fchown(&file, Some(former.uid()), Some(former.gid())).context("its owner cannot be kept")?;
        }
        file.set_permissions(former.permissions())?;
    }
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
