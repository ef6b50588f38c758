//! Files of secrets that every user of the machine can read.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::file_access::{own_user, shell_word};
use super::secrets::secret_files;
use super::signing_keys::KeySetSource;
use crate::shown_value;

/// Docker mounts its secrets here, for everybody in the container. Only the container sees them.
const CONTAINER_SECRETS: &str = "/run/secrets";

/// The read permission of everybody else, beside owner and group.
const OTHERS_READ: u32 = 0o004;

/// Warnings of files that hold a key or a secret, and are open to others. The key set is never one of Docker's secrets,
/// because `keys` writes it.
pub fn exposed_file_warnings(keys: &KeySetSource) -> Vec<String> {
    let key_set = match keys {
        KeySetSource::File(path) => warning("SIGNING_KEYS", path),
        KeySetSource::None | KeySetSource::Made(_) => None,
    };
    let secrets = secret_files().into_iter().filter(|(_, path)| !path.starts_with(CONTAINER_SECRETS));
    key_set.into_iter().chain(secrets.filter_map(|(name, path)| warning(&name, &path))).collect()
}

fn warning(setting: &str, path: &Path) -> Option<String> {
    let file = fs::metadata(path).ok()?;
    let mode = file.permissions().mode() & 0o7777;
    (mode & OTHERS_READ != 0).then(|| {
        let (place, remedy) = (shown_value::place(setting, path), remedy(path, file.uid()));
        format!("{place} has mode {mode:04o}, which lets every user of this machine read it; {remedy}")
    })
}

/// A file of somebody else is given to this process first, or it could not be read afterwards.
fn remedy(path: &Path, owner: u32) -> String {
    let close = format!("chmod 600 {}", shell_word(path));
    match own_user() {
        Some((user, group)) if user != owner && user != 0 => {
            format!("`sudo chown {user}:{group} {} && sudo {close}`", shell_word(path))
        }
        _ => format!("`{close}`"),
    }
}
