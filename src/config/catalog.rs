//! All settings as a list. Each one is declared once, as a flag or in `SECRET_SETTINGS` of `secrets.rs`; help, `.env` and
//! `docs/reference/settings.md` follow.

use clap::{Arg, Args, Command};

use super::Flags;
use super::secrets::SECRET_SETTINGS;
use super::setting::{Setting, parted};

/// Flags in the order of the help, then secrets.
pub fn settings() -> Vec<Setting> {
    let command = Flags::augment_args(Command::new("serve"));
    let flags = command.get_arguments().filter_map(flag);
    flags.chain(SECRET_SETTINGS.iter().map(|secret| secret.as_setting())).collect()
}

fn flag(arg: &Arg) -> Option<Setting> {
    let name = arg.get_env()?.to_str()?.to_owned();
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let (help, in_words) = parted(&help);
    let values: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let default = if values.is_empty() { in_words } else { values.join(",") };
    let choices: Vec<_> = arg.get_possible_values().iter().map(|it| format!("`{}`", it.get_name())).collect();
    let help = if choices.is_empty() { help } else { format!("{help}: {}", choices.join(" or ")) };
    Some(Setting { name, default, help, is_secret: false })
}

/// `docs/reference/settings.md`.
pub fn page() -> String {
    let row = |setting: &Setting| {
        let secret = if setting.is_secret { " (secret)" } else { "" };
        let default =
            if setting.has_value() { format!("`{}`", setting.default) } else { setting.default.clone() };
        format!("| `{}`{secret} | {default} | {} |\n", setting.name, setting.help.replace('|', "\\|"))
    };
    let rows: String = settings().iter().map(row).collect();
    format!(
        "\
# Settings

Each setting is an environment variable. It is also a flag of the same name (`--bind-addr`), unless it is a secret: flags show in
`ps`. A flag wins over its variable. Empty means unset. The start stops with one line, and the line names every wrong or missing setting.
A number is whole and without a unit: 15 minutes are `ACCESS_TTL_SECONDS=900`. An address to listen on has an IP address and a port.

Secrets come from their variable, or from the file of `<NAME>_FILE`. `token-gateway init` writes a complete `.env`, and each secret
to a file of its own. Durations are in the unit of the name.

## Characters around a value

Line ends at the end of a secret are no part of it, in its variable, in its file, and in `REDIS_URL`. Builds before 0.1.0 took those of a
variable for a part. So their refresh and access tokens are still accepted, as long as the variable or the file has its line
end. Nothing is signed with it any more: the last such token expires `REFRESH_TTL_SECONDS` after the last node of such a
build has stopped. A warning at the start names such a variable. You can then take the line end away.

Everything else around a value stops the start, by the name of the variable, file or flag:

- quotes around it, as some versions of `docker run --env-file` leave them. Outside of secrets one quote is enough;
- white space at an end, and white space with `#` behind it. Any other `#` belongs to the value, except one with white space behind it at the beginning;
- a byte order mark at the beginning, also of the files of `SIGNING_KEYS` and `REDIS_TLS_CA`;
- control characters; outside of secrets, line ends, too. In `REDIS_URL` also encoded ones, such as `%0A` in a password.

A secret of your choice may break these rules. Write it as `base64:`, or percent-encoded in `REDIS_URL`.

## Secrets known to others

An entry of `SERVICE_KEYS` stops the start if anybody can guess the text behind its hash: the empty text, a line end, the service's own name, or a word such as
`changeme` or `secret`. A line end behind such a text makes no difference. An empty key is nobody's.

The key set and the files of secrets must not be open to every user of the machine. If one is, the start and `token-gateway check` warn, with the remedy. Docker
opens its secrets below `/run/secrets` to everybody in the container, and to nobody else: files of secrets there are no warning, but a key set is.
In Kubernetes, set `defaultMode: 0440` and `fsGroup`.

## All settings

| setting | default | meaning |
|---|---|---|
{rows}"
    )
}
