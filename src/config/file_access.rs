//! Files of settings that this process may not read: their owner, and the line that changes it.
//!
//! `init` run by root gives keys and secrets to the user of the container image. Others then cannot read them.

use std::fs::{self, Metadata};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::anyhow;

/// The user and the group of the image (`USER` in the Dockerfile). Root's `init` gives keys and secrets to them.
pub const IMAGE_OWNER: (u32, u32) = (10001, 10001);

/// The folders that `init` makes, beside the `.env`.
pub const KEYS_FOLDER: &str = "keys";
pub const SECRETS_FOLDER: &str = "secrets";

/// An error on this file, with what to do. A refused permission comes with its reason and a remedy of its own.
pub fn explained(path: &Path, error: Error, remedy_of_others: &str) -> anyhow::Error {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = path.ancestors().find_map(|place| Some((place, fs::metadata(place).ok()?)));
    match (error.kind(), found) {
        (ErrorKind::PermissionDenied, Some((place, found))) => {
            anyhow!("{error}; {}; {}", state(place, &found), remedy(&path, place, &found))
        }
        _ => anyhow!("{error}; {remedy_of_others}"),
    }
}

/// A word for a shell. It needs no quotes if it holds only characters without a meaning there.
pub fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+@%:,=".contains(&b);
    if text.bytes().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn state(place: &Path, found: &Metadata) -> String {
    let (owner, mode) = (found.uid(), found.permissions().mode() & 0o7777);
    let reader = own_user().map(|(user, _)| format!(", and this process runs as user {user}"));
    format!("{} belongs to user {owner} with mode {mode:04o}{}", place.display(), reader.unwrap_or_default())
}

fn remedy(path: &Path, place: &Path, found: &Metadata) -> String {
    let is_own = own_user().is_some_and(|(user, _)| user == found.uid());
    if is_own {
        let bits = if found.is_dir() { "u+rwx" } else { "u+rw" };
        return format!("change that: chmod {bits} {}", shell_word(place));
    }
    let owner = own_user().map_or("USER".to_owned(), |(user, group)| format!("{user}:{group}"));
    // A folder further up may hold more than the files of `init`.
    let is_near = place == path || path.parent() == Some(place);
    if found.uid() == IMAGE_OWNER.0 && is_near {
        return format!(
            "the container image runs as that user, so root's `token-gateway init` gives keys and secrets to it; to run as \
             this user instead: sudo chown -R {owner} {}",
            given_away(place)
        );
    }
    if place == path {
        return format!("run as its owner, or give it to this user: sudo chown {owner} {}", shell_word(path));
    }
    "run as its owner, or name a file in a folder that this user can enter".to_owned()
}

/// Both folders of `init`, where this is one of them: a process that may not read one lacks the other, too.
fn given_away(place: &Path) -> String {
    let folder = place.parent().unwrap_or(place);
    let both = [KEYS_FOLDER, SECRETS_FOLDER].map(|name| folder.join(name));
    let is_given = |folder: &&PathBuf| fs::metadata(folder).is_ok_and(|it| it.uid() == IMAGE_OWNER.0);
    if !both.iter().any(|folder| folder == place) {
        return shell_word(place);
    }
    both.iter().filter(is_given).map(|folder| shell_word(folder)).collect::<Vec<_>>().join(" ")
}

/// The user and the group of this process; `None` where `/proc` is not mounted.
fn own_user() -> Option<(u32, u32)> {
    fs::metadata("/proc/self").ok().map(|own| (own.uid(), own.gid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_shell_is_quoted_where_it_must_be() {
        for (path, expected) in [
            ("/etc/tg/keys", "/etc/tg/keys"),
            ("/a b/$HOME", "'/a b/$HOME'"),
            ("/it's", r"'/it'\''s'"),
            ("/~", "'/~'"),
        ] {
            assert_eq!(shell_word(Path::new(path)), expected);
        }
    }
}
