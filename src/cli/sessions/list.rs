//! `token-gateway sessions list`.

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use token_gateway_core::session::Subject;

use super::argument::subject;
use crate::cli::output::{print, print_json, printable, progress, table};
use crate::cli::process::on_runtime;
use crate::cli::usage::as_usage;
use crate::config::{KnownMaxAge, OperatorFlags, count};
use crate::store::redis::survey::{Census, Survey};
use crate::telemetry::logging::say;
use crate::view;

/// The longest text for a device in a table, in characters.
const DEVICE_LEN: usize = 40;

#[derive(Debug, Args)]
pub struct ListSessions {
    /// The subject of the sessions; without it: how many sessions each subject has
    sub: Option<String>,
    /// At most so many subjects, those with most sessions first
    #[arg(long, default_value_t = 100, conflicts_with = "sub", value_parser = count(1..=u64::MAX, 100))]
    limit: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    max_age: KnownMaxAge,
    #[command(flatten)]
    settings: OperatorFlags,
}

/// The subjects with sessions.
#[derive(Serialize)]
struct Subjects<'a> {
    subjects: Vec<Counted<'a>>,
    /// The number of further subjects.
    more: usize,
}

/// A subject and its number of live sessions.
#[derive(Serialize)]
pub struct Counted<'a> {
    pub sub: &'a Subject,
    pub sessions: u64,
}

impl ListSessions {
    pub fn run(&self) -> Result<()> {
        let subject = self.sub.as_deref().map(|sub| subject("SUB", sub)).transpose()?;
        let redis = as_usage(self.settings.redis())?;
        on_runtime(async {
            let mut survey = Survey::open(&redis).await.context("REDIS_URL: cannot be looked into")?;
            match subject {
                Some(subject) => {
                    let sessions = survey.sessions(&subject, self.max_age.get()).await?;
                    self.sessions(&view::SessionList::new(&sessions, None))
                }
                None => {
                    let bar = progress(survey.size().await?);
                    self.subjects(&survey.census(0, bar).await?)
                }
            }
        })
    }

    fn sessions(&self, found: &view::SessionList) -> Result<()> {
        if self.json {
            return print_json(found);
        }
        let header = ["SESSION", "DEVICE", "CLIENT_ID", "CREATED", "REFRESHED", "EXPIRES", "GEN"];
        let row = |item: &view::ListedSession| {
            let (created, refreshed) = (item.created_at.clone(), item.last_refreshed_at.clone());
            let (id, client) = (item.session_id.to_string(), printable(&item.client_id));
            [
                id,
                device(&item.client),
                client,
                created,
                refreshed,
                item.expires_at.clone(),
                item.generation.to_string(),
            ]
        };
        print(&table(header, found.sessions.iter().map(row)))
    }

    fn subjects(&self, census: &Census) -> Result<()> {
        let ranked = counted(census, usize::try_from(self.limit)?);
        let more = census.subjects.len() - ranked.len();
        if self.json {
            return print_json(&Subjects { subjects: ranked, more });
        }
        print(&subjects_table(&ranked))?;
        if more > 0 {
            say(format!("{more} subjects more; --limit shows more of them\n"));
        }
        Ok(())
    }
}

/// The subjects with most sessions, sorted by name if they have equally many.
pub fn counted(census: &Census, most: usize) -> Vec<Counted<'_>> {
    let mut all: Vec<_> = census.subjects.iter().map(|(sub, &sessions)| Counted { sub, sessions }).collect();
    all.sort_by_key(|one| (std::cmp::Reverse(one.sessions), one.sub));
    all.truncate(most);
    all
}

pub fn subjects_table(subjects: &[Counted<'_>]) -> String {
    let row = |one: &Counted<'_>| [one.sessions.to_string(), printable(one.sub.as_str())];
    table(["SESSIONS", "SUB"], subjects.iter().map(row))
}

/// The device as its user would know it, shortened.
fn device(client: &Value) -> String {
    let known = ["label", "user_agent", "ip"].into_iter().find_map(|name| client[name].as_str());
    let text = printable(known.unwrap_or("-"));
    match text.char_indices().nth(DEVICE_LEN) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
