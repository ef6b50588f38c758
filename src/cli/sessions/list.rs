//! `token-gateway sessions list`.

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use token_gateway_core::session::Subject;

use super::argument::subject;
use super::of_subject::{EndedSessions, OfSubject};
use crate::cli::output::{print, print_json, progress, table};
use crate::cli::process::on_runtime;
use crate::cli::usage::{UsageError, as_usage};
use crate::config::{KnownMaxAge, OperatorFlags, count};
use crate::shown_value::printable;
use crate::store::redis::survey::{Census, EndedRecord, Survey};
use crate::telemetry::logging::say;
use crate::view::{SessionList, Tombstone};

/// How much of a long list is shown unless told otherwise.
const LIMIT: u64 = 100;

#[derive(Debug, Args)]
pub struct ListSessions {
    /// The subject of the sessions; without it: how many sessions each subject has
    sub: Option<String>,
    /// Show ended ones, too, as long as their tombstones are kept
    #[arg(long, requires = "sub")]
    ended: bool,
    /// At most so many subjects, those with most sessions first; with --ended: so many ended sessions, the latest first
    /// [default: 100]
    #[arg(long, value_parser = count(1..=u64::MAX, 100))]
    limit: Option<u64>,
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
        if subject.is_some() && !self.ended && self.limit.is_some() {
            let problem = "goes with --ended, or without SUB; the live sessions of a subject are all listed";
            return Err(UsageError(format!("--limit: {problem}")).into());
        }
        let redis = as_usage(self.settings.redis())?;
        on_runtime(async {
            let mut survey = Survey::open(&redis).await.context("REDIS_URL: cannot be looked into")?;
            match subject {
                Some(subject) => self.sessions(&self.of_subject(&mut survey, &subject).await?),
                None => {
                    let bar = progress(survey.size().await?);
                    self.subjects(&survey.census(0, bar).await?)
                }
            }
        })
    }

    async fn of_subject<'a>(&self, survey: &mut Survey, subject: &'a Subject) -> Result<OfSubject<'a>> {
        let mut live = survey.sessions(subject, self.max_age.get()).await?;
        let ended = match self.ended {
            false => None,
            true => {
                let bar = progress(survey.size_beside(subject).await?);
                let ended = survey.ended(subject, bar).await?;
                live.retain(|record| ended.iter().all(|one| one.session != record.session)); // ended meanwhile
                Some(self.latest(&ended)?)
            }
        };
        Ok(OfSubject { subject, live: SessionList::new(&live, None), ended })
    }

    fn latest(&self, ended: &[EndedRecord]) -> Result<EndedSessions> {
        let most = ended.len().min(self.most()?);
        let shown = ended[..most].iter();
        let shown = shown.map(|one| Tombstone::new(one.session, one.reason, one.ended_at)).collect();
        Ok(EndedSessions { ended: shown, more: ended.len() - most })
    }

    fn most(&self) -> Result<usize> {
        Ok(usize::try_from(self.limit.unwrap_or(LIMIT))?)
    }

    fn sessions(&self, found: &OfSubject<'_>) -> Result<()> {
        if self.json {
            return print_json(found);
        }
        print(&found.text())?;
        let more = found.ended.as_ref().map_or(0, |ended| ended.more);
        if more > 0 {
            say(format!("{more} ended sessions more; --limit shows more of them\n"));
        }
        Ok(())
    }

    fn subjects(&self, census: &Census) -> Result<()> {
        let ranked = counted(census, self.most()?);
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
