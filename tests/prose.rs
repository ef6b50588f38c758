//! The prose check, `scripts/prose`: each rule is red and green, in each kind of file, and the repository is green.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

const GLOSSARY: &str = "\
# Words

| term | meaning | not | source |
|---|---|---|---|
| primary | A server. | `master` except `Sentinel master`; boss | |
| repair | To publish again. | `end again`; `chase` | |
";

/// A folder with a glossary, and the check on it.
struct Setup(TempDir);

impl Setup {
    fn new() -> Self {
        let setup = Self(TempDir::new().expect("a folder"));
        setup.write("docs/reference/glossary.md", GLOSSARY);
        setup
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        fs::write(path, text).expect("it can be written");
    }

    fn run(&self, options: &[&str]) -> (Option<i32>, String) {
        let mut root = vec!["--root", self.0.path().to_str().expect("text")];
        root.extend(options);
        prose(&root)
    }
}

/// The findings in each of these texts, as files of their own with this name.
fn findings<T: AsRef<str>>(name: &str, texts: &[T]) -> Vec<String> {
    let setup = Setup::new();
    for (n, text) in texts.iter().enumerate() {
        setup.write(&format!("{n}/{name}"), text.as_ref());
    }
    let (_, found) = setup.run(&[]);
    let of =
        |n| found.lines().filter(|line| line.starts_with(&format!("{n}/"))).collect::<Vec<_>>().join("\n");
    (0..texts.len()).map(of).collect()
}

fn clean<T: AsRef<str>>(name: &str, texts: &[T]) {
    for (found, text) in findings(name, texts).iter().zip(texts) {
        assert_eq!(found, "", "{name}: {}", text.as_ref());
    }
}

fn dirty<T: AsRef<str>>(name: &str, texts: &[T], problem: &str) {
    for (found, text) in findings(name, texts).iter().zip(texts) {
        assert!(found.contains(problem), "{name}: {}: {found}", text.as_ref());
    }
}

fn prose(arguments: &[&str]) -> (Option<i32>, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let run = Command::new(root.join("scripts/prose")).args(arguments).current_dir(root).output();
    let run = run.expect("python3 is installed");
    (run.status.code(), String::from_utf8(run.stdout).expect("text"))
}

fn words(count: usize) -> String {
    vec!["word"; count].join(" ")
}

#[test]
fn the_repository_is_clean() {
    assert_eq!(prose(&[]), (Some(0), String::new()));
}

#[test]
fn a_sentence_has_at_most_30_words() {
    clean("a.md", &[format!("{}.\n", words(30))]);
    let found = findings("a.md", &[format!("One.\n\nTwo. The {}.\n", words(31))]);
    assert!(found[0].starts_with("0/a.md:3: 32 words, at most 30: The word word"), "{found:?}");
    let half = words(16);
    let both = |between: &&str| format!("{half}{between}{half}\n");
    clean(
        "a.md",
        &[". X", "! X", "? X", "; x", ": x", ".\n\n", "\n- ", "\n# "].iter().map(both).collect::<Vec<_>>(),
    );
    clean("a.md", &[format!("| {half} | {half} |\n")]);
    let no_end = [" e.g. ", " x.y ", " https://a.example/b ", ", ", "\n", " 12:30 ", " `a. b` "];
    dirty("a.md", &no_end.iter().map(both).collect::<Vec<_>>(), "at most 30");
}

#[test]
fn the_map_for_language_models_is_a_page_and_other_texts_are_none() {
    dirty("llms.txt", &["What is lost."], "begins with 'What'");
    clean("a.txt", &["What is lost."]);
}

#[test]
fn code_and_addresses_are_no_words() {
    let (long, some) = (words(31), words(20));
    let texts = [
        format!("```sh\n{long}\n```\n"),
        format!("{some} `{some}` {}.\n", words(10)),
        format!("{some} [{}](docs/of.md#{}).\n", words(10), "w-".repeat(20)),
        format!("Text.\n\n    {long}\n"),
        format!("<!-- {long} -->\n"),
    ];
    clean("a.md", &texts);
}

#[test]
fn no_sentence_begins_with_a_pronoun_for_a_noun() {
    for word in ["What", "Who", "Whoever", "Whose", "Of"] {
        let texts = [
            format!("{word} is lost.\n"),
            format!("It says: {} is lost.\n", word.to_lowercase()),
            format!("| a | **{word} is lost** |\n"),
            format!("- {word} is lost.\n"),
        ];
        dirty("a.md", &texts, "begins with '");
    }
    clean(
        "a.md",
        &["## What survives?", "Somebody who.", "`who` asks.", "Office hours.", "So what is lost is lost."],
    );
}

