//! `token-gateway sessions`: look at sessions, and end them.

mod end;
pub mod list;
mod show;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use token_gateway_core::session::{Jti, SessionId, Subject};

use super::Usage;
use crate::config::redis_url_help;

#[derive(Debug, Subcommand)]
pub enum Sessions {
    /// The subjects with sessions, or the sessions of one subject
    #[command(after_help = redis_url_help())]
    List(list::List),
    /// All that one session holds, or why it ended
    #[command(after_help = redis_url_help())]
    Show(show::Show),
    /// End one session, or those of a subject, and publish the end, as a node does, with the reason `admin`
    ///
    /// May be repeated: ends that were not published yet are published then.
    #[command(after_help = redis_url_help())]
    End(end::End),
}

impl Sessions {
    pub fn run(&self) -> Result<ExitCode> {
        match self {
            Self::List(list) => list.run()?,
            Self::Show(show) => show.run()?,
            Self::End(end) => end.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A session as named by an operator.
struct Wanted {
    session: SessionId,
    /// Present if the name was the `jti` of one of its refresh tokens.
    jti: Option<Jti>,
}

fn wanted(argument: &str, text: &str) -> Result<Wanted> {
    if let Ok(jti) = text.parse::<Jti>() {
        return Ok(Wanted { session: jti.session(), jti: Some(jti) });
    }
    let wrong = "must be a session id, 19 digits, or a jti, which is that, a dot and 22 characters";
    let session = text.parse().map_err(|_| Usage(format!("{argument}: {wrong}")))?;
    Ok(Wanted { session, jti: None })
}

fn subject(argument: &str, text: &str) -> Result<Subject> {
    text.parse().map_err(|error| Usage(format!("{argument}: {error}")).into())
}
