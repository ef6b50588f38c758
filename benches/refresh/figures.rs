//! The figures of a run, and their medians.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::arrangement::{ALL, Arrangement};
use crate::company::Company;

/// All figures of a run.
#[derive(Serialize)]
pub struct Figures {
    pub cores: usize,
    pub redis: String,
    pub seconds: f64,
    pub rounds: usize,
    pub closed: Vec<Closed>,
    pub open: Vec<Open>,
    pub beside: Vec<Beside>,
    /// Milliseconds from the start of the process to the first 200 of `/readyz`.
    pub ready_ms: Vec<f64>,
}

/// One arrangement, one number of clients, one round.
#[derive(Serialize)]
pub struct Closed {
    pub arrangement: Arrangement,
    pub clients: usize,
    pub round: usize,
    #[serde(flatten)]
    pub found: Found,
}

/// One rate offered to the gateway, one round.
#[derive(Serialize)]
pub struct Open {
    pub round: usize,
    /// The share of the highest closed-loop rate.
    pub share: f64,
    pub offered_per_second: f64,
    #[serde(flatten)]
    pub found: Found,
}

/// Refreshes in a closed loop beside hostile clients, one round.
#[derive(Serialize)]
pub struct Beside {
    pub company: Company,
    pub round: usize,
    #[serde(flatten)]
    pub found: Found,
}

#[derive(Serialize)]
pub struct Found {
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    /// Processor time per request, microseconds.
    pub node_cpu_us: f64,
    pub redis_cpu_us: f64,
    pub driver_cpu_us: f64,
    /// Failures by cause, and their counts.
    pub failures: BTreeMap<String, u64>,
}

impl Figures {
    pub fn failures(&self) -> u64 {
        let all = self.closed.iter().map(|one| &one.found);
        let all = all.chain(self.open.iter().map(|one| &one.found));
        let all = all.chain(self.beside.iter().map(|one| &one.found));
        all.flat_map(|found| found.failures.values()).sum()
    }

    /// The numbers of clients measured, ascending.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts: Vec<usize> = self.closed.iter().map(|one| one.clients).collect();
        counts.sort_unstable();
        counts.dedup();
        counts
    }

    pub fn rounds_of(&self, arrangement: Arrangement, clients: usize) -> impl Iterator<Item = &Closed> {
        self.closed.iter().filter(move |one| one.arrangement == arrangement && one.clients == clients)
    }

    /// The median of the rounds.
    pub fn typical(&self, arrangement: Arrangement, clients: usize, figure: fn(&Found) -> f64) -> f64 {
        median(self.rounds_of(arrangement, clients).map(|one| figure(&one.found)))
    }

    /// The median of the rounds beside this company.
    pub fn beside(&self, company: Company, figure: fn(&Found) -> f64) -> f64 {
        median(self.beside.iter().filter(|one| one.company == company).map(|one| figure(&one.found)))
    }

    /// The arrangements measured, in the order of a round.
    pub fn arrangements(&self) -> impl Iterator<Item = Arrangement> {
        ALL.into_iter().filter(|one| self.closed.iter().any(|found| found.arrangement == *one))
    }

    /// The median of the rounds with this share of the highest rate.
    pub fn offered(&self, share: f64, figure: fn(&Found) -> f64) -> f64 {
        median(self.open.iter().filter(|one| one.share == share).map(|one| figure(&one.found)))
    }

    /// The rates offered, ascending.
    pub fn offers(&self) -> impl Iterator<Item = &Open> {
        self.open.iter().filter(|one| one.round == 0)
    }

    /// The median of the ratios within each round.
    pub fn ratio(&self, of: Arrangement, to: Arrangement, clients: usize, figure: fn(&Found) -> f64) -> f64 {
        let pairs = self.rounds_of(of, clients).zip(self.rounds_of(to, clients));
        median(pairs.map(|(of, to)| figure(&of.found) / figure(&to.found)))
    }
}

pub fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let Some(last) = figures.len().checked_sub(1) else { return f64::NAN };
    (figures[last / 2] + figures[figures.len() / 2]) / 2.0
}

pub fn rate(found: &Found) -> f64 {
    found.per_second
}

pub fn cpu(found: &Found) -> f64 {
    found.node_cpu_us
}
