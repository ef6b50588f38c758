//! Each printed `docker compose …`, put before the real Compose without an engine. A wrong command, flag or service is named
//! before Compose looks for its engine.

use std::collections::BTreeSet;
use std::process::Command;

use super::config::{Checkout, RESOLVED};
use super::text_of;

/// Compose looks for the engine before it judges the service of these.
const LATE_JUDGES: [&str; 2] = ["exec", "restart"];

/// Where commands for Compose are printed, or run by a script. The changelog has those of its time.
fn files() -> Vec<String> {
    let mut git = Command::new("git");
    git.args(["grep", "-lI", "--untracked", "docker compose ", "--"]);
    git.args([".", ":!CHANGELOG.md", ":!tests", ":!planted-faults"]);
    let listed = git.current_dir(super::repository("")).output().expect("git is installed").stdout;
    String::from_utf8(listed).expect("names").lines().map(str::to_owned).collect()
}

/// A word with values in place of the variables of `scripts/stack-check`.
fn with_values(word: &str) -> String {
    word.replace("$node", "gateway-1").replace("$project", "project")
}

/// The words of a command, up to its end in a shell or in a sentence.
fn words(line: &str) -> Vec<String> {
    let (mut found, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '\'' | '"') if line[at + 1..].contains(c) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\'' | '"' | '`' | '|' | '&' | ';' | '(' | ')' | '<' | '…') => break,
            (None, '>') => {
                word = None; // the descriptor
                break;
            }
            (None, '#') if word.is_none() => break,
            (None, ' ') => found.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    found.extend(word);
    found.iter().map(|word| with_values(word)).collect()
}

fn printed(text: &str) -> BTreeSet<Vec<String>> {
    let lines = text.lines().flat_map(|line| line.split("docker compose ").skip(1));
    lines.map(words).filter(|words| !words.is_empty()).collect()
}

/// The objection of Compose to a command.
fn objection(checkout: &Checkout, words: &[String]) -> Option<String> {
    let mut compose = checkout.compose();
    compose.env("DOCKER_HOST", format!("unix://{}", checkout.path("no-engine.sock").display()));
    let output = compose.args(words).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let is_good = output.status.success() || said.contains("Cannot connect to the Docker daemon");
    let service = words.iter().skip(1).find(|word| !word.starts_with('-'));
    let services = &RESOLVED.config["services"];
    let is_known = service.is_some_and(|name| services.get(name).is_some());
    let is_lost = LATE_JUDGES.contains(&words[0].as_str()) && !is_known;
    (!is_good || is_lost).then(|| format!("docker compose {}: {said}", words.join(" ")))
}

#[test]
fn compose_takes_every_printed_command_up_to_its_engine() {
    let checkout = Checkout::new();
    let commands: BTreeSet<_> = files().iter().flat_map(|file| printed(&text_of(file))).collect();
    assert!(commands.len() > 30, "{commands:?}");
    let wrong: Vec<_> = commands.iter().filter_map(|words| objection(&checkout, words)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// So nothing in these blocks escapes the test above. `tests/stack/compose.rs` takes the block of settings.
#[test]
fn each_line_of_a_block_for_an_engine_is_a_command_of_compose() {
    for page in ["docs/operate/stack.md", "docs/operate/upgrade.md"] {
        let text = text_of(page);
        let blocks = text.split("\n```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next());
        for line in blocks.filter(|block| !block.starts_with("COMPOSE_PROJECT_NAME=")).flat_map(str::lines) {
            assert!(line.starts_with("docker compose "), "{page}: nothing judges\n{line}");
        }
    }
}

#[test]
fn compose_objects_to_a_wrong_command_flag_or_service() {
    let checkout = Checkout::new();
    for wrong in ["dwn", "up --bild", "run --rm operater stats", "exec gateway-7 ls", "restart valkey"] {
        assert!(objection(&checkout, &words(wrong)).is_some(), "{wrong}");
    }
}

#[test]
fn a_command_ends_with_its_line_its_span_or_its_pipe() {
    let page = "\
Run `docker compose run --rm operator …`, or `docker compose logs nginx`.
docker compose down    # stops it
docker compose ps --format '{{.Ports}}' | tr ',' '\\n'
x=$(docker compose exec -T \"$node\" ls 2>&1)
echo \"docker compose -p $project down\"
";
    let found: Vec<_> = printed(page).iter().map(|words| words.join(" ")).collect();
    let expected = [
        "-p project down",
        "down",
        "exec -T gateway-1 ls",
        "logs nginx",
        "ps --format {{.Ports}}",
        "run --rm operator",
    ];
    assert_eq!(found, expected);
}
