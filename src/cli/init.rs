//! `token-gateway init`: a complete `.env`, its secrets in files of their own, and the first key of a key set.

mod env_value;
mod environment;
mod files;
mod given_away;
mod places;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use token_gateway_core::token::Alg;

use self::env_value::EnvValue;
use self::environment::Values;
use self::files::{Owner, Reader, Written};
use self::given_away::given_away;
use self::places::Places;
use super::output::report_once;
use super::usage::UsageError;
use crate::config::file_access::{explained, own_user};
use crate::config::{random_password, random_secret};
use crate::gateway::service_keys::{NewServiceKey, sha256_hex};
use crate::telemetry::logging::say;
use crate::token::key_set::KeySet;

/// The users of the stack's Redis, without passwords.
const REDIS_USERS: &str = include_str!("../../ops/redis/users.acl");

/// The files are of no use without a service key.
const KEY_NOT_SHOWN: &str =
    "the files are written, but the service key was not shown; `token-gateway service-key new` makes another";

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
        let mut written = Written::new([&places.keys(), &places.secrets()]);
        self.write(&mut written, &places, &secrets, issuer)?;
        let text = self.text(&places, written.owner(), &key.key)?;
        written.keep();
        match report_once(&text) {
            Ok(true) => {}
            Ok(false) => say(format!("{KEY_NOT_SHOWN}\n")),
            Err(error) => return Err(error.context(KEY_NOT_SHOWN)),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn write(
        &self,
        written: &mut Written,
        places: &Places,
        secrets: &[NewSecret],
        issuer: EnvValue,
    ) -> Result<()> {
        let folder = self.output.parent().unwrap_or(&self.output);
        written.open_folder(folder).map_err(|error| cannot(&self.output, folder, error))?;
        let values = self.values(places, issuer, written.owner())?;
        for folder in [places.keys(), places.secrets()] {
            written.closed_folder(&folder).map_err(|error| cannot(&folder, &folder, error))?;
        }
        let key_set = KeySet::generate(Alg::Es256).to_text();
        let secrets = secrets.iter().map(|(name, reader, text)| (places.secret(name), *reader, text.clone()));
        let env = (places.env.clone(), Reader::Caller, environment::text(&values));
        for (path, reader, text) in
            [(places.key_set(), Reader::Gateway, key_set)].into_iter().chain(secrets).chain([env])
        {
            written.file(&path, reader, &text).map_err(|error| cannot(&path, &path, error))?;
        }
        Ok(())
    }

    fn issuer(&self) -> Result<EnvValue, UsageError> {
        let wrong = |error: &dyn std::fmt::Display| UsageError(format!("--issuer: {error}"));
        let issuer = crate::config::issuer(&self.issuer).map_err(|error| wrong(&error))?;
        EnvValue::new(issuer).map_err(|error| wrong(&error))
    }

    /// The places of all files. None of them exists: a second `init` must not throw away the keys of live tokens.
    fn places(&self, secrets: &[NewSecret]) -> Result<Places> {
        let is_folder = self.output.as_os_str().as_encoded_bytes().ends_with(b"/") || self.output.is_dir();
        if is_folder || self.output.file_name().is_none() {
            let (folder, file) = (self.output.display(), self.output.join(".env"));
            return Err(UsageError(format!(
                "--output: {folder} is a folder; name a file, such as {}",
                file.display()
            ))
            .into());
        }
        let places = Places::new(&self.output);
        let others = secrets.iter().map(|(name, ..)| places.secret(name));
        for path in [places.env.clone(), places.key_set()].into_iter().chain(others) {
            if path.symlink_metadata().is_ok() {
                let (path, remedy) = (path.display(), remedy(path == places.env));
                bail!("--output: cannot create {path}, because it is there already; {remedy}");
            }
        }
        Ok(places)
    }

    /// The values of the `.env`, whose folder is there.
    fn values(&self, places: &Places, issuer: EnvValue, owner: Owner) -> Result<Values> {
        let paths = places.settings().with_context(|| format!("--output: {}", places.env.display()))?;
        let [signing_keys, refresh_secret_file, service_keys_file] = paths.map(|path| {
            EnvValue::new(&path).map_err(|error| UsageError(format!("--output: {} {error}", path.display())))
        });
        let (signing_keys, refresh_secret_file) = (signing_keys?, refresh_secret_file?);
        Ok(Values { issuer, signing_keys, refresh_secret_file, service_keys_file: service_keys_file?, owner })
    }

    fn text(&self, places: &Places, owner: Owner, key: &str) -> Result<String> {
        let [env, key_set, secrets] =
            [&places.env, &places.key_set(), &places.secrets()].map(|it| it.display().to_string());
        let is_root = own_user().is_some_and(|(user, _)| user == 0);
        let given_away = if is_root { given_away(places, owner)? } else { String::new() };
        Ok(format!(
            "wrote {env}, {key_set} and {secrets}\n{given_away}service key of '{}', shown this once: {key}\n",
            self.service
        ))
    }
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

/// An error on a path, in making this file.
fn cannot(file: &Path, path: &Path, error: std::io::Error) -> anyhow::Error {
    let remedy = "name a path whose folders can be made and written";
    explained(path, error, remedy).context(format!("--output: cannot create {}", file.display()))
}

/// The advice where a file is in the way. Beside a `.env`, an earlier `init` has most likely made all of them.
fn remedy(is_env: bool) -> &'static str {
    if is_env {
        "to go on with it and the files beside it, leave `init` out; for new ones, name a path in another folder"
    } else {
        "name a path in another folder"
    }
}
