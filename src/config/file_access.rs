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

/// The secrets of `init` for the gateway. The one besides them is Redis's own.
const GATEWAY_SECRETS: [&str; 4] = ["refresh_secret", "service_keys", "redis_url", "redis_operator_url"];

/// An error on this file, with what to do. A refused permission comes with its reason and a remedy of its own, and a
/// relative path that leads nowhere with the folder at which it begins.
pub fn explained(path: &Path, error: Error, remedy_of_others: &str) -> anyhow::Error {
    let working =
        std::env::current_dir().ok().filter(|_| path.is_relative() && error.kind() == ErrorKind::NotFound);
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = path.ancestors().find_map(|place| Some((place, fs::metadata(place).ok()?)));
    match (error.kind(), found) {
        (ErrorKind::PermissionDenied, Some((place, found))) => {
            anyhow!("{error}; {}; {}", state(place, &found), remedy(&path, place, &found))
        }
        _ => match working {
            Some(folder) => anyhow!(
                "{error}; a relative path begins at the working folder, {}; {remedy_of_others}",
                folder.display()
            ),
            None => anyhow!("{error}; {remedy_of_others}"),
        },
    }
}

/// The line that gives the files of `init` to a user: those of the gateway, and no other.
pub fn give_line(user: &str, env: Option<&Path>, keys: Option<&Path>, secrets: Option<&Path>) -> String {
    let files = secrets.iter().flat_map(|folder| GATEWAY_SECRETS.map(|name| folder.join(name)));
    let given: Vec<_> = env.into_iter().chain(keys).map(Path::to_owned).chain(files).collect();
    let given: Vec<_> = given.iter().map(|path| shell_word(path)).collect();
    let entered = secrets.map(|folder| format!(" && sudo chown {user} {}", shell_word(folder)));
    format!("sudo chown -R {user} {}{}", given.join(" "), entered.unwrap_or_default())
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
        return format!("change that: `chmod {bits} {}`", shell_word(place));
    }
    let owner = own_user().map_or("USER".to_owned(), |(user, group)| format!("{user}:{group}"));
    // A folder further up may hold more than the files of `init`.
    let folder = if found.is_dir() { Some(place) } else { place.parent() };
    let is_near = folder == path.parent() || place == path;
    if let Some(folder) =
        folder.filter(|_| found.uid() == IMAGE_OWNER.0 && is_near).filter(|it| is_of_init(it))
    {
        return format!(
            "the container image runs as that user, so root's `token-gateway init` gives keys and secrets to it; to run as \
             this user instead, with GATEWAY_USER={owner} in the .env of the stack: `{}`",
            given_away(folder, &owner)
        );
    }
    if place == path {
        return format!(
            "run as its owner, or give it to this user: `sudo chown {owner} {}`",
            shell_word(path)
        );
    }
    "run as its owner, or name a file in a folder that this user can enter and change".to_owned()
}

/// Whether a folder has the name of one that `init` makes.
fn is_of_init(folder: &Path) -> bool {
    [KEYS_FOLDER, SECRETS_FOLDER].iter().any(|name| folder.ends_with(name))
}

/// The line for both folders of `init`: a process that may not read one lacks the other, too.
fn given_away(folder: &Path, owner: &str) -> String {
    let is_given = |folder: &PathBuf| fs::metadata(folder).is_ok_and(|it| it.uid() == IMAGE_OWNER.0);
    let [keys, secrets] = [KEYS_FOLDER, SECRETS_FOLDER].map(|name| folder.with_file_name(name));
    give_line(
        owner,
        None,
        Some(&keys).filter(|it| is_given(it)).map(PathBuf::as_path),
        Some(&secrets).filter(|it| is_given(it)).map(PathBuf::as_path),
    )
}

/// The user and the group of this process; `None` where `/proc` is not mounted.
pub fn own_user() -> Option<(u32, u32)> {
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
