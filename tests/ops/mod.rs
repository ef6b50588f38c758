//! The commands in the notes for operators, run as they are printed.

mod certificates;
mod cookbook;
mod end;
mod fence;
mod migration;
mod people;
mod seeds;

use std::path::Path;
use std::process::{Command, Stdio};

/// A bash in the root of the repository, on a server of the test.
pub struct Shell {
    settings: Vec<(String, String)>,
}

/// The end of a command, and its output.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Shell {
    pub fn on(url: &str) -> Self {
        Self { settings: Vec::new() }.with("REDIS_URL", url)
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn run(&self, commands: &str) -> Ended {
        self.run_with(commands, &[])
    }

    /// Runs `commands` to their end; `$1` and so on are `words`.
    pub fn run_with(&self, commands: &str, words: &[&str]) -> Ended {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", commands, "bash"]).args(words);
        bash.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).env_clear();
        bash.env("PATH", std::env::var("PATH").expect("a path"));
        bash.envs(self.settings.iter().map(|(name, value)| (name, value)));
        let output = bash.output().expect("bash is installed");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Demands success; hands back the output.
    #[track_caller]
    pub fn ok(&self, commands: &str) -> String {
        let ended = self.run(commands);
        assert_eq!(ended.code, Some(0), "{commands}\n{ended:?}");
        ended.stdout
    }

    /// One of the service's scripts, sent by redis-cli: the lines it returns.
    #[track_caller]
    pub fn script(&self, name: &str, keys: &[&str], args: &[&str]) -> Vec<String> {
        let file = format!("src/store/redis/scripts/{name}.lua");
        let words = [&[file.as_str()], keys, &[","], args].concat();
        let ended = self.run_with(r#". ops/env; $R --eval "$@""#, &words);
        assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
        ended.stdout.lines().map(str::to_owned).collect()
    }
}

/// The `sh` blocks of a document, each with its heading.
pub fn blocks(document: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = std::fs::read_to_string(path).expect("the document is there");
    let (mut found, mut heading, mut block) = (Vec::new(), String::new(), None::<String>);
    for line in text.lines() {
        match (&mut block, line) {
            (None, "```sh") => block = Some(String::new()),
            (Some(_), "```") => found.extend(block.take().map(|block| (heading.clone(), block))),
            (Some(block), line) => *block += &format!("{line}\n"),
            (None, line) => {
                if let Some(name) = line.strip_prefix("## ") {
                    heading = name.to_owned();
                }
            }
        }
    }
    found
}
