//! The result of a run: on the terminal, as a dated Markdown page, and as JSON for scripts.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::scenario::Finding;

pub struct Report {
    date: String,
    seed: u64,
    full: bool,
    machine: Vec<(&'static str, String)>,
    scenarios: Vec<(&'static str, Duration, Finding)>,
}

impl Report {
    pub fn new(seed: u64, full: bool) -> Self {
        let date = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
        Self { date, seed, full, machine: machine(), scenarios: Vec::new() }
    }

    pub fn add(&mut self, name: &'static str, took: Duration, finding: Finding) {
        self.scenarios.push((name, took, finding));
    }

    pub fn holds(&self) -> bool {
        self.scenarios.iter().all(|(_, _, finding)| finding.broken.is_empty())
    }

    /// Writes the page, to the given path or under its date, and returns its path.
    pub fn write(&self, there: Option<PathBuf>) -> std::io::Result<PathBuf> {
        let path = there.map_or_else(|| self.dated(), Ok)?;
        fs::write(&path, self.page())?;
        Ok(path)
    }

    fn dated(&self) -> std::io::Result<PathBuf> {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../proof");
        fs::create_dir_all(&folder)?;
        Ok(folder.canonicalize()?.join(format!("{}.md", self.date)))
    }

    fn page(&self) -> String {
        let mut page = format!("# Proof of {}\n\n", self.date);
        let length = if self.full { "full length" } else { "a tenth of the counts" };
        let _ = writeln!(page, "Seed {}, {length}.\n\n| machine | |\n|---|---|", self.seed);
        for (name, value) in &self.machine {
            let _ = writeln!(page, "| {name} | {value} |");
        }
        for (name, took, finding) in &self.scenarios {
            let verdict = if finding.broken.is_empty() { "holds" } else { "BROKEN" };
            let _ = writeln!(page, "\n## {name}: {verdict}, {:.0} s\n\n| | |\n|---|---|", took.as_secs_f64());
            for (what, value) in &finding.measured {
                let _ = writeln!(page, "| {what} | {value} |");
            }
            for broken in finding.broken.iter().take(5) {
                let _ = writeln!(page, "\n**{}**\n\n```text\n{}\n```", broken.promise, broken.excerpt);
            }
        }
        page
    }

    pub fn json(&self) -> Value {
        let scenarios = self.scenarios.iter().map(|(name, took, finding)| {
            let measured: serde_json::Map<_, _> =
                finding.measured.iter().map(|(what, value)| (what.clone(), json!(value))).collect();
            let broken: Vec<_> = finding
                .broken
                .iter()
                .map(|broken| json!({ "promise": broken.promise, "excerpt": broken.excerpt }))
                .collect();
            json!({ "name": name, "seconds": took.as_secs_f64(), "measured": measured, "broken": broken })
        });
        json!({
            "date": self.date, "seed": self.seed, "full": self.full, "holds": self.holds(),
            "machine": self.machine.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "scenarios": scenarios.collect::<Vec<_>>(),
        })
    }
}

fn machine() -> Vec<(&'static str, String)> {
    let told = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned())
    };
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    vec![
        ("cores", std::thread::available_parallelism().map_or_else(|_| "?".to_owned(), |n| n.to_string())),
        ("processor", model.map_or("?", |(_, model)| model).to_owned()),
        ("redis-server", told("redis-server", &["--version"]).unwrap_or_default()),
        ("commit", told("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "?".to_owned())),
        ("build", if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned()),
    ]
}
