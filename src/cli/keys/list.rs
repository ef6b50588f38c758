//! `token-gateway keys list`.

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::super::output::{print, print_json, table};
use super::super::usage::as_usage;
use super::keys_clock::KeysClock;
use crate::config::{KeySettings, read_key_set};
use crate::token::jwk::PrivateJwk;
use crate::token::key_set::{KeySet, KeyState};
use crate::view::rfc3339_seconds;

#[derive(Debug, Args)]
pub struct ListKeys {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(super) settings: KeySettings,
}

/// One key for display, without private members.
#[derive(Serialize)]
struct ListedKey {
    kid: String,
    alg: String,
    signs: &'static str,
    state: &'static str,
    signs_from: String,
    /// The expiry of its last token.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl ListKeys {
    pub fn run(&self) -> Result<()> {
        let set = as_usage(self.settings.keys.path().and_then(read_key_set))?;
        let clock = KeysClock::read(&self.settings)?;
        let now = clock.now();
        let items: Vec<ListedKey> = set.keys.iter().map(|jwk| self.item(&set, jwk, now)).collect();
        if self.json {
            return print_json(&clock.dated(serde_json::json!({ "keys": items })));
        }
        if items.is_empty() {
            return print(&("no keys; `token-gateway keys new` makes one\n".to_owned() + &clock.line()));
        }
        let rows = items.into_iter().map(|it| {
            let until = it.until.unwrap_or_default();
            [it.kid, it.alg, it.signs.to_owned(), it.state.to_owned(), it.signs_from, until]
        });
        print(&(table(["KID", "ALG", "SIGNS", "STATE", "FROM", "TOKENS UNTIL"], rows) + &clock.line()))
    }

    fn item(&self, set: &KeySet, jwk: &PrivateJwk, now: u64) -> ListedKey {
        let (state, until) = match set.state(jwk, now, self.settings.lifetimes()) {
            KeyState::Waiting(_) => ("waiting", None),
            KeyState::Active => ("active", None),
            KeyState::Retiring(until) => ("retiring", Some(rfc3339_seconds(until))),
            KeyState::Retired => ("retired", None),
        };
        ListedKey {
            kid: jwk.thumbprint(),
            alg: jwk.alg().to_owned(),
            signs: jwk.signs.as_str(),
            state,
            signs_from: rfc3339_seconds(jwk.signs_from),
            until,
        }
    }
}
