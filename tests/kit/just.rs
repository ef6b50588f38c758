//! The recipes of `just`: each is a line that a contributor could type.

use serde_json::Value;

use super::{Ended, as_text, clean, items, repository, run, text_of};
use crate::interop::foreign;

fn just(arguments: &[&str]) -> Ended {
    run(clean(foreign::tool("just")).args(arguments))
}

/// The first word of a line, behind its variables.
fn program(line: &Value) -> String {
    let line = as_text(&line[0]).trim_start_matches('@').to_owned();
    let mut words = line.split(' ').skip_while(|word| word.contains('='));
    words.next().expect("a program").to_owned()
}

#[test]
fn every_recipe_is_explained_and_calls_a_script_or_cargo() {
    let dumped = just(&["--dump", "--dump-format", "json"]);
    assert_eq!(dumped.code, Some(0), "{}", dumped.text);
    let dumped: Value = serde_json::from_str(&dumped.text).expect("JSON");
    let recipes = dumped["recipes"].as_object().expect("recipes");
    for name in ["bench", "check", "ci", "fmt", "prove", "run", "test"] {
        assert!(recipes.contains_key(name), "{name} is missing");
    }
    for (name, recipe) in recipes {
        assert!(recipe["doc"].is_string(), "{name}: a comment above it says its effect");
        for line in items(&recipe["body"]) {
            let program = program(line);
            let is_ours = program.starts_with("scripts/") || program == ".ci/run";
            assert!(is_ours || ["cargo", "just"].contains(&program.as_str()), "{name}: {program}");
            assert!(!is_ours || repository(&program).is_file(), "{name}: there is no {program}");
        }
    }
}

#[test]
fn pages_name_recipes_that_are_there() {
    let listed = just(&["--summary"]);
    assert_eq!(listed.code, Some(0), "{}", listed.text);
    let recipes: Vec<_> = listed.text.split_whitespace().collect();
    for page in ["CONTRIBUTING.md", ".github/PULL_REQUEST_TEMPLATE.md"] {
        let text = text_of(page);
        for rest in text.split("`just ").skip(1) {
            let name = rest.split(['`', ' ']).next().expect("a name");
            assert!(recipes.contains(&name) || name == "--list", "{page}: there is no recipe '{name}'");
        }
    }
}
