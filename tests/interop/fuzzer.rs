//! A property-based fuzzer, schemathesis: it reads an OpenAPI document, and calls what the document describes, rightly and
//! wrongly. It finds answers of 5xx, and answers that the document does not describe.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use super::foreign::{Ended, bin, clean, run};

/// Beyond this a run hangs; what bounds its work is the number of examples.
const LIMIT: Duration = Duration::from_secs(300);

/// Not among them: checks that say which input must be refused. A document can't describe all that we refuse.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

pub struct Fuzzer<'a> {
    /// Where the gateway is.
    pub url: &'a str,
    /// For each security scheme of the document, by its name, a bearer token; none to call without credentials.
    pub bearers: &'a [(&'a str, &'a str)],
    /// Calls per operation, at most.
    pub examples: u32,
    /// The same makes the same calls.
    pub seed: u32,
}

impl Fuzzer<'_> {
    /// `document` is a file or a URL. Fails where something was found, or not all `operations` were called.
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
        // Nothing is seen of what is behind credentials that are refused.
        let strict = if self.bearers.is_empty() { "" } else { "[warnings]\nfail-on = [\"missing_auth\"]\n" };
        let schemes: String = self.bearers.iter().map(scheme).collect();
        // Methods that are not described would be called to see that they are refused; one of them may be left out of a
        // document because of what it does.
        let methods = "[phases.coverage]\nunexpected-methods = []\n";
        std::fs::write(&settings, [strict, &schemes, methods].concat()).expect("written");
        // By the interpreter, because the script's first line names the folder that it was installed in.
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

/// A document in a file, and the folder that holds it until it is dropped.
pub fn file(document: &serde_json::Value) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("openapi.json");
    std::fs::write(&path, document.to_string()).expect("written");
    let path = path.to_str().expect("text").to_owned();
    (folder, path)
}
