//! A property-based fuzzer, schemathesis. It reads an OpenAPI document, and sends the described calls, rightly and
//! wrongly. It finds answers of 5xx, and answers outside the document.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use super::foreign::{Ended, bin, clean, run};

/// Beyond this a run hangs; the number of examples bounds its work.
const LIMIT: Duration = Duration::from_secs(300);

/// Without the checks for input to be refused: a document can't describe all our refusals.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

pub struct Fuzzer<'a> {
    /// The address of the gateway.
    pub url: &'a str,
    /// For each security scheme of the document, by its name, a bearer token; none to call without credentials.
    pub bearers: &'a [(&'a str, &'a str)],
    /// Calls per operation, at most.
    pub examples: u32,
    /// The same seed makes the same calls.
    pub seed: u32,
}

impl Fuzzer<'_> {
    /// `document` is a file or a URL. Fails at any finding, or if not all `operations` were called.
    pub async fn run(&self, document: &str, operations: usize) -> Result<(), String> {
        let folder = tempfile::tempdir().expect("a folder");
        let Ended { success, text } = run("schemathesis", self.command(document, folder.path()), LIMIT).await;
        let lines = [format!("Selected: {operations}/{operations}"), format!("Tested: {operations}")];
        let is_whole = lines.iter().all(|wanted| text.lines().any(|line| line.trim() == wanted));
        if success && is_whole { Ok(()) } else { Err(text) }
    }

    fn command(&self, document: &str, folder: &Path) -> Command {
        let settings = folder.join("schemathesis.toml");
        let scheme =
            |(name, bearer): &(&str, &str)| format!("[auth.openapi.{name}]\nbearer = \"{bearer}\"\n");
        // Refused credentials would hide everything behind them.
        let strict = if self.bearers.is_empty() { "" } else { "[warnings]\nfail-on = [\"missing_auth\"]\n" };
        let schemes: String = self.bearers.iter().map(scheme).collect();
        // The fuzzer would call undescribed methods, to see them refused; but a method can be left out of a document
        // because of its effects.
        let methods = "[phases.coverage]\nunexpected-methods = []\n";
        std::fs::write(&settings, [strict, &schemes, methods].concat()).expect("written");
        // By the interpreter, because the script's first line names the folder of its installation.
        let mut command = clean(Command::new(bin("python")));
        command.arg(bin("schemathesis"));
        command.env("PYTHONUTF8", "1").env("HOME", folder).current_dir(folder);
        command.arg("--config-file").arg(settings).args(["run", document, "--url", self.url]);
        command.args(["--phases", "examples,coverage,fuzzing", "--checks", CHECKS]);
        command.args(["--max-examples", &self.examples.to_string(), "--seed", &self.seed.to_string()]);
        // Nothing is remembered from run to run.
        command.args(["--generation-database", "none", "--no-color"]);
        command
    }
}

/// A document in a file, and its folder, which exists until it is dropped.
pub fn file(document: &serde_json::Value) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("openapi.json");
    std::fs::write(&path, document.to_string()).expect("written");
    let path = path.to_str().expect("text").to_owned();
    (folder, path)
}
