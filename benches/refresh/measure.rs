//! The measurements. All arrangements take turns within each round, in the opposite order in every other one. Ratios are made
//! within a round, and the median of the rounds counts, because machines are shared and noisy.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use token_gateway::gateway::service_keys::NewServiceKey;

use crate::arrangement::{ALL, Arrangement, Running};
use crate::beside::{self, Pace};
use crate::closed_loop::{cpu, one_closed};
use crate::company;
use crate::figures::{Closed, Figures, Found, Open};
use crate::load::open;
use crate::process::{Process, environment};

/// Open loop: clients at hand, and rates as shares of the highest closed-loop rate.
const OPEN_CLIENTS: usize = 256;
const SHARES: [f64; 5] = [0.1, 0.25, 0.5, 0.7, 0.85];

/// The number of starts to time.
const STARTS: usize = 20;

pub struct Plan {
    /// The program of `token-gateway serve`.
    pub gateway: PathBuf,
    /// The same of another build, to compare with.
    pub before: Option<PathBuf>,
    pub seconds: f64,
    pub rounds: usize,
    pub clients: Vec<usize>,
}

impl Plan {
    /// The arrangements, each with the gateway's program that it may need.
    fn programs(&self) -> impl Iterator<Item = (Arrangement, &Path)> {
        ALL.into_iter().filter_map(|one| {
            let program = if one == Arrangement::Before { self.before.as_ref()? } else { &self.gateway };
            Some((one, program.as_path()))
        })
    }

    /// Whether the plan measures this build, with all numbers of clients in `BENCHMARKS.md`.
    pub fn is_complete(&self) -> bool {
        let wanted = [1, 8, 64, 256].iter().all(|count| self.clients.contains(count));
        wanted && self.gateway == Path::new(env!("CARGO_BIN_EXE_token-gateway"))
    }
}

pub async fn run(plan: &Plan) -> Result<Figures> {
    let redis = Process::redis()?;
    let time = Duration::from_secs_f64(plan.seconds);
    let running = plan.programs().map(|(one, program)| Running::start(one, program, &redis));
    let running = running.collect::<Result<Vec<Running>>>()?;
    let progress = progress(plan);
    let mut measured = Vec::new();
    for &count in &plan.clients {
        let mut clients = Vec::new();
        for one in &running {
            clients.push(one.clients(&redis, count).await?);
        }
        for round in 0..plan.rounds {
            let mut turns: Vec<_> = running.iter().zip(&mut clients).collect();
            if round % 2 == 1 {
                turns.reverse(); // a measurement is touched by the one before it
            }
            for (one, clients) in turns {
                progress.set_message(format!("{count} clients, {}", one.arrangement.name()));
                let found = one_closed(one, &redis, clients, time).await;
                measured.push(Closed { arrangement: one.arrangement, clients: count, round, found });
                progress.inc(1);
            }
        }
    }
    let highest = measured.iter().filter(|one| one.arrangement == Arrangement::Gateway);
    let highest = highest.map(|one| one.found.per_second).fold(0.0, f64::max);
    let gateway = running.into_iter().find(|one| one.arrangement == Arrangement::Gateway);
    let gateway = gateway.expect("it is one of all"); // the other nodes are dropped and end: even idle ones take time
    let open = open_loop(&gateway, &redis, highest, plan, &progress).await?;
    let pace = Pace { rounds: plan.rounds, time };
    let beside = beside::measure(&gateway, &redis, pace, |company| {
        progress.set_message(format!("{} clients {}", company::CLIENTS, company.name()));
        progress.inc(1);
    });
    let beside = beside.await?;
    progress.set_message("starts");
    let ready_ms = (0..STARTS).map(|_| time_to_ready(&plan.gateway, &redis)).collect::<Result<_>>()?;
    progress.finish_and_clear();
    let cores = std::thread::available_parallelism()?.get();
    let (redis, seconds, rounds) = (redis.version()?, plan.seconds, plan.rounds);
    Ok(Figures { cores, redis, seconds, rounds, closed: measured, open, beside, ready_ms })
}

fn progress(plan: &Plan) -> ProgressBar {
    let steps =
        plan.rounds * (plan.clients.len() * plan.programs().count() + SHARES.len() + company::ALL.len());
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} ({eta} left)");
    ProgressBar::new(steps as u64).with_style(style.expect("a sound template"))
}

async fn open_loop(
    gateway: &Running,
    redis: &Process,
    highest: f64,
    plan: &Plan,
    progress: &ProgressBar,
) -> Result<Vec<Open>> {
    let mut clients = gateway.clients(redis, OPEN_CLIENTS).await?;
    let (mut measured, time) = (Vec::new(), Duration::from_secs_f64(plan.seconds));
    for (round, share) in (0..plan.rounds).flat_map(|round| SHARES.map(|share| (round, share))) {
        progress.set_message(format!("open loop at {:.0} %", share * 100.0));
        let offered_per_second = highest * share;
        let before = cpu(gateway, redis);
        let (used, seen) = open(clients, offered_per_second, time).await;
        clients = used;
        measured.push(Open {
            round,
            share,
            offered_per_second,
            found: Found::new(seen, before, cpu(gateway, redis)),
        });
        progress.inc(1);
    }
    Ok(measured)
}

/// Milliseconds from the start of a node to the first 200 of `/readyz`.
fn time_to_ready(gateway: &Path, redis: &Process) -> Result<f64> {
    let key = NewServiceKey::generate("bench", &[])?;
    let address = crate::process::free_address()?;
    let began = Instant::now();
    let mut command = Command::new(gateway);
    command.arg("serve").env_clear().envs(environment(redis, &key)).env("BIND_ADDR", &address);
    let _node = Process::spawn(&mut command)?;
    while TcpStream::connect(&address).is_err() {
        if began.elapsed() > Duration::from_secs(10) {
            bail!("a node did not start");
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    while agent.get(format!("http://{address}/readyz")).call().context("a node answers")?.status() != 200 {
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(began.elapsed().as_secs_f64() * 1e3)
}
