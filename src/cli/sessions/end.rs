//! `token-gateway sessions end`.

use std::io::{IsTerminal, stdin};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use token_gateway_core::feed::{Denylist, EndedSession};
use token_gateway_core::session::{Reason, SessionId, Subject};

use super::argument::{subject, wanted};
use crate::cli::output::{report, report_json};
use crate::cli::process::on_runtime;
use crate::cli::usage::{UsageError, as_usage};
use crate::config::OperatorEndFlags;
use crate::gateway::Deadline;
use crate::gateway::ender::Ender;
use crate::shown_value::printable;
use crate::store::redis::{RedisSettings, RedisStore};
use crate::store::{Ends, Policy, StoreError};
use crate::telemetry::logging::{flush, say};
use crate::telemetry::metrics::Metrics;

#[derive(Debug, Args)]
pub struct EndSessions {
    /// The subject of the sessions
    sub: String,
    /// A session id, or the jti of one of its tokens, refresh or access
    #[arg(conflicts_with = "all")]
    id: Option<String>,
    /// All sessions of the subject
    #[arg(long)]
    all: bool,
    /// With --all: but not this session
    #[arg(long, value_name = "ID", requires = "all", conflicts_with = "id")]
    except: Option<String>,
    /// With --all: do not ask, which only happens on a terminal
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: OperatorEndFlags,
}

/// The sessions to end.
#[derive(Clone, Copy)]
enum Extent {
    One(SessionId),
    All { except: Option<SessionId> },
}

/// Ids of sessions: ended by this command, or ended before and published only now.
#[derive(Serialize)]
struct EndReport {
    ended: Vec<SessionId>,
    #[serde(rename = "announced")]
    published: Vec<SessionId>,
}

impl EndSessions {
    pub fn run(&self) -> Result<()> {
        let subject = subject("SUB", &self.sub)?;
        let extent = self.extent()?;
        let (redis, policy) = as_usage(self.settings.settings())?;
        if self.all && !self.yes && stdin().is_terminal() && !confirmed(&subject)? {
            bail!("not confirmed: nothing was ended");
        }
        let ended = on_runtime(end(&redis, policy, subject, extent))
            .context("unknown whether anything ended or was published; repeat the command")?;
        if self.json {
            return report_json(
                "the sessions are ended",
                &EndReport { ended: ids(&ended.now), published: ids(&ended.before) },
            );
        }
        report("the sessions are ended", &self.text(extent, &ended))
    }

    fn extent(&self) -> Result<Extent> {
        let session = |argument, text: &str| wanted(argument, text).map(|wanted| wanted.session);
        Ok(match &self.id {
            Some(id) => Extent::One(session("ID", id)?),
            None if !self.all => return Err(UsageError(self.without_id().to_owned()).into()),
            None => {
                let except = self.except.as_deref().map(|id| session("--except", id)).transpose()?;
                Extent::All { except }
            }
        })
    }

    /// The subject is not shown: it may be a token in the wrong place.
    fn without_id(&self) -> &'static str {
        if wanted("SUB", &self.sub).is_ok() {
            "SUB: is a session id or a jti, and a subject comes first; `sessions show` with it names the subject"
        } else {
            "ID: is missing; `sessions list` with the subject shows the ids of its sessions, and --all ends them all"
        }
    }

    fn text(&self, extent: Extent, ended: &Ends) -> String {
        if ended.is_empty() {
            return nothing(&printable(&self.sub), extent);
        }
        let line = |word: &'static str| {
            move |one: &EndedSession| format!("{word} {} {}\n", one.session, one.reason.as_str())
        };
        ended.now.iter().map(line("ended")).chain(ended.before.iter().map(line("published"))).collect()
    }
}

/// The text where nothing was live.
fn nothing(subject: &str, extent: Extent) -> String {
    match extent {
        Extent::One(session) => format!(
            "nothing to end: {subject} has no live session {session}; `sessions show {session}` tells whether it has \
             ended, or is another subject's\n"
        ),
        Extent::All { except } => {
            let other = if except.is_some() { "other " } else { "" };
            format!(
                "nothing to end: {subject} has no {other}live session; `sessions list SUB --ended` shows those that \
                 have ended\n"
            )
        }
    }
}

/// Ends sessions as a node does, with the reason `admin`.
async fn end(
    redis: &RedisSettings,
    policy: Policy,
    subject: Subject,
    extent: Extent,
) -> Result<Ends, StoreError> {
    let retention = policy.feed_retention;
    let store = RedisStore::new(redis, policy)?;
    let ender = Ender::new(Arc::new(store), Metrics::new(), Arc::new(Denylist::new(retention)));
    let deadline = Deadline::new(Instant::now(), redis.link.timeout);
    match extent {
        Extent::One(session) => ender.end_one(deadline, subject, session, Reason::Admin).await,
        Extent::All { except } => ender.end_all(deadline, subject, except, Reason::Admin).await,
    }
}

fn confirmed(subject: &Subject) -> Result<bool> {
    say(format!("End the sessions of {}? [y/N] ", printable(subject.as_str())));
    flush();
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn ids(ended: &[EndedSession]) -> Vec<SessionId> {
    ended.iter().map(|one| one.session).collect()
}
