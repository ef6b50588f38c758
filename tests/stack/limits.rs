//! nginx bounds each client address: its requests a second, its requests under way, and its time.

use std::future::ready;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use reqwest::Method;
use token_gateway_testkit::api::{Answer, Api, fresh_key};
use token_gateway_testkit::hostile::socket_memory;
use token_gateway_testkit::nginx::{Nginx, Rates, SOFT_DESCRIPTORS};
use token_gateway_testkit::service_key::WEB;
use token_gateway_testkit::wait_for;

use super::parts::Stack;
use super::text_of;

/// The burst of `limit_req`, and a request on top.
const SERVED: usize = 201;

const NEIGHBOUR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 66));

fn is_slow_down(answer: &Answer) -> bool {
    let rest = ["retry-after", "content-type", "cache-control"].map(|name| answer.header(name));
    answer.status == 429
        && answer.json()["error"] == "temporarily_unavailable"
        && rest == [Some("1"), Some("application/json"), Some("no-store")]
}

/// The answers to a request that is repeated a few times beyond the burst.
async fn hammer<A: Future<Output = Answer>>(mut ask: impl FnMut() -> A) -> Vec<Answer> {
    let mut answers = Vec::new();
    for _ in 0..SERVED + 4 {
        answers.push(ask().await);
    }
    answers
}

fn one_request_a_minute() -> Stack {
    Stack::start_with(Rates { token: "1r/m", introspect: "1r/m" })
}

