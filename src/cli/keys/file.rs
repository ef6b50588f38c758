//! Changes of the key set file: one at a time, whole or not at all.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use anyhow::{Context, Result};

use crate::config::file_access::explained;
use crate::config::{place, read_key_set};
use crate::token::key_set::KeySet;

/// For a file that cannot be made.
const REMEDY: &str = "name a file in a folder that can be written";

/// Reads the set, or begins a new one, and writes it back changed. The new file replaces the old one in one step, so a
/// node reads either of them. A lock on the folder keeps two changes apart.
pub fn change<T>(path: &Path, by: impl FnOnce(&mut KeySet) -> Result<T>) -> Result<T> {
    let name = place("SIGNING_KEYS", path);
    let place = || name.clone();
    // A symbolic link stays, and the file behind it changes.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let refused = |error| explained(path, error, REMEDY);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder(path))
        .map_err(refused)
        .with_context(place)?;
    let lock = File::open(folder(path)).map_err(refused).with_context(place)?;
    lock.lock().with_context(place)?;
    let (mut set, former) = match fs::metadata(path) {
        Ok(file) => (read_key_set(path)?, Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => (KeySet::default(), None),
        Err(error) => return Err(refused(error)).with_context(place),
    };
    let result = by(&mut set)?;
    replace(path, former.as_ref(), &set.to_text()).with_context(place)?;
    Ok(result)
}

/// Writes beside the file, then renames: every reader opens a complete file, even after a power cut. The readers of the
/// former file can read the new one, because nodes seldom run as the user who makes the change. A first file belongs to
/// the owner of its folder, and nobody else can read it.
fn replace(path: &Path, former: Option<&Metadata>, text: &str) -> Result<()> {
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)
        .map_err(|error| explained(&fresh, error, REMEDY))?;
    file.write_all(text.as_bytes())?;
    let folder = folder(path);
    let (own, around) = (file.metadata()?.uid(), fs::metadata(folder)?);
    let owner = former.unwrap_or(&around);
    if former.is_some() || own != owner.uid() {
        fchown(&file, Some(owner.uid()), Some(owner.gid())).context("its owner cannot be kept")?;
    }
    if let Some(former) = former {
        file.set_permissions(former.permissions())?;
    }
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    Ok(File::open(folder)?.sync_all()?)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
