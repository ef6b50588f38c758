//! Answers that nobody reads are bounded in memory and in time.

use std::io::Read;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use token_gateway_testkit::gateway::{Gateway, PUBLIC_DOCS};
use token_gateway_testkit::hostile::socket_memory;
use token_gateway_testkit::{eventually, wait_for};

use super::raw_client::RawClient;
use crate::GATEWAY;

const SETTINGS: [(&str, &str); 3] = [("WORKERS", "1"), ("ADMIN_ADDR", "127.0.0.1:0"), PUBLIC_DOCS];

/// Clients of one kind at once.
const CLIENTS: usize = 20;

/// All that one client may cost the node.
const MOST: u64 = 1 << 20;

/// The kernel's memory for the node's connections. Those that the node has closed count, too.
fn kept(gateway: &Gateway) -> u64 {
    socket_memory(gateway.address())
}

/// Lets clients send `text` without reading, until nothing more is taken or `most` bytes are sent.
async fn cost(text: String, most: usize) {
    let node = GATEWAY.embedded_with(&SETTINGS);
    let mut first = RawClient::of(&node);
    first.say("GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n");
    first.answer(); // once, as any node has served it
    let before = node.resident();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| RawClient::of(&node)).collect();
    for client in &mut clients {
        client.say_until_blocked(&text, most, Duration::from_millis(300));
    }
    let mut peak = 0;
    let line = format!("token_gateway_connections_closed_total{{cause=\"no_progress\"}} {CLIENTS}\n");
    eventually("they are closed", Duration::from_secs(25), async || {
        peak = peak.max(node.resident().saturating_sub(before) + kept(&node));
        node.metrics().await.contains(&line).then_some(())
    })
    .await;
    let each = peak / CLIENTS as u64;
    assert!(each < MOST, "{each} bytes a client");
    wait_for("the kernel keeps nothing", Duration::from_secs(2), || (kept(&node) == 0).then_some(()));
    wait_for("the clients know", Duration::from_secs(2), || {
        clients.retain(|client| client.0.take_error().expect("known").is_none());
        clients.is_empty().then_some(())
    });
    wait_for("the log tells", Duration::from_secs(5), || node.log().contains("slow clients: ").then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_whose_answers_nobody_reads_cost_little_and_end() {
    cost("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2000), 100_000_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_that_nobody_reads_cost_little_and_end() {
    cost("GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(4), 200).await;
}

/// A client whose kernel keeps little, and the bytes that it reads in each tenth of a second at first.
const WINDOW: usize = 16 * 1024;
const SLOW_PIECE: usize = 4096;

fn with_small_window(node: &Gateway) -> RawClient {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(WINDOW).expect("a small buffer");
    let address: SocketAddr = node.address().parse().expect("an address");
    socket.connect(&address.into()).expect("it listens");
    RawClient(socket.into())
}

/// The kernel takes such a client for one that is stuck.
#[test]
fn a_client_with_a_small_window_that_reads_on_gets_the_whole_answer() {
    let node = GATEWAY.embedded_with(&SETTINGS);
    let mut client = with_small_window(&node);
    client.say("GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let (began, mut piece) = (Instant::now(), [0; SLOW_PIECE]);
    while began.elapsed() < Duration::from_secs(20) {
        client.0.read_exact(&mut piece).expect("the answer goes on");
        std::thread::sleep(Duration::from_millis(100)); // its pace
    }
    let mut rest = Vec::new();
    client.0.read_to_end(&mut rest).expect("the whole answer");
    assert!(!rest.is_empty(), "it was slow enough");
}

/// The node is done with such an answer, and has closed the connection or keeps it for longer.
#[test]
fn what_the_kernel_has_of_answers_that_nobody_reads_is_gone_in_time() {
    let node = GATEWAY.embedded_with(&SETTINGS);
    let mut clients = [(); 2].map(|()| with_small_window(&node));
    for (client, header) in clients.iter_mut().zip(["X: y", "Connection: close"]) {
        client.say(&format!("GET /openapi.json HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n"));
    }
    wait_for("the answers are with the kernel", Duration::from_secs(5), || {
        (kept(&node) > 40_000).then_some(())
    });
    wait_for("the kernel has given up", Duration::from_secs(40), || (kept(&node) == 0).then_some(()));
}

/// The kernel has the rest of an answer whose client has kept the node waiting.
#[test]
fn the_end_of_a_slow_answer_that_nobody_reads_is_gone_in_time() {
    let node = GATEWAY.embedded_with(&SETTINGS);
    let request = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let [mut first, mut client] = [RawClient::of(&node), with_small_window(&node)];
    first.say(request);
    let (_, whole) = first.answer();
    client.say(request);
    client.0.read_exact(&mut vec![0; whole.len() - 200 * 1024]).expect("the answer goes on");
    wait_for("the kernel has given up", Duration::from_secs(40), || (kept(&node) == 0).then_some(()));
}
