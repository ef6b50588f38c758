//! `token-gateway service-key new`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use super::output::print;
use super::usage::UsageError;
use crate::gateway::service_keys::{CONFIDENTIAL, InvalidServiceKeys, NewServiceKey, Role};
use crate::telemetry::logging::say;

#[derive(Debug, Subcommand)]
pub enum ServiceKey {
    /// Make a key; only its hash goes into SERVICE_KEYS
    New {
        /// The service's name: 1 to 64 of A-Z a-z 0-9 . _ -
        name: String,
        /// Its roles: issue, introspect, manage or feed; none means all. The role events is reserved: nothing serves it yet. The
        /// mark confidential beside them: sessions of this client are refreshed and revoked with its key alone
        roles: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl ServiceKey {
    pub fn run(&self) -> Result<ExitCode> {
        let Self::New { name, roles, json } = self;
        let wrong = |error: InvalidServiceKeys| UsageError(error.to_string());
        let (marks, roles): (Vec<_>, Vec<_>) = roles.iter().partition(|word| *word == CONFIDENTIAL);
        let roles = roles.iter().map(|role| role.parse()).collect::<Result<Vec<Role>, _>>().map_err(wrong)?;
        let made = NewServiceKey::generate(name, &roles).map_err(wrong)?;
        let NewServiceKey { key, entry } = if marks.is_empty() { made } else { made.confidential() };
        if roles.iter().any(|role| role.is_reserved()) {
            say("note: the role events is reserved: nothing serves it yet\n".to_owned());
        }
        if *json {
            print(&format!("{}\n", serde_json::json!({ "name": name, "key": key, "entry": entry })))?;
        } else {
            print(&format!(
                "key, for the service, shown this once:\n  {key}\nentry, for SERVICE_KEYS:\n  {entry}\n"
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
