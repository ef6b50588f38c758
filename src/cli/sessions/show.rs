//! `token-gateway sessions show`.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use token_gateway_core::session::{Jti, SessionId, Subject};

use super::argument::{Wanted, subject, wanted};
use crate::cli::output::{print, print_json, progress};
use crate::cli::process::on_runtime;
use crate::cli::usage::as_usage;
use crate::config::{KnownMaxAge, OperatorFlags};
use crate::shown_value::printable;
use crate::store::Lookup;
use crate::store::redis::survey::{CurrentToken, Found, Survey};
use crate::view;

#[derive(Debug, Args)]
pub struct ShowSession {
    /// A session id, or the jti of one of its tokens, refresh or access
    id: String,
    /// The subject of the session; without it, all keys are searched
    #[arg(long)]
    sub: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    max_age: KnownMaxAge,
    #[command(flatten)]
    settings: OperatorFlags,
}

/// The order of fields in the text for people.
const FIELD_ORDER: [&str; 21] = [
    "session_id",
    "sub",
    "state",
    "given_jti",
    "reason",
    "ended_at",
    "announced",
    "created_at",
    "last_refreshed_at",
    "expires_at",
    "absolute_expires_at",
    "ttl_seconds",
    "generation",
    "jti",
    "prev",
    "client_id",
    "client",
    "first_client",
    "scope",
    "aud",
    "claims",
];

#[derive(Serialize)]
struct ShownSessions {
    sessions: Vec<ShownSession>,
}

#[derive(Serialize)]
struct ShownSession {
    sub: Subject,
    #[serde(flatten)]
    session: view::Session,
    #[serde(rename = "announced", skip_serializing_if = "Option::is_none")]
    published: Option<bool>,
    ttl_seconds: u64,
    #[serde(flatten)]
    token: Option<CurrentToken>,
    /// The place in the session of the given `jti`, or of the refresh token beside the access token of that `jti`.
    #[serde(skip_serializing_if = "Option::is_none")]
    given_jti: Option<&'static str>,
}

impl ShowSession {
    pub fn run(&self) -> Result<()> {
        let wanted = wanted("ID", &self.id)?;
        let subject = self.sub.as_deref().map(|sub| subject("--sub", sub)).transpose()?;
        let redis = as_usage(self.settings.redis())?;
        let sessions = on_runtime(async {
            let mut survey = Survey::open(&redis).await.context("REDIS_URL: cannot be looked into")?;
            find(&mut survey, &wanted, subject.as_ref(), self.max_age.get()).await
        })?;
        if sessions.is_empty() {
            bail!(none(wanted.session, subject.as_ref()));
        }
        if self.json { print_json(&ShownSessions { sessions }) } else { print(&text(&sessions)?) }
    }
}

async fn find(
    survey: &mut Survey,
    wanted: &Wanted,
    subject: Option<&Subject>,
    max_age: Option<Duration>,
) -> Result<Vec<ShownSession>> {
    let subjects = match subject {
        Some(subject) => vec![subject.clone()],
        None => {
            let bar = progress(survey.size().await?);
            survey.subjects_of(wanted.session, bar).await?
        }
    };
    let mut sessions = Vec::new();
    for subject in subjects {
        sessions.extend(shown(wanted, survey.session(&subject, wanted.session, max_age).await?));
    }
    Ok(sessions)
}

/// The text where nothing was found.
fn none(session: SessionId, subject: Option<&Subject>) -> String {
    match subject {
        Some(subject) => {
            let subject = printable(subject.as_str());
            format!(
                "{subject} has no session {session}: unknown, or expired; without --sub, all subjects are searched"
            )
        }
        None => {
            let kept = "one that ended is kept for 24 h (or what TOMBSTONE_TTL_SECONDS of the nodes says)";
            format!("no session {session}: unknown, or expired; {kept}")
        }
    }
}

fn shown(wanted: &Wanted, found: Found) -> Option<ShownSession> {
    let given_jti = wanted.jti.zip(found.token.as_ref()).map(|(jti, token)| place(jti, token));
    let published = match found.lookup {
        Lookup::Ended { published, .. } => Some(published),
        _ => None,
    };
    Some(ShownSession {
        session: view::Session::new(wanted.session, &found.lookup)?,
        sub: found.subject,
        published,
        ttl_seconds: found.ttl.as_secs(),
        token: found.token,
        given_jti,
    })
}

/// The place of a token in its session.
fn place(jti: Jti, token: &CurrentToken) -> &'static str {
    if jti == token.jti {
        "current"
    } else if token.prev == Some(jti) {
        "previous"
    } else {
        "neither current nor previous"
    }
}

fn text(sessions: &[ShownSession]) -> Result<String> {
    let mut blocks = Vec::new();
    for session in sessions {
        let fields = serde_json::to_value(session)?;
        let lines = FIELD_ORDER.iter().filter_map(|name| {
            let text = match &fields[name] {
                Value::Null => return None,
                Value::String(text) => printable(text),
                other => printable(&other.to_string()),
            };
            Some(format!("{name:20} {text}\n"))
        });
        blocks.push(lines.collect::<String>());
    }
    Ok(blocks.join("\n"))
}
