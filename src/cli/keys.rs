//! `token-gateway keys`: the key set file. Nodes notice a change within a second.
//!
//! A rotation never fails an honest token. The new key is published at once. It signs only after every verifier has had
//! time to read it. The old key stays until its last token has expired.

mod file;
mod keys_clock;
mod list;
mod new_alg;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use token_gateway_core::token::Alg;

use self::file::change;
use self::keys_clock::KeysClock;
use super::output::{report, report_json};
use super::usage::{UsageError, as_usage};
use crate::config::{KeySettings, SecretFiles, alg_parser, redis_url_help, seconds, variable_is_set};
use crate::shown_value::printable;
use crate::telemetry::logging::say;
use crate::token::jwk::{PrivateJwk, Signs};
use crate::token::key_set::{KeySet, KeyState};
use crate::view::rfc3339_seconds;

/// Time for nodes to notice a changed file, with room for differences between the machines' clocks.
const KEY_FILE_NOTICE: Duration = Duration::from_secs(5);

/// The default in place of `KEY_FILE_NOTICE`, with room to spare.
const KEY_DELAY_MARGIN: Duration = Duration::from_secs(60);

/// The work that is done before its report.
const CHANGED: &str = "the key set is changed";

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make the first key of the set, and the file if need be
    #[command(after_help = redis_url_help())]
    New(NewKey),
    /// Show the keys and where each is in its life
    #[command(after_help = redis_url_help())]
    List(list::ListKeys),
    /// Add a key to take over from the active one, and take out those without a living token
    #[command(after_help = redis_url_help())]
    Rotate(RotateKey),
    /// Take out the keys without a living token, or a named one
    #[command(after_help = redis_url_help())]
    Retire(RetireKeys),
}

#[derive(Debug, Args)]
pub struct NewKey {
    /// How it signs [default: ES256]
    #[arg(long, value_parser = alg_parser())]
    alg: Option<Alg>,
    #[command(flatten)]
    making: Making,
}

#[derive(Debug, Args)]
pub struct RotateKey {
    /// How it signs [default: as the active key]
    #[arg(long, value_parser = alg_parser())]
    alg: Option<Alg>,
    #[command(flatten)]
    making: Making,
}

#[derive(Debug, Args)]
struct Making {
    /// A key for refresh tokens, with HS256
    #[arg(long)]
    refresh: bool,
    /// Seconds until it signs; it is published at once [default: none for the first key of all, else JWKS_MAX_AGE_SECONDS and a minute]
    #[arg(long, value_parser = seconds(0..=31_536_000, 360))]
    delay_seconds: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: KeySettings,
}

#[derive(Debug, Args)]
pub struct RetireKeys {
    /// The key to take out, by its kid
    kid: Option<String>,
    /// Also when tokens of the key are still alive: they are refused from then on
    #[arg(long, requires = "kid")]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: KeySettings,
}

