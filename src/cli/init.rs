//! `token-gateway init`: a complete `.env`, its secrets in files of their own, and the first key of a key set.

mod environment;
mod files;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use token_gateway_core::token::Alg;

use self::environment::{KEY_SET_FILE, SECRETS_FOLDER};
use self::files::{Reader, create_folder, write_new};
use super::output::report;
use super::usage::UsageError;
use crate::config::{random_password, random_secret};
use crate::gateway::service_keys::{NewServiceKey, sha256_hex};
use crate::token::key_set::KeySet;

/// The users of the stack's Redis, without passwords.
const REDIS_USERS: &str = include_str!("../../ops/redis/users.acl");

#[derive(Debug, Args)]
pub struct Init {
    /// The file to write; an existing one is never touched
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
        let issuer =
            crate::config::issuer(&self.issuer).map_err(|error| UsageError(format!("--issuer: {error}")))?;
        let (keys, folder) =
            (self.output.with_file_name(KEY_SET_FILE), self.output.with_file_name(SECRETS_FOLDER));
        let secrets = secrets(&key.entry).map(|(name, reader, text)| (folder.join(name), reader, text));
        for path in [&self.output, &keys].into_iter().chain(secrets.iter().map(|(path, ..)| path)) {
            // A second `init` must not throw away the keys of live tokens.
            if path.symlink_metadata().is_ok() {
                bail!(
                    "--output: cannot create {}, because it is there already; name a path in another folder",
                    path.display()
                );
            }
        }
        let owner =
            create_folder(keys.parent().context("it has a folder")?).with_context(|| cannot(&keys))?;
        write(&keys, Reader::Gateway, &KeySet::generate(Alg::Es256).to_text())?;
        create_folder(&folder).with_context(|| cannot(&folder))?;
        for (path, reader, text) in &secrets {
            write(path, *reader, text)?;
        }
        write(&self.output, Reader::Caller, &environment::text(&issuer, owner))?;
        report(&format!(
            "wrote {}, {} and {}\nservice key of '{}', shown this once: {}\n",
            self.output.display(),
            keys.display(),
            folder.display(),
            self.service,
            key.key
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Name, reader and content of each file.
fn secrets(service_keys: &str) -> [(&'static str, Reader, String); 5] {
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
