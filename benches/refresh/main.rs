//! The speed of a refresh, and its distance from the limit of Redis.
//!
//! ```sh
//! cargo bench --bench refresh              # measures; writes BENCHMARKS.md and its plots, unless a request failed
//! cargo bench --bench refresh -- --json    # prints the figures and writes nothing
//! cargo bench --bench refresh -- --quick   # a first impression, in a minute; writes nothing
//! cargo bench --bench refresh -- --before /path/to/token-gateway   # another build takes turns with this one
//! ```
//!
//! The benchmark needs redis-server. It starts all servers on loopback, and stops them again. Exit codes: 0 measured;
//! 1 a request failed, or a server did not start; 2 wrong usage.
//!
//! - `chain`: the requests of a client.
//! - `load`: closed and open loop.
//! - `arrangement`: the arrangements to compare.
//! - `node`: the nodes to compare with.
//! - `process`: the start of processes, and their processor time.
//! - `measure`: the measurements.
//! - `closed_loop`: one measurement of one arrangement.
//! - `beside`, `company`: the rate beside hostile clients.
//! - `figures`: the figures of a run, and their medians.
//! - `report`, `plot`: the figures on pages and plots.

mod arrangement;
mod beside;
mod chain;
mod closed_loop;
mod company;
mod figures;
mod load;
mod measure;
mod node;
mod plot;
mod process;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use self::measure::Plan;

/// The gateway's own allocator, because this program also serves the nodes to compare with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(version, about = "Measures refreshes against the limit of Redis itself")]
struct Cli {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Rounds; each measures every arrangement in turn, and the median of the rounds counts
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    /// Numbers of clients
    #[arg(long, value_delimiter = ',', default_value = "1,8,64,256")]
    clients: Vec<usize>,
    /// The gateway to measure: another build, to compare with
    #[arg(long, default_value = env!("CARGO_BIN_EXE_token-gateway"))]
    gateway: PathBuf,
    /// A build to compare with, such as the one before a change: both take turns within each round
    #[arg(long, value_name = "GATEWAY")]
    before: Option<PathBuf>,
    /// One round of one second, with 64 clients
    #[arg(long)]
    quick: bool,
    /// Print the figures as JSON; write nothing
    #[arg(long)]
    json: bool,
    /// An option of `cargo bench`, without effect
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve as a node to compare with
    #[command(hide = true)]
    Node(node::Node),
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    if let Some(Command::Node(node)) = &cli.command {
        node.run()?;
        return Ok(ExitCode::SUCCESS);
    }
    let (seconds, rounds, clients) =
        if cli.quick { (1.0, 1, vec![64]) } else { (cli.seconds, cli.rounds, cli.clients) };
    let plan = Plan { gateway: cli.gateway, before: cli.before, seconds, rounds, clients };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let figures = runtime.block_on(measure::run(&plan))?;
    let sound = figures.failures() == 0;
    if cli.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        print!("{}", report::summary(&figures));
        if sound && plan.is_complete() {
            report::write(&figures)?;
        }
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
