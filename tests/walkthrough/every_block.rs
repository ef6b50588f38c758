//! Each block that can run, on any page, has a test that runs it. Blocks of `text` are shown, and pictures have tests of
//! their own.

use super::blocks::{fences, repository};
use super::calls;
use crate::links;

const BROWSER: &str = "tests/walkthrough/browser.rs";
const CALLS: &str = "tests/walkthrough/calls.rs";
const COMMANDS: &str = "tests/walkthrough/commands.rs";
const DEV: &str = "tests/cli/dev.rs";
const FRAGMENTS: &str = "tests/walkthrough/fragments.rs";
const IMAGE: &str = "tests/stack/image.rs";
const NODES: &str = "tests/walkthrough/nodes.rs";
const OPERATORS: &str = "tests/walkthrough/operators.rs";
const PRINTED: &str = "tests/stack/printed.rs";
const TOOLS: &str = "tests/stack/tools.rs";

/// For a test of all blocks of the page in this language, whatever their number.
const ALL: &[&str] = &[];

/// A page, a language, the test, and the first words of each block that the test runs.
type Credit = (&'static str, &'static str, &'static str, &'static [&'static str]);

const RUN_BY: &[Credit] = &[
    ("CONTRIBUTING.md", "sh", DEV, &["cargo run --release -- dev"]),
    ("README.md", "json", CALLS, ALL),
    ("README.md", "sh", CALLS, &["LOGIN=", "PAIR=", "curl -sS $URL/oauth/revoke"]),
    ("README.md", "sh", DEV, &["cargo run --release -- dev"]),
    ("README.md", "sh", "scripts/test", &["scripts/test\n"]),
    // As a doc test, like the next ones.
    ("crates/core/README.md", "rust", "crates/core/src/lib.rs", ALL),
    ("crates/redis-link/README.md", "no_run", "crates/redis-link/src/lib.rs", ALL),
    ("crates/verify/README.md", "no_run", "crates/verify/src/lib.rs", ALL),
    ("crates/verify/README.md", "rust", "crates/verify/src/lib.rs", ALL),
    ("docs/guides/ask-a-proxy-to-check.md", "sh", CALLS, &["curl -sSi \"$URL/verify"]),
    ("docs/guides/ask-a-proxy-to-check.md", "sh", NODES, &["mkdir -p proxy\n"]),
    ("docs/guides/begin-a-session.md", "sh", CALLS, &["curl -sS $URL/v1/sessions"]),
    ("docs/guides/check-tokens-in-an-api.md", "js", FRAGMENTS, ALL),
    ("docs/guides/check-tokens-in-an-api.md", "json", FRAGMENTS, ALL),
    ("docs/guides/check-tokens-in-an-api.md", "rust", FRAGMENTS, ALL),
    ("docs/guides/check-tokens-in-an-api.md", "sh", CALLS, &["curl -sS $URL/.well", "curl -sS $URL/oauth"]),
    ("docs/guides/check-tokens-in-an-api.md", "toml", FRAGMENTS, ALL),
    ("docs/guides/follow-the-revocation-feed.md", "sh", CALLS, &["curl -sSN $URL/v1/revocations"]),
    (
        "docs/guides/help-a-user.md",
        "sh",
        CALLS,
        &["curl -sS $URL", "curl -sS -X PATCH", "curl -sS -X DELETE"],
    ),
    ("docs/guides/refresh-from-a-service.md", "sh", CALLS, &["token-gateway service-key", "curl -sS $URL"]),
    ("docs/guides/several-tabs-and-retries.md", "js", BROWSER, ALL),
    ("docs/guides/show-and-end-devices.md", "sh", CALLS, &["curl -sS $URL/v1/me/sessions"]),
    ("docs/guides/two-nodes-behind-nginx.md", "sh", NODES, ALL),
    ("docs/guides/why-was-a-user-logged-out.md", "sh", CALLS, &["token-gateway sessions list alice --ended"]),
    ("docs/operate/keys.md", "sh", OPERATORS, ALL),
    ("docs/operate/limits.md", "sh", COMMANDS, ALL),
    ("docs/operate/logs.md", "sh", OPERATORS, ALL),
    (
        "docs/operate/redis-tls.md",
        "sh",
        "tests/ops/certificates.rs",
        &["openssl req", "cat > re", "cat > ga"],
    ),
    ("docs/operate/run-a-node.md", "sh", OPERATORS, ALL),
    ("docs/operate/service-keys.md", "sh", OPERATORS, ALL),
    ("docs/operate/sessions-of-a-user.md", "sh", OPERATORS, ALL),
    ("docs/operate/stack.md", "sh", "tests/stack/compose.rs", &["COMPOSE_PROJECT_NAME=second\n"]),
    (
        "docs/operate/stack.md",
        "sh",
        PRINTED,
        &["docker compose up", "docker compose logs", "docker compose down"],
    ),
    (
        "docs/operate/stack.md",
        "sh",
        TOOLS,
        &["docker compose run --rm operator keys", "docker compose run --rm operator stats"],
    ),
    ("docs/operate/upgrade.md", "sh", PRINTED, &["docker compose build\n"]),
    ("docs/reference/log-lines.md", "json", FRAGMENTS, ALL),
    ("docs/reference/log-lines.md", "sh", FRAGMENTS, ALL),
    ("docs/reference/metrics.md", "yaml", FRAGMENTS, ALL),
    (
        "docs/start/local-stack.md",
        "sh",
        TOOLS,
        &["docker build", "KEY=tgk...", "docker compose run --rm operator"],
    ),
    ("docs/start/log-in-refresh-log-out.md", "json", CALLS, ALL),
    (
        "docs/start/log-in-refresh-log-out.md",
        "sh",
        CALLS,
        &["LOGIN=", "token() {", "AGAIN=", "curl -sS $URL/oauth/revoke", "curl -sS $URL/oauth/token"],
    ),
    ("docs/start/try-it.md", "sh", CALLS, &["LOGIN="]),
    ("docs/start/try-it.md", "sh", DEV, &["cargo run --release -- dev"]),
    ("docs/start/try-it.md", "sh", IMAGE, &["docker build -t token-gateway:local ."]),
    ("docs/upstream/actix-http-pipelining.md", "sh", FRAGMENTS, ALL),
    ("migrations-notes/README.md", "sh", "tests/ops/migration.rs", ALL),
    ("migrations-notes/v1.md", "sh", FRAGMENTS, ALL),
    ("ops/README.md", "sh", "tests/ops/cookbook.rs", ALL),
];

/// A block that can run.
struct Block {
    page: String,
    language: String,
    text: String,
}

impl Block {
    fn of_page(name: &str) -> Vec<Self> {
        let fences = fences(name).into_iter();
        let can_run = fences.filter(|(language, _)| !["text", "mermaid"].contains(&language.as_str()));
        can_run.map(|(language, text)| Self { page: name.to_owned(), language, text }).collect()
    }

    fn is_of(&self, (page, language, ..): &Credit) -> bool {
        self.page == *page && self.language == *language
    }
}

/// A credit for one block, or for all blocks of a page in a language, and whether a block has taken it.
struct Entry {
    credit: &'static Credit,
    begin: &'static str,
    is_taken: bool,
}

fn entries() -> Vec<Entry> {
    let entry = |credit: &'static Credit, begin| Entry { credit, begin, is_taken: false };
    let of = |credit: &'static Credit| match credit.3 {
        [] => vec![entry(credit, "")],
        begins => begins.iter().map(|begin| entry(credit, begin)).collect(),
    };
    RUN_BY.iter().flat_map(of).collect()
}

/// The blocks without a test, and the entries without a block.
fn problems(blocks: &[Block]) -> Vec<String> {
    let (mut entries, mut found) = (entries(), Vec::new());
    for block in blocks {
        let fits = |entry: &&mut Entry| {
            let is_free = !entry.is_taken || entry.credit.3.is_empty();
            is_free && block.is_of(entry.credit) && block.text.starts_with(entry.begin)
        };
        let Some(entry) = entries.iter_mut().find(fits) else {
            found.push(format!("{}: nothing runs\n{}", block.page, block.text));
            continue;
        };
        entry.is_taken = true;
        let is_left_out =
            entry.credit.2 == CALLS && block.language == "sh" && !calls::runs(&block.page, &block.text);
        found.extend(is_left_out.then(|| format!("{}: {CALLS} leaves out\n{}", block.page, block.text)));
    }
    let left = entries.iter().filter(|entry| !entry.is_taken);
    found.extend(left.map(|entry| format!("{}: there is no block '{}'", entry.credit.0, entry.begin)));
    found
}

fn printed() -> Vec<Block> {
    links::pages().iter().flat_map(|page| Block::of_page(page.to_str().expect("text"))).collect()
}

#[test]
fn no_block_of_any_page_is_left_unrun() {
    let found = problems(&printed());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_new_block_is_red_until_a_test_runs_it() {
    let new = |page: &str| Block {
        page: page.to_owned(),
        language: "sh".to_owned(),
        text: "docker compose down\n".to_owned(),
    };
    for page in ["docs/operate/stack.md", "docs/operate/upgrade.md", "README.md", "docs/operate/redis.md"] {
        let blocks: Vec<_> = printed().into_iter().chain([new(page)]).collect();
        assert_eq!(problems(&blocks).len(), 1, "{page}");
    }
}

/// The name of a page stands in the test that runs its blocks.
#[test]
fn each_test_names_the_page_that_it_runs() {
    for (page, _, test, _) in RUN_BY {
        let source = std::fs::read_to_string(repository(test));
        let source = source.unwrap_or_else(|error| panic!("{page}: {test}: {error}"));
        let name = page.rsplit('/').next().expect("a name");
        let is_shared = [DEV, PRINTED, IMAGE, "scripts/test"].contains(test);
        assert!(is_shared || source.contains(name), "{test} says nothing of {page}");
    }
}
