//! The promises under faults: concurrent clients over several gateway processes, with real Redis, Sentinel and Cluster.
//! Many kinds of faults strike. Every call and answer is recorded, and the record is checked.
//!
//! `cargo test` runs the scenarios at a tenth of the counts, and `scripts/prove` at full length.

mod check;
mod client;
mod history;
mod report;
mod scenario;
mod store;

use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{LazyLock, OnceLock};
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use token_gateway_testkit::gateway::Binary;

use self::report::Report;
use self::scenario::{ALL, Finding, Run, Scenario};

/// The gateway of this build, or another one to compare with.
static GATEWAY: LazyLock<Binary> = LazyLock::new(|| {
    Binary(CHOSEN_GATEWAY.get().map_or(env!("CARGO_BIN_EXE_token-gateway"), String::as_str))
});

static CHOSEN_GATEWAY: OnceLock<String> = OnceLock::new();

/// Puts the promises to the proof. Exit codes: 0 all hold, 1 one was broken, 2 wrong usage.
#[derive(Parser)]
struct Args {
    /// Only scenarios whose name contains one of these
    filters: Vec<String>,
    /// At full length; a tenth of the counts otherwise
    #[arg(long)]
    full: bool,
    /// The seed of all random choices; another one each time, unless given
    #[arg(long)]
    seed: Option<u64>,
    /// Print the report as JSON on standard output
    #[arg(long)]
    json: bool,
    /// Write the report here, and not into target/proof
    #[arg(long)]
    report: Option<PathBuf>,
    /// The gateway to put to the proof: another build, to compare with
    #[arg(long)]
    gateway: Option<String>,
    /// Print the scenarios' names
    #[arg(long)]
    list: bool,
    /// An option of `cargo test`, without effect here
    #[arg(long, hide = true)]
    nocapture: bool,
    #[arg(long, hide = true)]
    exact: bool,
    #[arg(long, hide = true)]
    test_threads: Option<usize>,
    #[arg(long, hide = true)]
    skip: Vec<String>,
}

fn main() -> ExitCode {
    let mut args = Args::parse();
    if let Some(gateway) = args.gateway.take() {
        CHOSEN_GATEWAY.set(gateway).expect("set once");
    }
    let is_chosen = |scenario: &&Scenario| {
        let named = args.filters.iter().any(|filter| scenario.name.contains(filter.as_str()));
        (args.filters.is_empty() || named)
            && !args.skip.iter().any(|skip| scenario.name.contains(skip.as_str()))
    };
    let chosen: Vec<_> = ALL.iter().filter(is_chosen).collect();
    if args.list {
        chosen.iter().for_each(|scenario| println!("{}", scenario.name));
        return ExitCode::SUCCESS;
    }
    if chosen.is_empty() {
        return ExitCode::SUCCESS; // `cargo test <something else>`
    }
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    eprintln!(
        "proof: {} scenarios, --seed {seed}{}",
        chosen.len(),
        if args.full { ", full length" } else { "" }
    );
    let mut report = Report::new(seed, args.full);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    for scenario in chosen {
        let began = Instant::now();
        let run = Run { full: args.full, seed, bar: bar(scenario.name) };
        let finding = catch_unwind(AssertUnwindSafe(|| runtime.block_on((scenario.run)(run.clone()))));
        let finding = finding.unwrap_or_else(|_| Finding::of_a_panic());
        run.bar.finish_and_clear();
        tell(scenario.name, &finding, began);
        report.add(scenario.name, began.elapsed(), finding);
    }
    match report.write(args.report) {
        Ok(path) => eprintln!("report: {}", path.display()),
        Err(error) => eprintln!("error: the report cannot be written: {error}"),
    }
    if args.json {
        println!("{:#}", report.json());
    }
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn bar(name: &'static str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = ProgressStyle::with_template("{msg:26} {wide_bar} {pos}/{len} {eta}").expect("a template");
    ProgressBar::with_draw_target(None, target).with_style(style).with_message(name)
}

fn tell(name: &str, finding: &Finding, began: Instant) {
    let verdict = if finding.broken.is_empty() { "holds" } else { "BROKEN" };
    eprintln!("{verdict:6} {name:26} {:.0} s", began.elapsed().as_secs_f64());
    for (what, value) in &finding.measured {
        eprintln!("         {what}: {value}");
    }
    for broken in finding.broken.iter().take(3) {
        eprintln!("  broken: {}\n{}", broken.promise, broken.excerpt);
    }
}
