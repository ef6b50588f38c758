//! `token-gateway stats`: the number of sessions, and their memory.

mod report;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use self::report::StatsReport;
use super::output::{print, print_json, progress};
use super::process::on_runtime;
use super::usage::as_usage;
use crate::config::{OperatorFlags, count};
use crate::store::redis::survey::Survey;

#[derive(Debug, Args)]
pub struct Stats {
    /// So many of the subjects with most sessions
    #[arg(long, default_value_t = 10, value_parser = count(0..=u64::MAX, 10))]
    top: u64,
    /// Measure the memory of so many sessions
    #[arg(long, default_value_t = 100, value_parser = count(0..=1_000_000, 100))]
    sample: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: OperatorFlags,
}

impl Stats {
    pub fn run(&self) -> Result<ExitCode> {
        let redis = as_usage(self.settings.redis())?;
        let (top, sample) = (usize::try_from(self.top)?, usize::try_from(self.sample)?);
        on_runtime(async {
            let mut survey = Survey::open(&redis).await.context("REDIS_URL: cannot be looked into")?;
            let bar = progress(survey.size().await?);
            let census = survey.census(sample, bar).await?;
            let (memory, feed) = (survey.memory().await?, survey.feed().await?);
            let report = StatsReport::new(&census, top, memory, &feed, survey.layout());
            if self.json { print_json(&report) } else { print(&report.text()) }
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
