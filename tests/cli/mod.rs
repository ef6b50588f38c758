//! Commands and settings.

mod check;
mod closed_pipes;
mod cluster;
mod cluster_member;
mod dashes;
mod denied;
mod dev;
mod exposed_files;
mod findings;
mod guesses;
mod healthcheck;
pub mod help;
mod init;
mod keys;
mod keys_clock;
mod line_ends;
mod log_filter;
mod log_text;
mod outside;
mod page;
mod redis_url;
mod refusals;
mod refused_writes;
mod remedies;
mod rights;
mod secrets;
mod sentinel;
mod service_key;
mod sessions;
mod settings;
mod stats;
mod stray;
mod terminal;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::wait_for;

/// The end of a command, and its output.
#[derive(Debug)]
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs a command to its end; fails if the command goes on running.
fn run(command: &mut Command) -> Ended {
    let (out, err) = (tempfile::NamedTempFile::new().unwrap(), tempfile::NamedTempFile::new().unwrap());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out.reopen().unwrap())
        .stderr(err.reopen().unwrap())
        .spawn()
        .expect("it starts");
    let mut limit = 1_000;
    let status = wait_for("the command ends", Duration::from_secs(20), || {
        limit -= 1;
        if limit == 0 {
            child.kill().expect("it can be killed");
        }
        child.try_wait().expect("it can be asked")
    });
    let read = |path| std::fs::read_to_string(path).expect("text");
    let code = status.code().unwrap_or_else(|| panic!("it went on: {}", read(err.path())));
    Ended { code, stdout: read(out.path()), stderr: read(err.path()) }
}

/// The binary with nothing but arguments: no setting at all.
fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_token-gateway"));
    command.env_clear().args(args);
    command
}

/// A command for operators: with nothing set but the address of Redis.
fn operator(redis: &Redis, args: &[&str]) -> Command {
    operator_at(&redis.url(), args)
}

fn operator_at(url: &str, args: &[&str]) -> Command {
    let mut command = bare(args);
    command.env("REDIS_URL", url);
    command
}

/// The output of such a command at success.
#[track_caller]
fn text(redis: &Redis, args: &[&str]) -> String {
    text_at(&redis.url(), args)
}

#[track_caller]
fn text_at(url: &str, args: &[&str]) -> String {
    let ended = run(&mut operator_at(url, args));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    ended.stdout
}

/// The same with `--json`.
#[track_caller]
fn json(redis: &Redis, args: &[&str]) -> Value {
    json_at(&redis.url(), args)
}

#[track_caller]
fn json_at(url: &str, args: &[&str]) -> Value {
    let text = text_at(url, &[args, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

/// Many sessions: `each` of them for each of `subjects` subjects, `user-1` and so on.
fn fill(redis: &Redis, subjects: u64, each: u64) {
    const FILL: &str = r"
        for n = 0, ARGV[1] * ARGV[2] - 1 do
            local sub, sid = 'tg:{user-' .. n % ARGV[1] + 1 .. '}:session', '1' .. string.format('%018d', n)
            local now = redis.call('TIME')[1] .. '000000'
            redis.call('HSET', sub .. ':' .. sid, 'state', 'live', 'jti', sid .. '.aaaaaaaaaaaaaaaaaaaaaa', 'gen', '0',
                'rotated_at', now, 'issued_at', now, 'created_at', now, 'client_id', 'web')
            redis.call('PEXPIRE', sub .. ':' .. sid, 600000)
            redis.call('SADD', sub .. 's', sid)
            redis.call('PEXPIRE', sub .. 's', 600000)
        end";
    let (subjects, each) = (subjects.to_string(), each.to_string());
    redis.ask::<()>(&["EVAL", FILL, "0", &subjects, &each]);
}

/// A file with this content, and its folder, which exists until it is dropped.
fn file(content: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("secret");
    std::fs::write(&path, content).expect("it can be written");
    (dir, path)
}
