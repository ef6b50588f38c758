//! The words about files that root has given to another user.

use anyhow::Result;

use super::files::Owner;
use super::places::Places;
use crate::config::file_access::{IMAGE_OWNER, give_line};

/// The owner of the files that root has given away, the reason, and the line that changes it. `sudo` says who ran it.
pub fn given_away(places: &Places, owner: Owner) -> Result<String> {
    let [env, keys, secrets] = places.absolute()?;
    let reason = if owner == IMAGE_OWNER {
        "the container image runs as that user"
    } else {
        "a folder of keys or secrets belongs to that user already"
    };
    let id = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    let user = id("SUDO_UID").zip(id("SUDO_GID")).map(|(user, group)| format!("{user}:{group}"));
    let whose = if user.is_some() { "" } else { ", USER:GROUP being the ids of that user" };
    let user = user.unwrap_or_else(|| "USER:GROUP".to_owned());
    let line = give_line(&user, Some(&env), Some(&keys), Some(&secrets));
    Ok(format!(
        "keys and secrets belong to user {} and are closed to all others (mode 0600), because {reason}\nto run \
         `token-gateway serve` by hand instead, as a user of your own, give them to that user{whose}:\n  {line}\nthe stack then \
         needs GATEWAY_USER={user} in {}\n",
        owner.0,
        env.display()
    ))
}
