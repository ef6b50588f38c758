//! The memory of a node after crowds of connections.

use std::time::Duration;

use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::{eventually, raise_descriptor_limit};

use super::raw_client::RawClient;
use crate::GATEWAY;

/// Connections at once. A process may have 1,024 descriptors unless it raises the limit.
const CROWD: usize = 1200;

/// Crowds after the first find what the first one has left.
const CROWDS: usize = 3;

/// The memory that a node may keep.
const KEPT: u64 = 20 << 20;

/// A third never ends a head, a third never ends a body, and a third is answered.
const TEXTS: [&str; 3] = [
    "GET /livez HTTP/1.1\r\nHost:",
    "POST /verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
    "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
];

fn crowd(node: &Gateway) -> Vec<RawClient> {
    let said = |text: &&str| {
        let mut client = RawClient::of(node);
        client.say(text);
        client
    };
    TEXTS.iter().cycle().take(CROWD).map(said).collect()
}

async fn open(node: &Gateway) -> usize {
    let metrics = node.metrics().await;
    let line = metrics.lines().find_map(|line| line.strip_prefix("token_gateway_connections_open "));
    line.and_then(|count| count.parse().ok()).expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn crowds_that_are_gone_leave_little_memory_behind() {
    raise_descriptor_limit(16 * 1024);
    let node = GATEWAY.embedded_with(&[("WORKERS", "2"), ("ADMIN_ADDR", "127.0.0.1:0")]);
    let before = node.resident();
    for _ in 0..CROWDS {
        let clients = crowd(&node);
        eventually("they are there", Duration::from_secs(10), async || {
            (open(&node).await >= CROWD).then_some(())
        })
        .await;
        drop(clients);
        eventually("they are gone", Duration::from_secs(10), async || (open(&node).await == 0).then_some(()))
            .await;
    }
    let kept = node.resident().saturating_sub(before);
    assert!(kept < KEPT, "{kept} bytes");
}

/// One byte takes 2 MiB of such a page. The kernel makes them of small pages, long after a crowd has gone.
#[test]
fn a_node_has_no_huge_pages() {
    let node = GATEWAY.embedded();
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.id())).expect("it runs");
    assert!(status.contains("THP_enabled:\t0\n"), "{status}");
}
