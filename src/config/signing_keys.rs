//! The sources of keys: secrets among the settings, and a key set file, changed even while nodes run.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use token_gateway_core::token::Alg;

use super::exposed_files::{SecretFile, SecretFiles};
use super::file_access::explained;
use super::invalid_value::check_beginning;
use super::lifetimes::{AccessTtl, RefreshTtl};
use super::number::seconds;
use super::secrets::{secret, signing_secret};
use super::settings_error::{Required, SettingsError};
use super::store_flags::{RedisFlags, StoreKind};
use crate::shown_value;
use crate::store::redis::RedisSettings;
use crate::token::key_set::{KeySet, Lifetimes};
use crate::token::keyring::{InvalidKeyring, Keyring, Secrets};

/// A larger file is no key set, in bytes.
const KEY_SET_MAX_LEN: u64 = 1 << 20;

/// Reads the value of a flag `--alg`.
pub fn alg_parser() -> impl TypedValueParser<Value = Alg> {
    PossibleValuesParser::new(Alg::ALL.map(Alg::as_str)).try_map(|text| text.parse::<Alg>())
}

/// The key set file, and its publication.
#[derive(Debug, Args)]
pub struct KeyFlags {
    /// Path of the key set file, a private JWK Set, made and changed by `token-gateway keys`; nodes notice
    #[arg(long, env = "SIGNING_KEYS")]
    signing_keys: Option<PathBuf>,
    /// Seconds verifiers may keep the published keys
    #[arg(long, env = "JWKS_MAX_AGE_SECONDS", default_value_t = 300, value_parser = seconds(1..=86_400, 300))]
    jwks_max_age_seconds: u64,
}

impl KeyFlags {
    pub fn jwks_max_age(&self) -> Duration {
        Duration::from_secs(self.jwks_max_age_seconds)
    }

    /// The source of a node's keys.
    pub fn source(&self) -> Result<KeySource> {
        let secrets = Secrets {
            signing: signing_secret("SIGNING_SECRET")?,
            refresh: signing_secret("REFRESH_SECRET")?,
            refresh_previous: signing_secret("REFRESH_SECRET_PREVIOUS")?,
        };
        Ok(KeySource { secrets, set: self.set() })
    }

    /// The source, read. A secret that is wrong is not missing, too.
    pub(super) fn load(&self, wrong: &mut SettingsError) -> Option<LoadedKeys> {
        let signing = wrong.note(signing_secret("SIGNING_SECRET"));
        let refresh = wrong.note(signing_secret("REFRESH_SECRET"));
        let refresh_previous = wrong.note(signing_secret("REFRESH_SECRET_PREVIOUS")).flatten();
        let (lacks_signing, lacks_refresh) = (signing.is_some(), refresh.is_some());
        let secrets = Secrets { signing: signing.flatten(), refresh: refresh.flatten(), refresh_previous };
        let source = KeySource { secrets, set: self.set() };
        let error = match source.load() {
            Ok((keyring, stamp)) => return Some(LoadedKeys { source, keyring, stamp }),
            Err(error) => error,
        };
        let missing = error.downcast_ref().map_or((false, false), InvalidKeyring::missing);
        match error.downcast_ref::<EmptyKeySet>() {
            Some(empty) if missing.0 => drop(wrong.note(Err::<(), _>(anyhow!("{empty}")))),
            _ if missing.0 && lacks_signing => wrong.miss(Required::SigningSecret),
            _ => {}
        }
        if missing.1 && lacks_refresh {
            wrong.miss(Required::RefreshSecret);
        }
        if missing == (false, false) {
            wrong.note(Err::<(), _>(error));
        }
        None
    }

    fn set(&self) -> KeySetSource {
        self.signing_keys.clone().map_or(KeySetSource::None, KeySetSource::File)
    }

    /// The file of keys. `keys` writes it.
    pub(super) fn secret_file(&self) -> Option<SecretFile> {
        Some(SecretFile::of_operator("SIGNING_KEYS", self.signing_keys.as_deref()?))
    }