#[test]
fn words_come_from_the_glossarys_table() {
    let texts = ["A master.", "Two MASTERS.", "It chases us.", "Chasing it.", "We end\nagain.", "(master)"];
    dirty("a.md", &texts, "is not our word; say '");
    clean(
        "a.md",
        &["The boss.", "`master`", "A Sentinel master.", "A mastery.", "The master-name.", "tg:master"],
    );
    let setup = Setup::new();
    setup.write("docs/reference/glossary.md", "| term | meaning |\n|---|---|\n| primary | A server. |\n");
    assert_eq!(setup.run(&[]), (Some(2), String::new()), "nothing to look for is no clean page");
}

#[test]
fn comments_are_read_in_every_language_and_code_is_not() {
    let kinds = [
        (
            "a.rs",
            "let a = \"// What now\"; {}\n",
            &["// What is", "/// What is", "//! What is", "/* What is */"][..],
        ),
        ("b.rs", "{}\nconst _: char = '\"'; // a\n", &["// What is", "const A_HELP: &str = \"What is\";"]),
        ("a.lua", "local a = '-- What now' {}\n", &["-- What is", "--- What is"]),
        ("a", "#!/bin/sh\necho \"# What now\" {}\n", &["# What is"]),
        ("a.py", "a = '# What now' {}\n", &["# What is", "\n\ndef a():\n    '''What is'''"]),
        ("a.yaml", "a: '# What now' {}\n", &["# What is"]),
        ("a.conf", "a \"# What now\"; {}\n", &["# What is"]),
    ];
    for (name, code, comments) in kinds {
        clean(name, &[code.replace("{}", "")]);
        let texts: Vec<_> = comments.iter().map(|comment| code.replace("{}", comment)).collect();
        dirty(name, &texts, "begins with 'What': What is");
    }
}

#[test]
fn lines_in_a_row_are_one_text_and_columns_are_none() {
    let half = words(16);
    dirty("a.rs", &[format!("// {half}\n// {half}\n")], "at most 30");
    clean("a.rs", &[format!("// {half}\n\n// {half}\n")]);
    clean("a.lua", &[format!("-- A  {half}\n-- B  {half}\n")]);
    dirty("a.lua", &[format!("-- A  {half}\n--    {half}\n")], "at most 30");
}

#[test]
fn programs_get_json_and_wrong_usage_is_told_apart() {
    let setup = Setup::new();
    setup.write("a.md", "Of old.\n");
    let (code, json) = setup.run(&["--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((code, &json["findings"][0]["line"]), (Some(1), &1.into()));
    assert_eq!(setup.run(&["docs"]), (Some(0), String::new()), "only below that path");
    assert_eq!(setup.run(&["missing"]).0, Some(2));
    assert_eq!(setup.run(&["--no-such-option"]).0, Some(2));
}

#[test]
fn readme_and_docs_have_short_sentences_and_few_clauses() {
    let (code, json) = prose(&["--count", "--json", "README.md", "docs"]);
    let figures: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let figure = |name: &str| figures[name].as_f64().expect("a number");
    assert_eq!(code, Some(0));
    assert!(figure("sentence_p90_words") <= 20.0, "{json}");
    assert!(figure("what_who_which_that_per_1000") <= 14.0, "{json}");
}

/// A door is seen at one look. Tables and code may be wider.
#[test]
fn the_readme_has_at_most_150_lines_of_at_most_110_characters() {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("readable");
    assert!(readme.lines().count() <= 150, "{} lines", readme.lines().count());
    let mut is_code = false;
    for line in readme.lines() {
        is_code ^= line.starts_with("```");
        let is_narrow = line.chars().count() <= 110;
        assert!(is_narrow || is_code || line.starts_with('|'), "{line}");
    }
}

/// A reader who stops at the first refresh knows about its key.
#[test]
fn the_readme_tells_of_the_key_before_its_first_refreshes() {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("readable");
    for (refresh, maker, page_load, tabs) in [
        ("POST /oauth/token", "Your app makes a key for each refresh", "past a page load", "among tabs"),
        (
            "curl -sS $URL/oauth/token",
            "**The client makes the key**",
            "**The key outlives a page load.**",
            "**Several tabs take turns.**",
        ),
    ] {
        let (before, _) = readme.split_once(refresh).expect("a refresh");
        for told in [maker, page_load, tabs] {
            let lines = before.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(lines.contains(told), "{told}: before {refresh}");
        }
    }
}

#[test]
fn comments_are_measured() {
    let setup = Setup::new();
    let sentences: String = (1..=10).map(|n| format!("// {}.\n\n", words(n))).collect();
    setup.write("src/a.rs", &format!("{sentences}// That is the word which counts.\n"));
    let (code, json) = setup.run(&["--count", "--json", "src"]);
    let figures: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(code, Some(0));
    assert_eq!((&figures["sentences"], &figures["words"]), (&11.into(), &61.into()));
    assert_eq!(figures["sentence_p90_words"], 9);
    assert_eq!(figures["what_who_which_that_per_1000"], 32.8);
}
