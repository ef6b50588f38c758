//! `docs/reference/log-lines.md` has every line that the sources log, with its level, target, text and fields, and no other.

mod read;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use self::read::{Line, lines};
use crate::GATEWAY;

/// The fields of every line.
const OF_EVERY_LINE: [&str; 5] = ["time", "level", "target", "message", "request_id"];

/// The facts that a text shows in other words than its field, and that field.
const OTHER_NAMES: [(&str, &str); 11] = [
    ("among", "alarms"),
    ("doubt", "warning"),
    ("due", "error"),
    ("lasted", "seconds"),
    ("line", "error"),
    ("part", "error"),
    ("said", "error"),
    ("sender", "address"),
    ("session", "sid"),
    ("signer", "kid"),
    ("works_again", "event"),
];

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/log-lines.md"))
        .unwrap_or_default()
}

/// The rows of lines in the page: the cells that the sources decide, and the cells for people.
fn rows(page: &str) -> Vec<(String, Vec<String>)> {
    let is_row = |line: &&str| Line::LEVELS.iter().any(|level| line.starts_with(&format!("| {level} | `")));
    let cells = |row: &str| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    let rows = page.lines().filter(is_row).map(cells);
    rows.map(|mut cells: Vec<String>| {
        let told = cells.split_off(cells.len().min(4));
        (cells.join(" | "), told)
    })
    .collect()
}

#[test]
fn the_page_has_a_row_for_every_line_and_no_other() {
    let page = page();
    let found: BTreeSet<String> = lines().iter().map(Line::row).collect();
    let shown: BTreeSet<String> = rows(&page).into_iter().map(|(row, _)| row).collect();
    let missing: Vec<_> =
        found.difference(&shown).map(|row| format!("| {row} | MEANING | REMEDY |")).collect();
    let stale: Vec<_> = shown.difference(&found).map(|row| format!("| {row} |")).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "docs/reference/log-lines.md lacks these rows:\n{}\n\nand these are stale:\n{}\n",
        missing.join("\n"),
        stale.join("\n")
    );
}

#[test]
fn every_row_says_its_meaning_and_its_remedy() {
    let page = page();
    let rows = rows(&page);
    assert!(rows.len() > 20, "the rows are found");
    for (row, told) in rows {
        let is_told =
            told.len() == 2 && told.iter().all(|cell| !cell.is_empty() && !cell.contains("MEANING"));
        assert!(is_told, "{row}: {told:?}");
    }
}

#[test]
fn every_fact_of_a_text_is_a_field_and_every_field_is_explained() {
    let page = page();
    let explained = |field: &str| page.lines().any(|line| line.starts_with(&format!("| `{field}` | ")));
    for line in lines() {
        for fact in line.placeholders() {
            let other = OTHER_NAMES.iter().find(|(name, _)| *name == fact).map(|(_, field)| *field);
            let is_field = |field: &String| *field == fact || Some(field.as_str()) == other;
            assert!(line.fields.iter().any(is_field), "{{{fact}}} has no field: {}", line.row());
        }
        for field in &line.fields {
            assert!(explained(field), "the page does not explain `{field}`");
            assert!(!OF_EVERY_LINE.contains(&field.as_str()), "`{field}` is a field of every line");
        }
    }
    for field in OF_EVERY_LINE {
        assert!(explained(field), "the page does not explain `{field}`");
    }
}

#[test]
fn every_field_of_the_page_is_a_field_of_some_line() {
    let page = page();
    let (_, fields) = page.split_once("\n## Fields\n").expect("a section on fields");
    let fields = fields.split("\n## ").next().unwrap_or_default();
    let named = fields.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let used: BTreeSet<String> = lines().into_iter().flat_map(|line| line.fields).collect();
    for (field, _) in named {
        assert!(used.contains(field) || OF_EVERY_LINE.contains(&field), "no line has the field `{field}`");
    }
}

/// An operator decides about the alarm of a theft, and must be told where the operator looks.
#[test]
fn the_pages_and_the_help_call_the_facts_of_the_alarm_personal_data() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |page: &str| fs::read_to_string(root.join(page)).expect("readable");
    for (page, beginning) in [
        (
            "docs/operate/logs.md",
            "The alarm of a theft names the user, the session, the client, and the address and user agent",
        ),
        ("docs/reference/log-lines.md", "The two lines with the target `token_gateway::gateway::theft` hold"),
        ("docs/reference/settings.md", "| `RUST_LOG` |"),
        ("docs/reference/settings.md", "| `TRUSTED_PROXIES` |"),
    ] {
        let text = read(page);
        let (_, told) = text.split_once(beginning).unwrap_or_else(|| panic!("{page}: {beginning}"));
        let told = told.split("\n\n").next().unwrap_or_default();
        let told = if beginning.starts_with('|') { told.lines().next().unwrap_or_default() } else { told };
        assert!(told.contains("personal data"), "{page}: {told}");
    }
    let help = GATEWAY.command("serve", &[]).arg("--help").output().expect("it runs");
    let help = String::from_utf8(help.stdout).expect("text");
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("the alarm of a theft, which holds personal data"), "{help}");
}
