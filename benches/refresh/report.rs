//! The figures for readers: a summary on the terminal, and `BENCHMARKS.md` with plots.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::arrangement::Arrangement;
use crate::company;
use crate::figures::{Figures, Open, cpu, median, rate};
use crate::plot;

/// The folder of the plots, from the repository's root.
const PLOTS: &str = "benches/plots";

/// The wanted figures, beside the measured ones.
fn goals(figures: &Figures) -> Vec<[String; 3]> {
    let counts = figures.counts();
    let mut goals = Vec::new();
    for (clients, wanted) in [(64, 0.8), (256, 1.0)] {
        if counts.contains(&clients) {
            let share = figures.ratio(Arrangement::Gateway, Arrangement::Direct, clients, rate);
            let what = format!("refreshes per second, of what goes straight to Redis, {clients} clients");
            goals.push([what, format!("{share:.2}"), format!("at least {wanted:.1} on four cores")]);
        }
    }
    if counts.contains(&256) {
        let share = figures.ratio(Arrangement::Direct, Arrangement::Gateway, 256, |it| it.redis_cpu_us);
        let what = "refreshes per second of Redis's processor time, of what goes straight to it, 256 clients";
        goals.push([what.into(), format!("{share:.2}"), "above 1: the limit where Redis has a core".into()]);
    }
    if figures.arrangements().any(|one| one == Arrangement::Before) {
        for clients in &counts {
            let share = figures.ratio(Arrangement::Gateway, Arrangement::Before, *clients, rate);
            let what = format!("refreshes per second, of the build before, clients: {clients}");
            goals.push([what, format!("{share:.2}"), "not slower".into()]);
        }
    }
    if counts.contains(&64) {
        let share = figures.ratio(Arrangement::Gateway, Arrangement::Bare, 64, rate);
        let what = "refreshes per second, of the bare multiplexed arrangement, 64 clients";
        goals.push([what.into(), format!("{share:.2}"), "at least 0.9".into()]);
        let share = figures.ratio(Arrangement::Gateway, Arrangement::Empty, 64, cpu);
        let what = "processor time of the node per refresh, of the empty handler's, 64 clients";
        goals.push([what.into(), format!("{share:.2}"), "at most 1.8".into()]);
        let share = figures.ratio(Arrangement::Verify, Arrangement::Empty, 64, rate);
        let what = "/verify per second, of the empty handler, 64 clients";
        goals.push([what.into(), format!("{share:.2}"), "at least 0.7".into()]);
    }
    let p99 = format!("{:.2} ms", figures.offered(0.5, |found| found.p99_us) / 1e3);
    goals.push(["p99 at half of the highest rate, open loop".into(), p99, "below 3 ms".into()]);
    let ready = format!("{:.0} ms", median(figures.ready_ms.iter().copied()));
    goals.push(["from the start of the process to ready".into(), ready, "within 100 ms".into()]);
    goals
}

fn table(out: &mut String, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(out, "| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out.push('\n');
}

pub fn summary(figures: &Figures) -> String {
    let mut out = String::new();
    table(&mut out, &["", "measured", "wanted"], goals(figures).into_iter().map(Vec::from));
    for clients in figures.counts() {
        let _ = writeln!(out, "### {clients} {}\n", if clients == 1 { "client" } else { "clients" });
        closed(&mut out, figures, clients);
    }
    let _ = writeln!(out, "### {} clients, alone and beside hostile ones\n", company::CLIENTS);
    beside(&mut out, figures);
    out
}

fn closed(out: &mut String, figures: &Figures, clients: usize) {
    let head = [
        "",
        "per second",
        "share of the limit",
        "p50",
        "p99",
        "p99.9",
        "CPU node",
        "CPU Redis",
        "CPU driver",
        "failed",
    ];
    let row = |arrangement: Arrangement| {
        let typical = |figure| figures.typical(arrangement, clients, figure);
        let failed: u64 =
            figures.rounds_of(arrangement, clients).flat_map(|one| one.found.failures.values()).sum();
        vec![
            arrangement.name().to_owned(),
            format!("{:.0}", typical(rate)),
            format!("{:.2}", figures.ratio(arrangement, Arrangement::Direct, clients, rate)),
            format!("{:.0} µs", typical(|found| found.p50_us)),
            format!("{:.0} µs", typical(|found| found.p99_us)),
            format!("{:.0} µs", typical(|found| found.p999_us)),
            format!("{:.1} µs", typical(cpu)),
            format!("{:.1} µs", typical(|found| found.redis_cpu_us)),
            format!("{:.1} µs", typical(|found| found.driver_cpu_us)),
            failed.to_string(),
        ]
    };
    table(out, &head, figures.arrangements().map(row));
}

fn open(out: &mut String, figures: &Figures) {
    let head = [
        "offered per second",
        "share of the highest",
        "answered per second",
        "p50",
        "p99",
        "p99.9",
        "failed",
    ];
    let row = |one: &Open| {
        let typical = |figure| figures.offered(one.share, figure);
        let same = figures.open.iter().filter(|other| other.share == one.share);
        let failed: u64 = same.flat_map(|other| other.found.failures.values()).sum();
        vec![
            format!("{:.0}", one.offered_per_second),
            format!("{:.0} %", one.share * 100.0),
            format!("{:.0}", typical(rate)),
            format!("{:.2} ms", typical(|found| found.p50_us) / 1e3),
            format!("{:.2} ms", typical(|found| found.p99_us) / 1e3),
            format!("{:.2} ms", typical(|found| found.p999_us) / 1e3),
            failed.to_string(),
        ]
    };
    table(out, &head, figures.offers().map(row));
}

/// Rates beside hostile clients.
fn beside(out: &mut String, figures: &Figures) {
    let head = ["", "per second", "share of the rate alone", "p50", "p99", "CPU node"];
    let alone = figures.beside(company::Company::Nobody, rate);
    let row = |company: company::Company| {
        let typical = |figure| figures.beside(company, figure);
        vec![
            company.name().to_owned(),
            format!("{:.0}", typical(rate)),
            format!("{:.2}", typical(rate) / alone),
            format!("{:.2} ms", typical(|found| found.p50_us) / 1e3),
            format!("{:.2} ms", typical(|found| found.p99_us) / 1e3),
            format!("{:.1} µs", typical(cpu)),
        ]
    };
    table(out, &head, company::ALL.into_iter().map(row));
}

/// Writes `BENCHMARKS.md` and the plots.
pub fn write(figures: &Figures) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let plots = root.join(PLOTS);
    fs::create_dir_all(&plots)?;
    plot::throughput(figures, &plots.join("throughput.svg"))?;
    plot::processor_time(figures, &plots.join("processor-time.svg"))?;
    plot::latency(figures, &plots.join("latency.svg"))?;
    let mut open_table = String::new();
    open(&mut open_table, figures);
    let starts = &figures.ready_ms;
    let slowest = starts.iter().copied().fold(0.0, f64::max);
    let text = format!(
        include_str!("BENCHMARKS.md.in"),
        cores = figures.cores,
        redis = figures.redis,
        rounds = figures.rounds,
        seconds = figures.seconds,
        plots = PLOTS,
        summary = summary(figures).trim_end(),
        open = open_table.trim_end(),
        starts = starts.len(),
        typical_start = median(starts.iter().copied()),
        slowest_start = slowest,
    );
    fs::write(root.join("BENCHMARKS.md"), text)?;
    println!("wrote BENCHMARKS.md and {PLOTS}");
    Ok(())
}
