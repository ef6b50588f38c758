//! `token-gateway init`: a complete `.env`, its secrets in files of their own, and the first key of a key set.

mod env_value;
mod environment;
mod files;
mod places;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use token_gateway_core::token::Alg;

use self::env_value::EnvValue;
use self::environment::Values;
use self::files::{Reader, create_folder, write_new};
use self::places::Places;
use super::output::report;
use super::usage::UsageError;
use crate::config::file_access::{IMAGE_OWNER, explained, shell_word};
use crate::config::{random_password, random_secret};
use crate::gateway::service_keys::{NewServiceKey, sha256_hex};
use crate::token::key_set::KeySet;

/// The users of the stack's Redis, without passwords.
const REDIS_USERS: &str = include_str!("../../ops/redis/users.acl");

#[derive(Debug, Args)]
pub struct Init {
    /// The file to write; an existing one is never touched
    ///
    /// Keys and secrets lie beside it. Outside of the working folder, the file names them by absolute paths.
    #[arg(long, default_value = ".env")]
    output: PathBuf,
    /// The public URL of the gateway
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    issuer: String,
    /// The name of the first service
    #[arg(long, default_value = "login")]
    service: String,
}

impl Init {
    pub fn run(&self) -> Result<ExitCode> {
        let key = NewServiceKey::generate(&self.service, &[])
            .map_err(|error| UsageError(format!("--service: {error}")))?;
        let issuer = self.issuer()?;
        let secrets = secrets(&key.entry);
        let places = self.places(&secrets)?;
        let values = self.values(&places, issuer)?;
        write(&places.key_set(), Reader::Gateway, &KeySet::generate(Alg::Es256).to_text())?;
        create_folder(&places.secrets()).with_context(|| cannot(&places.secrets()))?;
        for (name, reader, text) in &secrets {
            write(&places.secret(name), *reader, text)?;
        }
        let owner = values.owner;
        write(&places.env, Reader::Caller, &environment::text(&values))?;
        report(&self.text(&places, owner == IMAGE_OWNER, &key.key)?).context(
            "the files are written, but the service key was not shown; `token-gateway service-key new` makes another",
        )?;
        Ok(ExitCode::SUCCESS)
    }

    fn issuer(&self) -> Result<EnvValue, UsageError> {
        let wrong = |error: &dyn std::fmt::Display| UsageError(format!("--issuer: {error}"));
        let issuer = crate::config::issuer(&self.issuer).map_err(|error| wrong(&error))?;
        EnvValue::new(issuer).map_err(|error| wrong(&error))
    }

    /// The places of all files. None of them exists: a second `init` must not throw away the keys of live tokens.
    fn places(&self, secrets: &[NewSecret]) -> Result<Places> {
        let folder = self.output.parent().unwrap_or(&self.output);
        let refused = |error| explained(folder, error, "name a path whose folders can be made");
        let places = Places::new(&self.output);
        let others = secrets.iter().map(|(name, ..)| places.secret(name));
        for path in [places.env.clone(), places.key_set()].into_iter().chain(others) {
            if path.symlink_metadata().is_ok() {
                bail!(
                    "--output: cannot create {}, because it is there already; name a path in another folder",
                    path.display()
                );
            }
        }
        // Everybody may enter it. The folders in it are closed.
        fs::create_dir_all(folder).map_err(refused).with_context(|| cannot(&self.output))?;
        Ok(places)
    }

    /// The values of the `.env`. The folder of the keys is made, because its owner is one of them.
    fn values(&self, places: &Places, issuer: EnvValue) -> Result<Values> {
        let [signing_keys, refresh_secret_file, service_keys_file] =
            places.settings().with_context(|| cannot(&places.env))?.map(|path| {
                EnvValue::new(&path)
                    .map_err(|error| UsageError(format!("--output: {} {error}", path.display())))
            });
        let (signing_keys, refresh_secret_file) = (signing_keys?, refresh_secret_file?);
        let owner = create_folder(&places.keys()).with_context(|| cannot(&places.keys()))?;
        Ok(Values { issuer, signing_keys, refresh_secret_file, service_keys_file: service_keys_file?, owner })
    }

    fn text(&self, places: &Places, is_given_away: bool, key: &str) -> Result<String> {
        let [env, key_set, secrets] =
            [&places.env, &places.key_set(), &places.secrets()].map(|it| it.display().to_string());
        let given_away = if is_given_away { given_away(places)? } else { String::new() };
        Ok(format!(
            "wrote {env}, {key_set} and {secrets}\n{given_away}service key of '{}', shown this once: {key}\n",
            self.service
        ))
    }
}

/// The owner of the files that root has given away, the reason, and the line that changes it.
fn given_away(places: &Places) -> Result<String> {
    let [env, keys, secrets] = places.absolute()?.map(|path| shell_word(&path));
    Ok(format!(
        "keys and secrets belong to user {} and are closed to all others (mode 0600), because the container image runs as \
         that user\nto run `token-gateway serve` by hand instead, as a user of your own, give them to that user:\n  \
         sudo chown -R \"$(id -u):$(id -g)\" {env} {keys} {secrets}\n",
        IMAGE_OWNER.0
    ))
}

/// Name, reader and content of a file.
type NewSecret = (&'static str, Reader, String);

fn secrets(service_keys: &str) -> [NewSecret; 5] {
    let (gateway, operator) = (random_password(), random_password());
    [
        ("refresh_secret", Reader::Gateway, random_secret() + "\n"),
        ("service_keys", Reader::Gateway, format!("{service_keys}\n")),
        ("redis_url", Reader::Gateway, format!("redis://gateway:{gateway}@redis:6379\n")),
        ("redis_operator_url", Reader::Gateway, format!("redis://operator:{operator}@redis:6379\n")),
        ("redis_users.acl", Reader::Redis, redis_users(&gateway, &operator)),
    ]
}

/// The rules of `users.acl` with the hashes of passwords. Comments are left out, because Redis takes none in such a
/// file.
fn redis_users(gateway: &str, operator: &str) -> String {
    let rules = REDIS_USERS.lines().filter(|line| line.starts_with("user "));
    let with_hash = rules.map(|rule| match rule.split(' ').nth(1) {
        Some("gateway") => format!("{rule} #{}\n", sha256_hex(gateway)),
        Some("operator") => format!("{rule} #{}\n", sha256_hex(operator)),
        _ => format!("{rule}\n"),
    });
    with_hash.collect()
}

fn write(path: &Path, reader: Reader, text: &str) -> Result<()> {
    write_new(path, reader, text).with_context(|| cannot(path))
}

fn cannot(path: &Path) -> String {
    format!("--output: cannot create {}", path.display())
}
