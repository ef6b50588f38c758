//! Each block that can run, on any page, has a test that runs it. Blocks of `text` are shown, and pictures have tests of
//! their own.

use std::collections::BTreeSet;

use super::blocks::repository;
use crate::links;

/// The pages with such blocks, the language, and the test.
const RUN_BY: [(&str, &str, &str); 41] = [
    ("CONTRIBUTING.md", "sh", "tests/cli/dev.rs"),
    ("README.md", "json", "tests/walkthrough/calls.rs"),
    ("README.md", "sh", "tests/walkthrough/calls.rs"),
    // As a doc test, like the next ones.
    ("crates/core/README.md", "rust", "crates/core/src/lib.rs"),
    ("crates/redis-link/README.md", "no_run", "crates/redis-link/src/lib.rs"),
    ("crates/verify/README.md", "no_run", "crates/verify/src/lib.rs"),
    ("crates/verify/README.md", "rust", "crates/verify/src/lib.rs"),
    ("docs/upstream/actix-http-pipelining.md", "sh", "tests/walkthrough/fragments.rs"),
    ("docs/guides/ask-a-proxy-to-check.md", "sh", "tests/walkthrough/nodes.rs"),
    ("docs/guides/begin-a-session.md", "sh", "tests/walkthrough/calls.rs"),
    ("docs/guides/check-tokens-in-an-api.md", "js", "tests/walkthrough/fragments.rs"),
    ("docs/guides/check-tokens-in-an-api.md", "json", "tests/walkthrough/fragments.rs"),
    ("docs/guides/check-tokens-in-an-api.md", "rust", "tests/walkthrough/fragments.rs"),
    ("docs/guides/check-tokens-in-an-api.md", "sh", "tests/walkthrough/calls.rs"),
    ("docs/guides/check-tokens-in-an-api.md", "toml", "tests/walkthrough/fragments.rs"),
    ("docs/guides/follow-the-revocation-feed.md", "sh", "tests/walkthrough/calls.rs"),
    ("docs/guides/help-a-user.md", "sh", "tests/walkthrough/calls.rs"),
    ("docs/guides/refresh-from-a-service.md", "sh", "tests/walkthrough/calls.rs"),
    ("docs/guides/several-tabs-and-retries.md", "js", "tests/walkthrough/browser.rs"),
    ("docs/guides/show-and-end-devices.md", "sh", "tests/walkthrough/calls.rs"),
    ("docs/guides/two-nodes-behind-nginx.md", "sh", "tests/walkthrough/nodes.rs"),
    ("docs/guides/why-was-a-user-logged-out.md", "sh", "tests/walkthrough/calls.rs"),
    ("docs/operate/keys.md", "sh", "tests/walkthrough/operators.rs"),
    ("docs/operate/limits.md", "sh", "scripts/prove"),
    ("docs/operate/logs.md", "sh", "tests/walkthrough/operators.rs"),
    ("docs/operate/redis-tls.md", "sh", "tests/ops/certificates.rs"),
    ("docs/operate/run-a-node.md", "sh", "tests/walkthrough/operators.rs"),
    ("docs/operate/service-keys.md", "sh", "tests/walkthrough/operators.rs"),
    ("docs/operate/sessions-of-a-user.md", "sh", "tests/walkthrough/operators.rs"),
    ("docs/operate/stack.md", "sh", "tests/stack/tools.rs"),
    ("docs/operate/upgrade.md", "sh", "scripts/stack-check"),
    ("docs/reference/log-lines.md", "json", "tests/walkthrough/fragments.rs"),
    ("docs/reference/log-lines.md", "sh", "tests/walkthrough/fragments.rs"),
    ("docs/reference/metrics.md", "yaml", "tests/walkthrough/fragments.rs"),
    ("docs/start/local-stack.md", "sh", "tests/stack/tools.rs"),
    ("docs/start/log-in-refresh-log-out.md", "json", "tests/walkthrough/calls.rs"),
    ("docs/start/log-in-refresh-log-out.md", "sh", "tests/walkthrough/calls.rs"),
    ("docs/start/try-it.md", "sh", "tests/walkthrough/calls.rs"),
    ("migrations-notes/README.md", "sh", "tests/ops/migration.rs"),
    ("migrations-notes/v1.md", "sh", "tests/walkthrough/fragments.rs"),
    ("ops/README.md", "sh", "tests/ops/cookbook.rs"),
];

/// The languages of the blocks of a page. A fence ends with a line of its own.
fn languages(page: &str) -> BTreeSet<String> {
    let mut is_open = false;
    let mut found = BTreeSet::new();
    for mark in page.lines().filter_map(|line| line.trim_start().strip_prefix("```")) {
        if !is_open {
            found.insert(mark.trim().to_owned());
        }
        is_open = !is_open;
    }
    found
}

#[test]
fn no_block_of_any_page_is_left_unrun() {
    let mut found = BTreeSet::new();
    for page in links::pages() {
        let name = page.to_str().expect("text").to_owned();
        let languages = languages(&links::text(&page));
        let can_run = languages.into_iter().filter(|it| !["text", "mermaid"].contains(&it.as_str()));
        found.extend(can_run.map(|language| (name.clone(), language)));
    }
    let listed = RUN_BY.map(|(page, language, _)| (page.to_owned(), language.to_owned()));
    assert_eq!(found, listed.into(), "each has a test, and each block without one is `text`");
    for (page, _, test) in RUN_BY {
        assert!(repository(test).is_file(), "{page}: there is no {test}");
    }
}

#[test]
fn the_language_of_a_block_is_found_and_that_of_its_end_is_none() {
    let page = "# A\n\n```sh\na\n```\n\n- b\n  ```\n  c\n  ```\n\n```js\n```\n";
    assert_eq!(languages(page), ["", "js", "sh"].map(str::to_owned).into());
}