impl KeysCommand {
    pub fn run(&self) -> Result<ExitCode> {
        warn_of_exposed(&self.settings().secret_files());
        match self {
            Self::New(new) => new.run()?,
            Self::List(list) => list.run()?,
            Self::Rotate(rotate) => rotate.run()?,
            Self::Retire(retire) => retire.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn settings(&self) -> &KeySettings {
        match self {
            Self::New(new) => &new.making.settings,
            Self::List(list) => &list.settings,
            Self::Rotate(rotate) => &rotate.making.settings,
            Self::Retire(retire) => &retire.settings,
        }
    }
}

fn warn_of_exposed(files: &SecretFiles) {
    files.warnings().iter().for_each(|warning| say(format!("warning: {}\n", printable(warning))));
}

impl NewKey {
    fn run(&self) -> Result<()> {
        let signs = self.making.signs();
        let alg = self.making.alg(self.alg, Alg::Es256)?;
        let path = as_usage(self.making.settings.keys.path())?;
        let clock = KeysClock::read(&self.making.settings)?;
        let made = change(path, |set| {
            if let Some(change) = set.last_change(signs) {
                bail!(
                    "SIGNING_KEYS: {} has a key that signs {} tokens, from {} on; `token-gateway keys rotate` adds one \
                     that takes over",
                    path.display(),
                    signs.as_str(),
                    rfc3339_seconds(change)
                );
            }
            let from = clock.now() + self.delay(set.keys.is_empty())?.as_secs();
            let is_first_ed25519 = new_alg::is_first_ed25519(set, alg);
            Ok((add(set, alg, signs, from), from, is_first_ed25519))
        });
        let (kid, from, is_first_ed25519) = made.with_context(|| clock.reading())?;
        if is_first_ed25519 {
            say(new_alg::warning_of_nodes());
        }
        self.making.report(&clock, &kid, alg, from, &[])
    }

    /// No delay for the first key of the set if there is no secret: no node can be at work yet. Otherwise nodes work
    /// with a secret or another key, and must notice the new key before it signs.
    fn delay(&self, is_first: bool) -> Result<Duration> {
        let name = self.making.secret_name();
        match self.making.delay_seconds {
            None if is_first && variable_is_set(name) => Err(UsageError(format!(
                "--delay-seconds: is missing; {name} signs now, so say when this key takes over: every node must have \
                 been restarted with both by then"
            ))
            .into()),
            None | Some(0) if is_first => Ok(Duration::ZERO),
            _ => self.making.delay(),
        }
    }
}

impl RotateKey {
    fn run(&self) -> Result<()> {
        let making = &self.making;
        making.alg(self.alg, Alg::Hs256)?;
        let (path, signs) = (as_usage(making.settings.keys.path())?, making.signs());
        let (delay, clock) = (making.delay()?, KeysClock::read(&making.settings)?);
        let made = change(path, |set| {
            let now = clock.now();
            let from = now + delay.as_secs();
            if let Some(waiting) = set.last_change(signs).filter(|from| *from > now) {
                bail!("a key waits to sign from {} on; rotate again after that", rfc3339_seconds(waiting));
            }
            let Some(active) = set.active(signs, now) else {
                bail!(
                    "there is no key yet that signs {} tokens; make one with `token-gateway keys new{}`",
                    signs.as_str(),
                    if making.refresh { " --refresh" } else { "" }
                );
            };
            let former: Alg = active.alg().parse()?;
            let alg = making.alg(self.alg, former)?;
            if alg == Alg::Hs256 && former != Alg::Hs256 {
                let former = former.as_str();
                return Err(UsageError(format!(
                    "--alg: HS256 cannot take over from {former}, which others verify"
                ))
                .into());
            }
            let is_first_ed25519 = new_alg::is_first_ed25519(set, alg);
            let is_new = new_alg::is_new(set, signs, alg);
            let retired = set.retire(now, making.settings.lifetimes());
            Ok((add(set, alg, signs, from), alg, from, retired, (is_new, is_first_ed25519)))
        });
        let (kid, alg, from, retired, news) = made.with_context(|| clock.reading())?;
        match news {
            (true, _) => say(new_alg::warning(alg, &kid, &rfc3339_seconds(from))),
            (false, true) => say(new_alg::warning_of_nodes()),
            (false, false) => {}
        }
        making.report(&clock, &kid, alg, from, &retired)
    }
}

impl RetireKeys {
    fn run(&self) -> Result<()> {
        let path = as_usage(self.settings.keys.path())?;
        let (clock, lifetimes) = (KeysClock::read(&self.settings)?, self.settings.lifetimes());
        let retired = change(path, |set| {
            let now = clock.now();
            let Some(kid) = &self.kid else { return Ok(set.retire(now, lifetimes)) };
            let Some(jwk) = set.keys.iter().find(|jwk| jwk.thumbprint() == *kid) else {
                bail!("there is no key '{kid}'; `token-gateway keys list` shows them");
            };
            let (state, is_only) = (set.state(jwk, now, lifetimes), set.count(jwk.signs) == 1);
            if is_only && state == KeyState::Active {
                bail!(
                    "key '{kid}' alone signs; `token-gateway keys rotate` first, then nodes have one to go on with"
                );
            }
            match reason_to_stay(state, set.is_next(jwk, now), now) {
                Some(why) if !self.force => bail!("key '{kid}' {why}; --force takes it out all the same"),
                _ => set.remove(kid),
            }
            Ok(vec![kid.clone()])
        });
        let retired = retired.with_context(|| clock.reading())?;
        if self.json {
            return report_json(CHANGED, &clock.dated(json!({ "retired": retired })));
        }
        report(CHANGED, &(text_of_retired(&retired) + &clock.line()))
    }
}

/// Why a key must stay, except with `--force`.
fn reason_to_stay(state: KeyState, is_next: bool, now: u64) -> Option<String> {
    match state {
        KeyState::Active => Some("signs now".to_owned()),
        KeyState::Retiring(until) => {
            Some(format!("has signed tokens that live until {}", rfc3339_seconds(until)))
        }
        KeyState::Waiting(_) if is_next => {
            Some("is the first one to sign, and signs already where no secret does".to_owned())
        }
        KeyState::Waiting(from) if from <= now + KEY_FILE_NOTICE.as_secs() => {
            Some("is about to sign".to_owned())
        }
        KeyState::Waiting(_) | KeyState::Retired => None,
    }
}

impl Making {
    fn signs(&self) -> Signs {
        if self.refresh { Signs::Refresh } else { Signs::Access }
    }

    fn secret_name(&self) -> &'static str {
        if self.refresh { "REFRESH_SECRET" } else { "SIGNING_SECRET" }
    }

    fn alg(&self, asked: Option<Alg>, otherwise: Alg) -> Result<Alg, UsageError> {
        match asked {
            Some(alg) if self.refresh && alg != Alg::Hs256 => Err(UsageError(format!(
                "--alg: cannot be {} beside --refresh, because keys for refresh tokens are HS256; leave --alg out",
                alg.as_str()
            ))),
            _ if self.refresh => Ok(Alg::Hs256),
            asked => Ok(asked.unwrap_or(otherwise)),
        }
    }

    /// The time before the new key signs: at least as long as a verifier may lack the key.
    fn delay(&self) -> Result<Duration> {
        let cached = if self.refresh { Duration::ZERO } else { self.settings.keys.jwks_max_age() };
        let least = cached + KEY_FILE_NOTICE;
        match self.delay_seconds.map(Duration::from_secs) {
            Some(delay) if delay < least => Err(UsageError(format!(
                "--delay-seconds: must be at least {}: JWKS_MAX_AGE_SECONDS, and {} seconds for nodes to notice",
                least.as_secs(),
                KEY_FILE_NOTICE.as_secs()
            ))
            .into()),
            Some(delay) => Ok(delay),
            None => Ok(cached + KEY_DELAY_MARGIN),
        }
    }

    fn report(&self, clock: &KeysClock, kid: &str, alg: Alg, from: u64, retired: &[String]) -> Result<()> {
        let from = rfc3339_seconds(from);
        if self.json {
            let made = json!({ "kid": kid, "signs_from": from, "retired": retired });
            return report_json(CHANGED, &clock.dated(made));
        }
        let place = if alg == Alg::Hs256 { "in the set, never published" } else { "published" };
        let made = format!("key '{kid}' is {place}, and signs from {from} on\n");
        report(CHANGED, &(made + &text_of_retired(retired) + &clock.line()))
    }
}

fn text_of_retired(kids: &[String]) -> String {
    kids.iter().map(|kid| format!("key '{kid}' is taken out\n")).collect()
}

fn add(set: &mut KeySet, alg: Alg, signs: Signs, from: u64) -> String {
    let jwk = PrivateJwk::generate(alg, signs, from);
    let kid = jwk.thumbprint();
    set.keys.push(jwk);
    kid
}
