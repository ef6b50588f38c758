//! `/verify` answers from the head of a request. It waits for no body, and takes one of any size.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use token_gateway_testkit::gateway::Gateway;

use crate::GATEWAY;

/// One connection, whose answers are read one by one.
struct Line(TcpStream);

impl Line {
    fn to(gateway: &Gateway) -> Self {
        let stream = TcpStream::connect(gateway.address()).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        Self(stream)
    }

    fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("it reads on");
    }

    /// The head of the next answer, other than `100 Continue`; the answers here have no body.
    fn answer(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("an answer, while the body is outstanding");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text");
        if head.starts_with("HTTP/1.1 100 ") { self.answer() } else { head }
    }

    fn ends(&mut self) {
        assert_eq!(self.0.read(&mut [0]).expect("no reset"), 0);
    }
}

fn head(method: &str, token: &str, headers: &str) -> Vec<u8> {
    format!("{method} /verify HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n{headers}\r\n")
        .into_bytes()
}

#[tokio::test]
async fn the_answer_comes_before_the_body() {
    let gateway = GATEWAY.embedded();
    let token = gateway.api().login("alice").await.access;
    for headers in [
        "Content-Length: 5000000\r\n",
        "Content-Length: 18446744073709551615\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 5000000\r\nExpect: 100-continue\r\n",
        "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: close\r\nContent-Length: 5000000\r\n",
    ] {
        for (method, token, status) in
            [("POST", token.as_str(), "200"), ("PUT", &token, "200"), ("GET", "bad", "401")]
        {
            let mut line = Line::to(&gateway);
            line.say(&head(method, token, headers));
            let answer = line.answer();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {headers}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_body_of_five_million_bytes_changes_nothing() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::GET] {
        for (token, status) in [(&tokens.access, 200), (&tokens.refresh, 401)] {
            let request =
                api.request(method.clone(), "/verify").bearer_auth(token).body(vec![b'x'; 5_000_000]);
            let answer = api.send(request).await;
            assert_eq!(answer.status, status, "{method}: {answer:?}");
        }
    }
}

/// An end in order: a reset would take the answer from a client that is still sending.
#[tokio::test]
async fn after_a_body_that_nobody_read_the_connection_serves_on_or_ends_in_order_as_its_answer_says() {
    let gateway = GATEWAY.embedded();
    let token = gateway.api().login("alice").await.access;
    let body = vec![b'x'; 3_000_000];
    let chunked = [b"2dc6c0\r\n", body.as_slice(), b"\r\n0\r\n\r\n"].concat();
    for (headers, body) in
        [("Content-Length: 3000000\r\n", &body), ("Transfer-Encoding: chunked\r\n", &chunked)]
    {
        let mut line = Line::to(&gateway);
        line.say(&head("POST", &token, headers));
        line.say(body);
        let answer = line.answer();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{headers}: {answer}");
        if answer.contains("connection: close") {
            line.ends();
        } else {
            line.say(&head("GET", &token, ""));
            assert!(line.answer().starts_with("HTTP/1.1 200 "), "{headers}");
        }
    }
}

/// The limit of the server below: 96 headers. A proxy passes such an answer on as it is.
#[tokio::test]
async fn too_many_headers_are_the_callers_error() {
    let gateway = GATEWAY.embedded();
    let token = gateway.api().login("alice").await.access;
    let many = |count: usize| (0..count).map(|n| format!("X-Many-{n}: y\r\n")).collect::<String>();
    for (count, status) in [(80, "200"), (150, "431"), (1000, "431")] {
        let mut line = Line::to(&gateway);
        line.say(&head("GET", &token, &many(count)));
        let answer = line.answer();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{count}: {answer}");
    }
}
