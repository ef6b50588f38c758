//! A log that nobody reads: the node serves and stops all the same, counts the lines that it drops, and keeps the alarm.

mod node;

use std::io::{PipeReader, PipeWriter, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use token_gateway_testkit::api::Api;
use token_gateway_testkit::{free_port, wait_for};

use self::node::Node;
use crate::GATEWAY;

/// More requests than pipe and backlog hold lines.
const MANY: usize = 40_000;

/// More than a drain without requests takes, and the last second of the log.
const STOP_LIMIT: Duration = Duration::from_secs(8);

/// A pipe that nobody reads, full to the brim.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(&[b'x'; 65_536]).expect("as much as a pipe of Linux holds");
    (reader, writer)
}

/// Lines of unmatched requests, and the numbers in the lines about dropped ones.
fn lines_in(log: &str) -> (usize, Vec<u64>) {
    let reports = log.lines().filter(|line| line.contains("log lines dropped"));
    let number = |line: &str| {
        let (before, _) = line.split_once(" log lines dropped").expect("such a line");
        let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next().expect("a number");
        digits.parse::<u64>().expect("a number")
    };
    (log.matches("GET unmatched 404").count(), reports.map(number).collect())
}

/// Demands that each of `requests` has a line, or is counted as dropped. The node dropped few other lines.
#[track_caller]
fn accounts_for(log: &str, requests: usize) {
    let (seen, dropped) = lines_in(log);
    let dropped = usize::try_from(dropped.iter().sum::<u64>()).expect("a number");
    let others = (seen + dropped).checked_sub(requests);
    assert!(others.is_some_and(|others| others < 20), "{seen} lines and {dropped} dropped of {requests}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_reads_the_log_every_call_is_answered_and_dropped_lines_are_counted() {
    for format in ["text", "json"] {
        let mut node = Node::start(&[("LOG_FORMAT", format)]);
        assert_eq!(node.dropped().await, 0);
        node.flood(MANY);
        node.is_alive().await;
        let counted = node.dropped().await;
        assert!(counted > 0, "no reader, and no line dropped");
        node.read_on();
        let log = node.log_with("log lines dropped");
        accounts_for(&log, MANY);
        let (_, reports) = lines_in(&log);
        let counted = node.dropped().await; // the request before had no room for its own line
        assert_eq!(reports, [counted], "one line, with the number of the metric");
        let report = log.lines().find(|line| line.contains("log lines dropped")).expect("it is there");
        let level = if format == "json" { "\"level\":\"warn\"" } else { " WARN  token_gateway::" };
        assert!(report.contains(level), "{report}");
        if format == "json" {
            let lines = log.lines().map(serde_json::from_str::<serde_json::Value>);
            assert!(lines.into_iter().all(|line| line.is_ok()), "each line is whole");
        }
        node.flood(10);
        node.log_until(|log| lines_in(log).0 + usize::try_from(counted).unwrap() >= MANY + 10);
        assert_eq!(node.dropped().await, counted, "with a reader, no line is dropped");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_alarm_of_a_theft_is_the_last_line_to_be_dropped() {
    let mut node = Node::start(&[]);
    node.flood(MANY);
    assert!(node.dropped().await > 0);
    let tokens = node.api().login("alice").await;
    assert_eq!(node.api().refresh(&tokens.refresh).await.status, 200);
    node.api().refresh(&tokens.refresh).await.expect_error(400, "invalid_grant");
    node.flood(MANY / 2);
    node.read_on();
    let log = node.log_with("log lines dropped");
    let alarms = log.lines().filter(|line| line.contains("refresh token reused"));
    let alarms: Vec<_> = alarms.collect();
    assert!(alarms.len() == 1 && alarms[0].contains(&tokens.session), "{alarms:?}");
    accounts_for(&log, MANY + MANY / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_log_nobody_reads_stops_in_time_with_its_usual_code() {
    for requests in [0, MANY] {
        let mut node = Node::start(&[]);
        node.flood(requests);
        let took = node.terminate();
        assert!(took < STOP_LIMIT, "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_back_while_the_node_stops_gets_the_last_line() {
    let mut node = Node::start(&[]);
    node.flood(MANY);
    node.read_on();
    node.terminate();
    assert!(node.log_with("startup stopped").ends_with("stopped\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_gets_whole_lines_and_the_number_of_the_others() {
    let mut node = Node::start(&[]);
    node.read_slowly();
    node.flood(MANY);
    node.is_alive().await;
    let counted = node.dropped().await;
    node.read_on();
    let log = node.log_until(|log| lines_in(log).1.iter().sum::<u64>() >= counted);
    node.terminate();
    let whole = log.lines().all(|line| line.contains("INFO ") || line.contains("WARN "));
    assert!(whole, "each line is whole");
    accounts_for(&node.log_with("stopped"), MANY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_gone_for_good_neither_ends_nor_holds_the_node() {
    let mut node = Node::start(&[]);
    node.close_log();
    node.flood(MANY);
    node.is_alive().await;
    assert!(node.dropped().await > 0);
    let busy = node.processor_time();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(node.processor_time() - busy < Duration::from_millis(500), "it tries on without end");
    assert!(node.terminate() < STOP_LIMIT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_below_the_log_neither_ends_nor_holds_the_node() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let mut node = Node::start_onto(Stdio::from(full));
    node.flood(MANY);
    node.is_alive().await;
    assert!(node.dropped().await > 0);
    assert!(node.terminate() < STOP_LIMIT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_onto_a_pipe_that_is_full_already() {
    let (_reader, writer) = full_pipe();
    let mut node = Node::start_onto(Stdio::from(writer));
    node.flood(MANY);
    node.is_alive().await;
    assert!(node.terminate() < STOP_LIMIT);
}

/// Runs a command to its end; returns its exit code, and the time it took.
fn ended(mut command: Command) -> (Option<i32>, Duration) {
    let began = Instant::now();
    let mut child = command.stdin(Stdio::null()).spawn().expect("it starts");
    let mut tries = 1_000;
    let status = wait_for("the command ends", Duration::from_secs(20), || {
        tries -= 1;
        if tries == 0 {
            child.kill().expect("it runs");
        }
        child.try_wait().expect("it can be asked")
    });
    (status.code(), began.elapsed())
}

#[test]
fn an_error_of_the_start_that_nobody_reads_ends_the_command_all_the_same() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().expect("bound").to_string();
    for (subcommand, settings, code) in [
        ("serve", [("STORE", "embedded"), ("PORT", "http")], 2),
        ("serve", [("STORE", "embedded"), ("ISSUER", "")], 2),
        ("serve", [("STORE", "embedded"), ("BIND_ADDR", taken.as_str())], 1),
        ("dev", [("STORE", "embedded"), ("BIND_ADDR", taken.as_str())], 1),
        ("dev", [("STORE", "embedded"), ("REFRESH_SECRET", "short")], 2),
    ] {
        let (_reader, writer) = full_pipe();
        let mut command = GATEWAY.command(subcommand, &settings);
        command.stderr(writer);
        let (ended, took) = ended(command);
        assert!(ended == Some(code) && took < Duration::from_secs(5), "{settings:?}: {ended:?}, {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_serves_although_nobody_reads_its_lines_to_paste() {
    let (reader, writer) = full_pipe();
    let (gone, closed) = std::io::pipe().expect("a pipe");
    drop(gone);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    for out in [Stdio::from(writer), Stdio::from(closed), Stdio::from(full)] {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = GATEWAY.command("dev", &[("STORE", "embedded"), ("BIND_ADDR", &address)]);
        let mut child = command.stdout(out).stderr(Stdio::null()).spawn().expect("it starts");
        let api = Api::new(&address);
        token_gateway_testkit::eventually("it serves", Duration::from_secs(10), async || {
            api.try_send(api.request(reqwest::Method::GET, "/livez")).await.ok()
        })
        .await;
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
    drop(reader);
}
