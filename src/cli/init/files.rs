//! Files readable for one user, and for nobody else.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

use anyhow::Result;

use crate::config::file_access::IMAGE_OWNER;

/// User and group.
pub type Owner = (u32, u32);

/// The stack's Redis runs as this user, `valkey` in its image.
const REDIS_OWNER: Owner = (999, 1000);

/// The reader of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The user who runs `init`.
    Caller,
    /// The stack's gateways.
    Gateway,
    /// The stack's Redis.
    Redis,
}

/// Creates a folder for its owner alone, unless the folder exists. Returns the user for the stack's gateways: not root,
/// because a container never runs as root.
pub fn create_folder(path: &Path) -> Result<Owner> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if is_root(path)? {
        give(path, IMAGE_OWNER)?;
    }
    let folder = fs::metadata(path)?;
    Ok((folder.uid(), folder.gid()))
}

/// Writes a new file. Root gives the file to its reader; other users cannot. Without root, Redis's own file gets mode
/// 644: it holds hashes and no password. Still only the owner of the folder can reach the file, and the container with
/// the file mounted.
pub fn write_new(path: &Path, reader: Reader, text: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    match (is_root(path)?, reader) {
        (true, Reader::Gateway) => give(path, IMAGE_OWNER)?,
        (true, Reader::Redis) => give(path, REDIS_OWNER)?,
        (false, Reader::Redis) => file.set_permissions(Permissions::from_mode(0o644))?,
        _ => {}
    }
    Ok(())
}

/// Whether root owns the file or folder.
fn is_root(path: &Path) -> Result<bool> {
    Ok(fs::metadata(path)?.uid() == 0)
}

fn give(path: &Path, (user, group): Owner) -> Result<()> {
    Ok(chown(path, Some(user), Some(group))?)
}
