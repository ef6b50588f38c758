//! Files of keys and secrets that other users of the machine can read or change.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::file_access::{own_user, shell_word};
use super::secrets::secret_files;
use crate::shown_value;

/// Docker mounts its secrets here, for everybody in the container. Only the container sees them.
const CONTAINER_SECRETS: &str = "/run/secrets";

const GROUP_WRITE: u32 = 0o020;

/// The permissions of everybody else, beside owner and group.
const OTHERS_READ: u32 = 0o004;
const OTHERS_WRITE: u32 = 0o002;

/// A file that holds a key or a secret.
#[derive(Debug, Clone)]
pub(super) struct SecretFile {
    /// The setting that names it.
    setting: String,
    path: PathBuf,
    may_be_of_container: bool,
}

impl SecretFile {
    /// Its mode is the operator's choice wherever it is.
    pub fn of_operator(setting: &str, path: impl Into<PathBuf>) -> Self {
        Self { setting: setting.to_owned(), path: path.into(), may_be_of_container: false }
    }

    /// It may be a secret of a container, which chooses its mode.
    pub fn mounted(setting: &str, path: impl Into<PathBuf>) -> Self {
        Self { may_be_of_container: true, ..Self::of_operator(setting, path) }
    }

    fn warning(&self) -> Option<String> {
        let is_of_container = self.may_be_of_container && is_of_container(&self.path);
        if is_of_container { None } else { warning(&self.setting, &self.path) }
    }
}

/// The files that hold keys or secrets.
#[derive(Debug, Clone)]
pub struct SecretFiles(Vec<SecretFile>);

impl SecretFiles {
    /// The files of secret settings, and these of flags.
    pub(super) fn with(of_flags: [Option<SecretFile>; 2]) -> Self {
        let secrets = secret_files().into_iter().map(|(name, path)| SecretFile::mounted(&name, path));
        Self(of_flags.into_iter().flatten().chain(secrets).collect())
    }

    /// A warning of each file that is open to others, with the remedy.
    pub fn warnings(&self) -> Vec<String> {
        self.0.iter().filter_map(SecretFile::warning).collect()
    }
}

fn is_of_container(path: &Path) -> bool {
    path.canonicalize().is_ok_and(|path| path.starts_with(CONTAINER_SECRETS))
}

fn warning(setting: &str, path: &Path) -> Option<String> {
    let file = fs::metadata(path).ok()?;
    let mode = file.permissions().mode() & 0o7777;
    let danger = danger(mode, file.gid())?;
    let (place, remedy) = (shown_value::place(setting, path), remedy(path, mode, file.uid()));
    Some(format!("{place} has mode {mode:04o}, which lets {danger}; {remedy}"))
}

/// A group may read: the process may be one of its users.
fn danger(mode: u32, group: u32) -> Option<String> {
    let by_others = match mode & (OTHERS_READ | OTHERS_WRITE) {
        0 => None,
        OTHERS_READ => Some("every user of this machine read it"),
        OTHERS_WRITE => Some("every user of this machine change it"),
        _ => Some("every user of this machine read and change it"),
    };
    let is_of_group = mode & (GROUP_WRITE | OTHERS_WRITE) == GROUP_WRITE;
    let by_group = is_of_group.then(|| format!("every user of group {group} change it"));
    let all: Vec<_> = by_others.map(str::to_owned).into_iter().chain(by_group).collect();
    (!all.is_empty()).then(|| all.join(", and "))
}

/// A file of somebody else is given to this process first where everybody reads it, or it could not be read afterwards.
fn remedy(path: &Path, mode: u32, owner: u32) -> String {
    let path = shell_word(path);
    let foreign = own_user().filter(|(user, _)| *user != owner && *user != 0);
    match (foreign, mode & (OTHERS_READ | OTHERS_WRITE)) {
        (None, 0) => format!("`chmod {:o} {path}`", without_group_write(mode)),
        (None, _) => format!("`chmod 600 {path}`"),
        (Some(_), 0) => format!("`sudo chmod {:o} {path}`", without_group_write(mode)),
        (Some((user, group)), _) => format!("`sudo chown {user}:{group} {path} && sudo chmod 600 {path}`"),
    }
}

fn without_group_write(mode: u32) -> u32 {
    mode & 0o640 | 0o400
}
