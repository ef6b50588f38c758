//! `token-gateway sessions`: look at sessions, and end them.

mod argument;
mod end;
pub mod list;
mod of_subject;
mod show;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::config::redis_url_help;

#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// The subjects with sessions, or the sessions of one subject
    #[command(after_help = redis_url_help())]
    List(list::ListSessions),
    /// All that one session holds, or why it ended
    #[command(after_help = redis_url_help())]
    Show(show::ShowSession),
    /// End one session or more, and publish it, as a node does, with the reason `admin`
    ///
    /// May be repeated: ends that were not published yet are published then.
    #[command(after_help = redis_url_help())]
    End(end::EndSessions),
}

impl SessionsCommand {
    pub fn run(&self) -> Result<ExitCode> {
        match self {
            Self::List(list) => list.run()?,
            Self::Show(show) => show.run()?,
            Self::End(end) => end.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
