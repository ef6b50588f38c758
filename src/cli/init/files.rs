//! Files that one user may read, and nobody else.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

use anyhow::Result;

/// User and group.
pub type Owner = (u32, u32);

/// The stack's gateways run as this user when `init` is run by root: a container is never root.
const NOBODY_ELSE: Owner = (10001, 10001);

/// The stack's Redis runs as this user, `valkey` in its image.
const REDIS: Owner = (999, 1000);

/// The reader of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The user that runs `init`.
    Caller,
    /// The stack's gateways.
    Gateway,
    /// The stack's Redis.
    Redis,
}

/// Creates a folder that only its owner may enter, where there is none; returns the user that the stack's gateways run as.
pub fn create_folder(path: &Path) -> Result<Owner> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if is_root(path)? {
        give(path, NOBODY_ELSE)?;
    }
    let folder = fs::metadata(path)?;
    Ok((folder.uid(), folder.gid()))
}

/// Writes a file that is not there yet. Root gives it to its reader. Anybody else can't, so Redis's own file, which holds
/// hashes and no password, may then be read by whoever may enter the folder: its owner, and the container that it is
/// mounted into.
pub fn write_new(path: &Path, reader: Reader, text: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    match (is_root(path)?, reader) {
        (true, Reader::Gateway) => give(path, NOBODY_ELSE)?,
        (true, Reader::Redis) => give(path, REDIS)?,
        (false, Reader::Redis) => file.set_permissions(Permissions::from_mode(0o644))?,
        _ => {}
    }
    Ok(())
}

/// Whether what was just created is root's.
fn is_root(path: &Path) -> Result<bool> {
    Ok(fs::metadata(path)?.uid() == 0)
}

fn give(path: &Path, (user, group): Owner) -> Result<()> {
    Ok(chown(path, Some(user), Some(group))?)
}
