//! docs/errors.md has a row for each error, and no other row.

use std::collections::BTreeSet;

use serde_json::to_value;
use token_gateway_core::token::TokenRefusal;

use super::super::request::MAX_BODY;
use super::*;

/// Read when the test runs: an image is built without the pages.
fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md");
    std::fs::read_to_string(path).expect("the page of errors")
}

/// Stands for a name or a value.
const ANY: &str = "\u{2026}";

/// Each error once. A new variant does not compile here until it has its row on the page.
fn all() -> Vec<ErrorResponse> {
    use ErrorResponse::*;
    let grants = [
        GrantRefusal::Token(TokenRefusal::Malformed),
        GrantRefusal::Client,
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
        Overtaken,
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
            Overtaken | Grant(_) | Access | LacksScope | NoSession => {}
        }
    }
    errors
}

/// Status, code and description.
fn row(error: &ErrorResponse) -> [String; 3] {
    let (status, code) = error.parts();
    let code = to_value(code).expect("a word").as_str().expect("a word").to_owned();
    [status.as_str().to_owned(), code, error.to_string()]
}

#[test]
fn the_page_of_errors_has_a_row_for_each_error_and_no_other() {
    let page = page();
    let section = page.split("\n## ").find(|section| section.starts_with("The codes\n")).expect("a section");
    let rows = section.lines().filter(|line| line.starts_with("| ") && line.contains("| `"));
    let rows = rows.filter_map(|line| {
        let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).skip(1);
        Some([cells.next()?, cells.next()?, cells.next()?])
            .filter(|[status, ..]| status.parse::<u16>().is_ok())
    });
    let (rows, errors): (BTreeSet<_>, BTreeSet<_>) = (rows.collect(), all().iter().map(row).collect());
    assert_eq!(rows, errors);
}

#[test]
fn the_page_of_errors_has_each_challenge() {
    let page = page();
    for challenge in all().iter().filter_map(ErrorResponse::challenge) {
        assert!(page.contains(&format!("`{challenge}`")), "{challenge}");
    }
}
