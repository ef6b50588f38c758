//! Each printed command of ours is there, with its flags: `token-gateway …`, `scripts/…`, and the proof of one page.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use super::blocks::{blocks, repository};
use crate::links;

/// The words before the arguments of the program.
const PROGRAM: [&str; 4] = ["token-gateway ", "token-gateway:local ", "--release -- ", "run --rm operator "];

/// A line that `dev` prints, and an argument of `docker build`.
const NO_COMMANDS: [&str; 2] = ["dev on http", "."];

/// Code of all pages: lines of blocks for a shell, and spans. The changelog has that of its time.
fn code() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for page in links::pages().into_iter().filter(|page| !page.ends_with("CHANGELOG.md")) {
        let name = page.to_str().expect("text").to_owned();
        let lines = blocks(&name, "sh").concat().replace("\\\n", "");
        found.extend(lines.lines().map(|line| (name.clone(), line.to_owned())));
        for (_, line) in links::prose(&links::text(&page)) {
            found.extend(links::spans(&line).into_iter().map(|span| (name.clone(), span.to_owned())));
        }
    }
    found
}

/// The arguments behind some words, up to the end of the command.
fn arguments(rest: &str) -> Vec<&str> {
    let end = rest.find(['#', '|', '&', ';', ')', '<', '[', '…', '>']).unwrap_or(rest.len());
    rest[..end].split_whitespace().collect()
}

/// The help for the words before the first flag: it needs no settings, and no word that is unknown.
fn help(words: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_token-gateway"));
    program.env_clear().args(words).arg("--help").output().expect("it runs")
}

fn is_flag(word: &str) -> bool {
    word.starts_with('-') && word.len() > 1
}

/// The objection of the program to a command.
fn objection(words: &[&str]) -> Option<String> {
    let first_flag = words.iter().position(|word| is_flag(word)).unwrap_or(words.len());
    let output = help(&words[..first_flag]);
    let said = String::from_utf8_lossy(&output.stdout);
    let known: BTreeSet<_> = said.split(|c: char| c.is_whitespace() || ",=[".contains(c)).collect();
    let flags = words.iter().filter(|word| is_flag(word)).filter_map(|word| word.split('=').next());
    let unknown: Vec<_> = flags.filter(|flag| !known.contains(flag)).collect();
    let is_good = output.status.success() && unknown.is_empty();
    let error = String::from_utf8_lossy(&output.stderr);
    (!is_good).then(|| format!("token-gateway {}: unknown: {unknown:?} {error}", words.join(" ")))
}

#[test]
fn the_program_has_each_printed_command_with_its_flags() {
    let code = code();
    let mut commands = BTreeMap::new();
    for (page, line) in &code {
        for mark in PROGRAM {
            for rest in
                line.split(mark).skip(1).filter(|rest| !NO_COMMANDS.iter().any(|no| rest.starts_with(no)))
            {
                commands.insert(arguments(rest), page);
            }
        }
    }
    assert!(commands.len() > 20, "{commands:?}");
    let wrong = commands.iter().filter_map(|(words, page)| Some(format!("{page}: {}", objection(words)?)));
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_program_objects_to_a_command_or_a_flag_that_it_lacks() {
    for wrong in [&["sesions", "list"][..], &["keys", "rotate", "now", "twice"], &["stats", "--jsn"]] {
        assert!(objection(wrong).is_some(), "{wrong:?}");
    }
}

/// The objection to a call of a script. Arguments of the tests' scripts are those of cargo.
fn objection_to_script(name: &str, words: &[&str]) -> Option<String> {
    let path = repository(&format!("scripts/{name}"));
    let Ok(source) = std::fs::read_to_string(&path) else {
        return Some(format!("there is no scripts/{name}"));
    };
    let mode = path.metadata().expect("it is there").permissions().mode();
    if mode & 0o111 == 0 {
        return Some(format!("scripts/{name} cannot be run"));
    }
    let is_of_cargo = name.starts_with("test");
    let unknown = words.iter().find(|word| is_flag(word) && !is_of_cargo && !source.contains(**word))?;
    Some(format!("scripts/{name} has no {unknown}"))
}

#[test]
fn each_printed_script_is_there_with_its_flags() {
    let (mut count, mut wrong) = (0, Vec::new());
    for (page, line) in code() {
        for rest in line.split("scripts/").skip(1) {
            let words = arguments(rest);
            // A folder of scripts elsewhere, such as that of the store.
            let Some((name, words)) = words.split_first().filter(|_| !line.contains("redis/scripts")) else {
                continue;
            };
            count += 1;
            wrong.extend(objection_to_script(name, words).map(|said| format!("{page}: {said}")));
        }
    }
    assert!(count > 20, "{count} calls");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_script_or_a_flag_that_is_not_there_is_found() {
    for (name, words) in [("prowe", &[][..]), ("plant", &["--fewer"]), ("stack-check", &["--keeep"])] {
        assert!(objection_to_script(name, words).is_some(), "{name} {words:?}");
    }
    assert_eq!(objection_to_script("plant", &["--few", "3"]), None);
}

/// The names under which the proof notes its figures, with a value for each.
fn figures() -> serde_json::Value {
    let script = std::fs::read_to_string(repository("scripts/limits-rows")).expect("readable");
    let row = script.split("def row").nth(1).and_then(|rest| rest.split("return").next()).expect("the row");
    let names = row.split('"').skip(1).step_by(2).filter(|text| !text.contains('{') && *text != "name");
    names.map(|name| (name.to_owned(), "1".into())).collect::<serde_json::Map<_, _>>().into()
}

/// Its two lines take hours: here are its options, its scenarios, and the rows of the script.
#[test]
fn the_proof_and_its_script_take_the_lines_of_the_page_of_limits() {
    let block = blocks("docs/operate/limits.md", "sh").concat();
    let parts =
        block.trim().strip_prefix("cargo build --release --locked\ncargo test --locked --test proof -- ");
    let (options, script) = parts.and_then(|rest| rest.split_once(" | ")).expect("the two lines");
    assert_eq!(script, "scripts/limits-rows");
    let words: Vec<_> = options.split(' ').collect();
    assert_eq!(words.last(), Some(&"hostile"));
    let [proof, scenarios] = ["proof/main.rs", "proof/scenario.rs"]
        .map(|file| std::fs::read_to_string(repository(file)).expect("readable"));
    assert!(scenarios.contains("hostile"));
    for flag in words.iter().filter_map(|word| word.strip_prefix("--")) {
        assert!(proof.contains(&format!("\n    {flag}: ")), "the proof has no --{flag}");
    }
    let scenario = serde_json::json!({"name": "hostile/pipeliners", "measured": figures()});
    for (scenarios, code, begin) in [(vec![scenario], 0, "| pipelined requests"), (vec![], 1, "\n")] {
        let mut command = Command::new(repository(script));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 is installed");
        let report = serde_json::json!({"scenarios": scenarios}).to_string();
        child.stdin.take().expect("a pipe").write_all(report.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.code() == Some(code) && said.starts_with(begin), "{output:?}");
    }
}
