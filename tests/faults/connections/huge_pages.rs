//! A node takes memory in small pages, so a crowd of connections leaves little behind. The proof measures how much.

use crate::GATEWAY;

/// One byte takes 2 MiB of a huge page. The kernel makes them of small pages, long after a crowd has gone.
#[test]
fn a_node_has_no_huge_pages() {
    let node = GATEWAY.embedded();
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.id())).expect("it runs");
    assert!(status.contains("THP_enabled:\t0\n"), "{status}");
}