#[tokio::test]
async fn an_address_that_refreshes_too_often_is_told_to_wait_and_others_go_on() {
    let stack = one_request_a_minute();
    let public = stack.nginx.public();
    let tokens = stack.nginx.internal().login("alice").await;
    let key = fresh_key();
    let answers = hammer(|| public.refresh_as(&tokens.refresh, &key)).await;
    let (served, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(served.len(), SERVED, "the burst is served");
    assert!(refused.into_iter().all(is_slow_down), "{answers:?}");
    let neighbour = stack.nginx.public_from(NEIGHBOUR);
    assert_eq!(neighbour.refresh_as(&tokens.refresh, &key).await.status, 200);
}

#[tokio::test]
async fn lists_and_revocations_are_counted_with_the_refreshes() {
    let stack = one_request_a_minute();
    let public = stack.nginx.public();
    let tokens = stack.nginx.internal().login("alice").await;
    let lists = hammer(|| public.me(Method::GET, "", &tokens.access)).await;
    assert_eq!(lists.iter().filter(|answer| answer.status == 200).count(), SERVED);
    assert!(lists[SERVED..].iter().all(is_slow_down), "{lists:?}");
    assert!(is_slow_down(&public.revoke(&tokens.refresh).await));
    assert!(is_slow_down(&public.refresh(&tokens.refresh).await));
}

/// Back ends ask for many users from one address, and shall not be slowed down with them.
#[tokio::test]
async fn introspection_has_a_limit_of_its_own() {
    let stack = Stack::start_with(Rates { token: "1r/m", introspect: "100000r/s" });
    let public = stack.nginx.public();
    let tokens = stack.nginx.internal().login("alice").await;
    let refreshes = hammer(|| public.refresh(&tokens.refresh)).await;
    assert!(is_slow_down(refreshes.last().expect("some")));
    let asked = hammer(|| introspect(&public, &tokens.access)).await;
    assert!(asked.iter().all(|answer| answer.status == 200), "{asked:?}");

    let stack = Stack::start_with(Rates { token: "100000r/s", introspect: "1r/m" });
    let public = stack.nginx.public();
    let asked = stream::iter(0..1010).map(|_| introspect(&public, "no-token")).buffer_unordered(16);
    let limited = asked.filter(|answer| ready(is_slow_down(answer))).count().await;
    assert_eq!(limited, 1010 - 1001, "the burst is served");
}

async fn introspect(public: &Api, token: &str) -> Answer {
    let form = public.form("/oauth/introspect", &[("token", token)]);
    public.send(form.bearer_auth(WEB.key)).await
}

/// Requests of one address that nginx lets be under way.
const UNDER_WAY: usize = 256;

/// Each begins a body and does not end it. Those within the bound cost nginx a place, and no node anything.
#[test]
fn an_address_has_so_many_requests_under_way_and_no_more() {
    const MORE: usize = 20;
    let stack = Stack::start();
    let held: Vec<TcpStream> = (0..UNDER_WAY + MORE).map(|_| begin_a_body(&stack)).collect();
    wait_for("those beyond the bound are refused", Duration::from_secs(5), || {
        (held.iter().filter(|stream| is_refused(stream)).count() == MORE).then_some(())
    });
    assert_eq!((stack.met(0, "access"), stack.met(1, "access")), (0, 0), "no gateway was asked");
}

fn begin_a_body(stack: &Stack) -> TcpStream {
    let mut stream = TcpStream::connect(stack.nginx.public_address()).expect("it listens");
    let head = "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx";
    stream.write_all(head.as_bytes()).expect("it reads");
    stream.set_nonblocking(true).expect("it can be");
    stream
}

fn is_refused(stream: &TcpStream) -> bool {
    let mut answer = [0; 12];
    stream.peek(&mut answer).is_ok() && &answer == b"HTTP/1.1 429"
}

/// As a load balancer asks, and then as an attacker does, who would have nginx answer without end.
#[test]
fn the_question_whether_nginx_lives_has_a_limit_of_its_own() {
    let stack = one_request_a_minute();
    pipelined(&stack, "GET /v1/me/sessions", 1000, "HTTP/1.1 429");
    let answers = pipelined(&stack, "GET /livez", 1000, "HTTP/1.1 429");
    let served = answers.matches("alive").count();
    assert!(served >= SERVED, "{served} of 1000 at once");
}

/// A client that repeats a request at once would get thousands of refusals in that second.
#[test]
fn a_refusal_takes_a_second() {
    let stack = one_request_a_minute();
    for (request, end) in [
        ("GET /nothing", "not_found"),
        ("HEAD /nothing", "\r\n\r\n"),
        ("GET /livez", "temporarily_unavailable"),
    ] {
        let began = Instant::now();
        pipelined(&stack, request, SERVED + 200, end);
        assert!(began.elapsed() > Duration::from_millis(900), "{request}: {:?}", began.elapsed());
    }
}

/// nginx works ahead of a client that reads nothing, until its buffers are full.
#[tokio::test]
async fn answers_that_are_not_read_cost_nginx_little() {
    const MOST: u64 = 512 * 1024;
    let stack = Stack::start();
    let request = "POST /oauth/introspect HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    let mut stream = TcpStream::connect(stack.nginx.public_address()).expect("it listens");
    stream.set_write_timeout(Some(Duration::from_secs(2))).expect("a timeout");
    let blocked = stream.write_all(request.repeat(200_000).as_bytes()).map_err(|error| error.kind());
    assert_eq!(blocked, Err(ErrorKind::WouldBlock), "nginx reads no further");
    let memory = socket_memory(stack.nginx.public_address());
    assert!(memory < MOST, "{memory} bytes");
    wait_for("the client is reset", Duration::from_secs(30), || {
        (socket_memory(stack.nginx.public_address()) == 0).then_some(())
    });
}

/// Sends so many requests in one write, and reads until the text was there.
fn pipelined(stack: &Stack, request: &str, requests: usize, until: &str) -> String {
    let mut stream = TcpStream::connect(stack.nginx.public_address()).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream
        .write_all(format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(requests).as_bytes())
        .expect("it reads");
    let (mut answers, mut piece) = (String::new(), [0; 64 * 1024]);
    while !answers.contains(until) {
        let length = stream.read(&mut piece).expect("an answer in time");
        assert_ne!(length, 0, "closed: {answers}");
        answers.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    answers
}

#[test]
fn a_slow_head_has_ten_seconds_on_every_request() {
    let stack = Stack::start();
    let mut stream = TcpStream::connect(stack.nginx.public_address()).expect("it listens");
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nG").expect("it reads");
    let (began, mut answers) = (Instant::now(), String::new());
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let _ = stream.read_to_string(&mut answers); // it may be reset
    assert!(answers.contains("alive"), "{answers}");
    assert!((9..14).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

/// The soft limit of open files of a process.
fn soft_descriptors(id: u32) -> usize {
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).expect("it runs");
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    soft.expect("Linux tells").parse().expect("a number")
}

/// A worker that may open fewer files could not accept the connection for which it would make room.
#[test]
fn a_worker_may_open_more_files_than_it_has_connections() {
    let template = text_of("ops/nginx/nginx.conf.template");
    let number =
        |line: &str| line.trim().strip_prefix("worker_connections ")?.strip_suffix(';')?.parse().ok();
    let connections: usize = template.lines().find_map(number).expect("their number");
    let nginx = Nginx::before(["127.0.0.1:9"; 2], Rates::NONE);
    assert_eq!(soft_descriptors(nginx.id()), SOFT_DESCRIPTORS, "nginx starts with few");
    wait_for("each worker has more", Duration::from_secs(5), || {
        let workers = nginx.workers();
        let has_more = |id: &u32| soft_descriptors(*id) > connections;
        (!workers.is_empty() && workers.iter().all(has_more)).then_some(())
    });
}
