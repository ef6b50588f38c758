//! docs/reference/errors.md has a row for each error, and no other row.

use std::collections::BTreeSet;

use serde_json::{Value, to_value};
use token_gateway_core::token::TokenRefusal;

use super::super::request::MAX_BODY;
use super::*;

/// A file of the repository, read when the test runs: an image is built without it.
fn file(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(path).expect("a file")
}

fn page() -> String {
    file("docs/reference/errors.md")
}

/// Stands for a name or a value.
const ANY: &str = "\u{2026}";

/// Each error once. A new variant does not compile here until it has its row on the page.
fn all() -> Vec<ErrorResponse> {
    use ErrorResponse::*;
    let grants = [
        GrantRefusal::Token(TokenRefusal::Malformed),
        GrantRefusal::Client,
        GrantRefusal::NoKey,
        GrantRefusal::Scope,
        GrantRefusal::NoSession,
        GrantRefusal::Ended,
        GrantRefusal::Reused,
    ];
    let challenges = [Challenge::Missing, Challenge::Bearer, Challenge::Basic];
    let mut errors = vec![
        ErrorResponse::field(ANY, ANY),
        Request(ANY),
        Slow,
        TooLarge(MAX_BODY),
        MediaType(ANY),
        MethodNotAllowed(ANY.into()),
        UnknownPath,
        Role(ANY),
        NoAccessToken,
        GrantType,
        Unavailable,
        Overloaded,
        SubjectOverloaded,
        Overtaken,
        TooManyStreams,
        Access,
        LacksScope,
        NoSession,
    ];
    errors.extend(grants.map(Grant));
    errors.extend(challenges.map(Service));
    for error in &errors {
        match error {
            Field { .. } | Request(_) | Slow | TooLarge(_) | MediaType(_) | MethodNotAllowed(_) => {}
            UnknownPath | Service(_) | Role(_) | NoAccessToken | GrantType | Unavailable | Overloaded => {}
            SubjectOverloaded | Overtaken | TooManyStreams | Grant(_) | Access | LacksScope | NoSession => {}
        }
    }
    errors
}

/// The rows of a section: status, code and description.
fn rows(title: &str) -> BTreeSet<[String; 3]> {
    let is_titled = |section: &&str| section.strip_prefix(title).is_some_and(|rest| rest.starts_with('\n'));
    let page = page();
    let section = page.split("\n## ").find(is_titled).expect("a section");
    let rows = section.lines().filter(|line| line.starts_with("| ") && line.contains("| `"));
    let rows = rows.filter_map(|line| {
        let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).skip(1);
        Some([cells.next()?, cells.next()?, cells.next()?])
    });
    rows.filter(|[status, ..]| status.parse::<u16>().is_ok()).collect()
}

/// Status, code and description.
fn row(error: &ErrorResponse) -> [String; 3] {
    let (status, code) = error.parts();
    let code = to_value(code).expect("a word").as_str().expect("a word").to_owned();
    [status.as_str().to_owned(), code, error.to_string()]
}

#[test]
fn the_page_of_errors_has_a_row_for_each_error_and_no_other() {
    let errors: BTreeSet<_> = all().iter().map(row).collect();
    assert_eq!(rows("The codes"), errors);
}

#[test]
fn the_page_of_errors_has_a_row_for_each_error_of_the_stacks_nginx_and_no_other() {
    let template = file("ops/nginx/errors.conf.template");
    let answers = template.lines().filter_map(|line| line.trim().strip_prefix("return ")?.split_once(' '));
    let errors = answers.map(|(status, body)| {
        let body: Value = serde_json::from_str(body.trim_matches([';', '\''])).expect("JSON");
        let text = |name: &str| body[name].as_str().expect("a text").to_owned();
        [status.to_owned(), text("error"), text("error_description")]
    });
    assert_eq!(rows("In the stack, from nginx"), errors.collect());
}

#[test]
fn the_page_of_errors_has_each_challenge() {
    let page = page();
    for challenge in all().iter().filter_map(ErrorResponse::challenge) {
        assert!(page.contains(&format!("`{challenge}`")), "{challenge}");
    }
}
