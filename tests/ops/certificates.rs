//! The certificates of docs/operate/redis-tls.md, made by its own commands.

use std::path::Path;
use std::process::Output;

use tempfile::TempDir;
use token_gateway_testkit::free_port;
use token_gateway_testkit::redis::Redis;

use super::{Shell, blocks};
use crate::GATEWAY;

const PAGE: &str = "docs/operate/redis-tls.md";
const HEADING: &str = "Certificates";

/// A folder in which all commands of the section were run.
fn made() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let commands = blocks(PAGE).into_iter().filter(|(heading, _)| heading == HEADING);
    let commands: Vec<_> = commands.map(|(_, block)| block).collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    let path = folder.path().to_str().expect("text");
    Shell::on("").ok(&format!("cd '{path}'\n{}", commands.concat()));
    folder
}

/// The lines of the section's text block that begins with this word, with the port and the paths of the test.
fn lines(begin: &str, port: u16, folder: &Path) -> Vec<String> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).expect("a page");
    let (_, rest) = page.split_once(&format!("```text\n{begin}")).expect("the block");
    let (block, _) = rest.split_once("\n```").expect("its end");
    let words = |word: &str| match word.rsplit_once('.') {
        Some((_, "pem" | "key")) => folder.join(word).display().to_string(),
        _ => word.replace("6380", &port.to_string()),
    };
    let line = |line: &str| line.split_inclusive([' ', '=']).map(words).collect::<String>();
    format!("{begin}{block}").lines().map(line).collect()
}

/// A Redis with the lines of the page, except that tests look at it through a plain port.
fn redis(folder: &Path) -> (Redis, u16) {
    let port = free_port();
    let lines = lines("tls-port", port, folder);
    let options = lines.iter().filter(|line| *line != "port 0").flat_map(|line| {
        let (name, value) = line.split_once(' ').expect("a name and a value");
        [format!("--{name}"), value.to_owned()]
    });
    let options: Vec<_> = options.collect();
    (Redis::start_with(&options.iter().map(String::as_str).collect::<Vec<_>>()), port)
}

/// The settings of the page.
fn settings(folder: &Path, port: u16) -> Vec<(String, String)> {
    let pair = |line: String| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    lines("REDIS_URL", port, folder).into_iter().map(|line| pair(line).expect("a setting")).collect()
}

fn check(settings: &[(String, String)]) -> Output {
    let borrowed: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    GATEWAY.command("check", &borrowed).output().expect("it ends")
}

#[tokio::test]
async fn the_commands_of_the_page_make_certificates_over_which_a_gateway_reaches_redis() {
    let folder = made();
    let (redis, port) = redis(folder.path());
    let settings = settings(folder.path(), port);
    let checked = check(&settings);
    assert!(checked.status.success(), "{checked:?}");
    let borrowed: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let node = GATEWAY.on(&settings[0].1, &borrowed[1..]);
    let tokens = node.api().login("alice").await;
    assert_eq!(node.api().refresh(&tokens.refresh).await.status, 200);
    assert_eq!(redis.ask::<u64>(&["SCARD", "tg:{alice}:sessions"]), 1, "it is that Redis");
}

/// The mistake that the section begins with. It cannot be seen in the file: other servers may have good certificates.
#[test]
fn a_self_signed_certificate_of_a_server_is_refused_at_the_connection() {
    let folder = made();
    for (from, to) in [("ca.pem", "redis.pem"), ("ca.key", "redis.key")] {
        std::fs::copy(folder.path().join(from), folder.path().join(to)).expect("a copy");
    }
    let (_redis, port) = redis(folder.path());
    let checked = check(&settings(folder.path(), port));
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(1), "{text}");
    let problems: Vec<_> = text.lines().filter(|line| line.starts_with("PROBLEM")).collect();
    assert!(problems.len() == 1 && problems[0].starts_with("PROBLEM redis "), "{text}");
}