    pub fn path(&self) -> Result<&Path> {
        self.signing_keys
            .as_deref()
            .context("SIGNING_KEYS: is missing; name the key set file, --signing-keys keys.json")
    }
}

/// The settings of commands on the key set file.
#[derive(Debug, Args)]
pub struct KeySettings {
    #[command(flatten)]
    pub keys: KeyFlags,
    #[command(flatten)]
    access: AccessTtl,
    #[command(flatten)]
    refresh: RefreshTtl,
    /// Where sessions live: with redis, and REDIS_URL, the clock is Redis's; else this machine's [default: redis]
    #[arg(long, env = "STORE", hide_possible_values = true)]
    store: Option<StoreKind>,
    #[command(flatten)]
    redis: RedisFlags,
}

impl KeySettings {
    pub fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            access: Duration::from_secs(self.access.access_ttl_seconds),
            refresh: Duration::from_secs(self.refresh.refresh_ttl_seconds),
        }
    }

    pub fn secret_files(&self) -> SecretFiles {
        SecretFiles::with([self.keys.secret_file(), self.redis.secret_file()])
    }

    /// The Redis whose clock decides which key signs; none where `REDIS_URL` is not set, or no node uses it.
    pub fn redis(&self) -> Result<Option<RedisSettings>> {
        let is_used = self.store != Some(StoreKind::Embedded) && secret("REDIS_URL")?.is_some();
        Ok(is_used.then(|| self.redis.settings()).transpose()?)
    }
}

/// Keys, as they were read.
pub struct LoadedKeys {
    pub source: KeySource,
    pub keyring: Keyring,
    pub stamp: KeySetStamp,
}

/// The source of a node's keys. It is read again after each change of the file.
#[derive(Debug, Clone)]
pub struct KeySource {
    pub secrets: Secrets,
    pub set: KeySetSource,
}

#[derive(Debug, Clone)]
pub enum KeySetSource {
    None,
    File(PathBuf),
    /// Made for this run.
    Made(KeySet),
}

/// Changes with the file.
pub type KeySetStamp = Option<(SystemTime, u64, u64)>;

/// A file without a key, where no secret signs instead.
#[derive(Debug, thiserror::Error)]
#[error("{0}: holds no key; make one with `token-gateway keys new`")]
struct EmptyKeySet(String);

/// For a file that cannot be opened.
const KEY_SET_REMEDY: &str = "name the key set file by its path, or make one with `token-gateway keys new`";

impl KeySource {
    /// Returns the keys and their stamp. The stamp is taken before the file is read, so any later change makes a new
    /// stamp.
    pub fn load(&self) -> Result<(Keyring, KeySetStamp)> {
        let stamp = self.stamp();
        let set = match &self.set {
            KeySetSource::None => KeySet::default(),
            KeySetSource::File(path) => read_key_set(path)?,
            KeySetSource::Made(set) => set.clone(),
        };
        let keyring = Keyring::new(&self.secrets, &set);
        let keyring = match &self.set {
            KeySetSource::File(path) if set.keys.is_empty() => {
                keyring.context(EmptyKeySet(shown_value::place("SIGNING_KEYS", path)))?
            }
            _ => keyring?,
        };
        Ok((keyring, stamp))
    }

    pub fn stamp(&self) -> KeySetStamp {
        let KeySetSource::File(path) = &self.set else { return None };
        fs::metadata(path).ok().and_then(|file| Some((file.modified().ok()?, file.len(), inode(&file))))
    }
}

fn inode(file: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(file)
}

pub fn read_key_set(path: &Path) -> Result<KeySet> {
    let place = || shown_value::place("SIGNING_KEYS", path);
    let unreadable = |error| explained(path, error, KEY_SET_REMEDY).context(place());
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if length > KEY_SET_MAX_LEN {
        bail!("{}: has {length} bytes, more than a key set", place());
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    check_beginning(&text).map_err(|error| anyhow!("{}: {error}", place()))?;
    KeySet::parse(&text).map_err(|error| anyhow!("{}: {error}", place()))
}
