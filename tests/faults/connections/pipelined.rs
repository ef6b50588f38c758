//! Requests that are sent before earlier ones are answered: each is served, one after the other.

use std::time::Duration;

use token_gateway_testkit::eventually;
use token_gateway_testkit::redis::Redis;

use super::raw_client::RawClient;
use crate::GATEWAY;

/// Requests of all kinds, with the status of their answers.
fn requests() -> Vec<(String, u16)> {
    let form = "grant_type=refresh_token&refresh_token=x";
    let token = |headers: &str, body: &str| {
        format!(
            "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             {headers}\r\n\r\n{body}"
        )
    };
    let chunked = format!("{:x};a=b\r\n{form}\r\n0\r\nTrailer: x\r\n\r\n", form.len());
    vec![
        ("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 200),
        (token(&format!("Content-Length: {}", form.len()), form), 400),
        (token("Transfer-Encoding: chunked", &chunked), 400),
        ("\r\n\nGET /livez HTTP/1.1\nHost: x\n\n".to_owned(), 200),
        (token("Content-Length: 4", "\n\n\n\n"), 400),
        ("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 404),
    ]
}

#[test]
fn every_pipelined_request_is_answered_in_order_however_it_is_cut_up() {
    let gateway = GATEWAY.embedded();
    let requests = requests();
    let text: String = requests.iter().map(|(text, _)| text.as_str()).collect::<String>().repeat(20);
    for piece in [text.len(), 7, 1000, 8192, 313] {
        let mut client = RawClient::of(&gateway);
        let mut writer = RawClient(client.0.try_clone().expect("a second handle"));
        let text = text.clone();
        let writing = std::thread::spawn(move || {
            for piece in text.as_bytes().chunks(piece) {
                writer.say(std::str::from_utf8(piece).expect("ASCII"));
            }
        });
        for (n, (text, status)) in requests.iter().cycle().take(20 * requests.len()).enumerate() {
            let (got, body) = client.answer();
            assert_eq!(got, *status, "{n}, in pieces of {piece}: {text} {body}");
        }
        writing.join().expect("no panic");
    }
}

/// The head comes with a part of the body that has a blank line, and the end of the body comes later or needs more room.
#[test]
fn a_chunked_body_with_blank_lines_is_read_to_its_end() {
    let gateway = GATEWAY.embedded();
    let head = "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let long = "x".repeat(4000);
    for (first, second) in [
        ("4\r\na=b\n\r\n".to_owned(), "0\r\n\r\n"),
        (format!("fa1\r\n{long}\n\r\nfa1\r\n{long}\n\r\nfa1\r\n{long}\n\r\n0\r\n\r\n"), ""),
    ] {
        let mut client = RawClient::of(&gateway);
        client.0.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        client.say(&format!("{head}{first}"));
        std::thread::sleep(Duration::from_millis(200)); // two segments
        client.say(second);
        assert_eq!(client.answer().0, 400, "{second:?}");
        client.say("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(client.answer(), (200, "alive".to_owned()));
    }
}

/// Old clients send a line end behind the body of a POST (RFC 9112 section 2.2).
#[test]
fn an_empty_line_begins_no_head() {
    let gateway = GATEWAY.embedded();
    let clients = ["\r\n", "\r", "\n\r\n"].map(|lines| {
        let mut client = RawClient::of(&gateway);
        client.say(&format!("POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b{lines}"));
        assert_eq!(client.answer().0, 400);
        client
    });
    std::thread::sleep(Duration::from_secs(12)); // more than a head has
    for mut client in clients {
        client.say("\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(client.answer(), (200, "alive".to_owned()));
    }
}

#[test]
fn a_half_closing_client_gets_its_answers() {
    let gateway = GATEWAY.embedded();
    let livez = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    let body = "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 4\r\n\r\n\n\n\nx";
    let many = livez.repeat(20);
    for (text, answers) in [(livez, 1), (&livez.repeat(2), 2), (&many, 20), (&format!("{body}{livez}"), 2)] {
        let mut client = RawClient::of(&gateway);
        client.say(text);
        client.0.shutdown(std::net::Shutdown::Write).expect("half closed");
        let (answer, _) = client.rest();
        assert_eq!(answer.matches("HTTP/1.1 ").count(), answers, "{answer}");
    }
}

/// Else it might be accused: see `Gateway::rotate`.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_is_noticed_though_its_next_requests_wait() {
    let redis = Redis::start();
    let settings = [("REDIS_TIMEOUT_MS", "20000"), ("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "1")];
    let node = GATEWAY.start_with(&redis, &settings);
    let token = node.api().login("alice").await.refresh;
    redis.freeze();
    let body = format!("grant_type=refresh_token&refresh_token={token}");
    let mut client = RawClient::of(&node);
    client.say(&format!(
        "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}{}",
        body.len(),
        "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".repeat(9)
    ));
    for (line, client) in [("store_in_flight 1\n", Some(client)), ("store_in_flight 0\n", None)] {
        eventually(line, Duration::from_secs(5), async || node.metrics().await.contains(line).then_some(()))
            .await;
        drop(client);
    }
    redis.thaw();
}
