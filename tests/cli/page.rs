//! `docs/reference/cli.md`, made from the help of all commands.

use std::fmt::Write;

use super::help::{COMMANDS, help, settings};

const BEGINNING: &str = "\
# Commands

`token-gateway <command> -h` has a line for each flag, and `--help` the whole text. A test makes this page from that text.

- **Settings** are flags of a command, too: [settings.md](settings.md) has their meaning. A flag wins over its variable. Secrets have no flag.
- **Values with a dash.** `sessions end -Vpl4 4830719265501837429` ends a session of the subject `-Vpl4`. A value that begins with two dashes, or is `-h` or `-V`, stands behind `--`. For an option, it stands behind `=`: `--sub=--alice`.
- **Exit codes** are 0 for success, 1 for a failure or a problem found by `check`, and 2 for wrong usage or settings. [errors.md](errors.md#in-the-log-and-on-the-command-line) says more.
";

/// The parts of a help text.
#[derive(Default)]
struct Help {
    about: Vec<String>,
    usage: String,
    /// Arguments and flags that are no settings, each with its meaning.
    own: Vec<(String, String)>,
    settings: Vec<String>,
}

impl Help {
    fn read(text: &str) -> Self {
        let mut help = Self::default();
        let mut lines = text.lines().peekable();
        let (mut paragraph, mut is_of_secrets) = (String::new(), false);
        while let Some(line) = lines.next() {
            if let Some(usage) = line.strip_prefix("Usage: ") {
                help.usage = usage.to_owned();
            } else if help.usage.is_empty() {
                help.read_about(line, &mut paragraph);
            } else if !line.starts_with(' ') {
                is_of_secrets = line.starts_with("Secrets, ") || (is_of_secrets && line.is_empty());
            } else if is_of_secrets {
                let name = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '));
                help.settings.extend(name.and_then(|rest| rest.split(' ').next()).map(str::to_owned));
            } else {
                let mut said = Vec::new();
                while let Some(more) = lines.next_if(|more| more.is_empty() || more.starts_with("          "))
                {
                    said.push(more.trim());
                }
                help.add(line.trim(), &joined(&said));
            }
        }
        help
    }

    fn read_about(&mut self, line: &str, paragraph: &mut String) {
        if !line.is_empty() {
            *paragraph += if paragraph.is_empty() { "" } else { " " };
            *paragraph += line;
        } else if !paragraph.is_empty() {
            self.about.push(std::mem::take(paragraph));
        }
    }

    fn add(&mut self, name: &str, said: &str) {
        let setting = said.split_once("[env: ").and_then(|(_, rest)| rest.split('=').next());
        if let Some(setting) = setting {
            self.settings.push(setting.to_owned());
        } else if !["-h, --help", "-V, --version"].contains(&name) {
            self.own.push((name.to_owned(), said.to_owned()));
        }
    }
}

/// Paragraphs in one cell.
fn joined(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines.iter().filter(|line| !line.is_empty()) {
        let is_new_sentence = !text.is_empty() && !text.ends_with('.') && !line.starts_with('[');
        text += if is_new_sentence { "." } else { "" };
        text += if text.is_empty() { "" } else { " " };
        text += line;
    }
    text
}

/// A sentence has its full stop on a page.
fn sentence(text: &str) -> String {
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

fn section(command: &[&str]) -> String {
    let help = Help::read(&help(command, "--help"));
    let mut section = format!("\n## `{}`\n", command.join(" "));
    for paragraph in &help.about {
        let _ = write!(section, "\n{}\n", sentence(paragraph));
    }
    let _ = write!(section, "\n```text\n{}\n```\n", help.usage);
    if !help.own.is_empty() {
        section += "\n| argument or flag | meaning |\n|---|---|\n";
    }
    for (name, said) in &help.own {
        let _ = writeln!(section, "| `{name}` | {} |", said.replace('|', "\\|"));
    }
    let names: Vec<_> = help.settings.iter().map(|name| format!("`{name}`")).collect();
    if names.len() == settings().len() {
        section += "\nSettings: all of them.\n";
    } else if !names.is_empty() {
        let _ = write!(section, "\nSettings: {}.\n", names.join(", "));
    }
    section
}

/// The help is declared once. With `UPDATE_PAGES=1` in its environment, this test writes the page.
#[test]
fn the_page_of_commands_is_the_one_that_their_help_makes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/cli.md");
    let sections: String = COMMANDS.iter().map(|command| section(command)).collect();
    let page = format!("{BEGINNING}{sections}");
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(path, &page).expect("it can be written");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == page, "docs/reference/cli.md is stale; run this test with UPDATE_PAGES=1");
}
