//! Files readable for one user, and for nobody else.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{Result, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::config::file_access::{IMAGE_OWNER, own_user};

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

/// The files and folders of one run. They are removed again, unless the run comes to its end.
pub struct Written {
    /// The user of the stack's gateways.
    owner: Owner,
    paths: Vec<PathBuf>,
}

impl Written {
    /// Root gives the files for the gateways to the owner of the first folder that is there, else to the user of the
    /// image: a container never runs as root. Other users keep them.
    pub fn new(folders: [&Path; 2]) -> Self {
        let found = folders.iter().filter_map(|folder| fs::metadata(folder).ok());
        let others = found.map(|it| (it.uid(), it.gid())).find(|(user, _)| *user != 0);
        let own = own_user().filter(|(user, _)| *user != 0);
        Self { owner: own.or(others).unwrap_or(IMAGE_OWNER), paths: Vec::new() }
    }

    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// Creates the folder of the `.env`, and those above it, unless they exist. Everybody may enter them.
    pub fn open_folder(&mut self, path: &Path) -> Result<()> {
        let missing: Vec<_> =
            path.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists()).collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(folder)?;
            self.paths.push(folder.to_owned());
        }
        Ok(())
    }

    /// Creates a folder for the gateways alone, unless the folder exists.
    pub fn closed_folder(&mut self, path: &Path) -> Result<()> {
        if !path.is_dir() {
            DirBuilder::new().mode(0o700).create(path)?;
            self.paths.push(path.to_owned());
        }
        if is_root(path)? { give(path, self.owner) } else { Ok(()) }
    }

    /// Writes a new file. Root gives the file to its reader; other users cannot. Without root, Redis's own file gets mode
    /// 644: it holds hashes and no password. Still only the owner of the folder can reach the file, and the container with
    /// the file mounted.
    pub fn file(&mut self, path: &Path, reader: Reader, text: &str) -> Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        self.paths.push(path.to_owned());
        file.write_all(text.as_bytes())?;
        match (is_root(path)?, reader) {
            (true, Reader::Gateway) => give(path, self.owner)?,
            (true, Reader::Redis) => give(path, REDIS_OWNER)?,
            (false, Reader::Redis) => file.set_permissions(Permissions::from_mode(0o644))?,
            _ => {}
        }
        Ok(())
    }

    /// The run is complete.
    pub fn keep(mut self) {
        self.paths.clear();
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        for path in self.paths.iter().rev() {
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
    }
}

/// Whether root owns the file or folder.
fn is_root(path: &Path) -> Result<bool> {
    Ok(fs::metadata(path)?.uid() == 0)
}

fn give(path: &Path, (user, group): Owner) -> Result<()> {
    chown(path, Some(user), Some(group))
}
