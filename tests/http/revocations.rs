//! `GET /v1/revocations`: the revocation feed as server-sent events.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::{ISSUE_ONLY, WEB};
use tokio::time::timeout;

use crate::GATEWAY;

/// An event: its name, its id, and its data.
type Event = (String, Option<String>, Value);

/// An open stream.
struct Events {
    answer: Response,
    text: String,
}

impl Events {
    /// Opens a stream as soon as the node has read the feed.
    async fn open(gateway: &Gateway, last: Option<&str>) -> Self {
        let answer = eventually("a stream is open", Duration::from_secs(10), async || {
            let request = gateway.api().request(Method::GET, "/v1/revocations").bearer_auth(WEB.key);
            let request = last.into_iter().fold(request, |request, id| request.header("Last-Event-ID", id));
            let answer = request.send().await.expect("an answer");
            (answer.status() != 503).then_some(answer)
        })
        .await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        Self { answer, text: String::new() }
    }

    /// `None` when the stream is over.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = read(event);
                self.text = rest.to_owned();
                return Some(event);
            }
            let chunk =
                timeout(Duration::from_secs(10), self.answer.chunk()).await.expect("an event in time");
            self.text += std::str::from_utf8(&chunk.ok()??).expect("text");
        }
    }

    /// The ended sessions in the stream up to the next event `fresh`, and the id of this event.
    async fn until_fresh(&mut self) -> (Vec<String>, String) {
        let mut told = Vec::new();
        loop {
            let (name, id, data) = self.next().await.expect("the stream goes on");
            match name.as_str() {
                "ended" => told.push(data["sid"].as_str().expect("an id").to_owned()),
                "fresh" => return (told, id.expect("it has an id")),
                other => panic!("an event '{other}'"),
            }
        }
    }
}

fn read(event: &str) -> Event {
    let value = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let data = serde_json::from_str(&value("data: ").expect("data")).expect("JSON");
    (value("event: ").expect("a name"), value("id: "), data)
}

#[tokio::test]
async fn a_stream_begins_with_all_that_has_ended_and_goes_on_with_what_ends() {
    for gateway in [GATEWAY.embedded(), GATEWAY.start(&Redis::start())] {
        let api = gateway.api();
        let (before, after) = (api.login("alice").await, api.login("Zo\u{eb}").await);
        assert_eq!(api.revoke(&before.refresh).await.status, 200);
        let mut events = Events::open(&gateway, None).await;
        assert_eq!(events.until_fresh().await.0, [before.session.as_str()]);
        assert_eq!(api.revoke(&after.refresh).await.status, 200);
        let (name, id, data) = loop {
            let event = events.next().await.expect("the stream goes on");
            if event.0 != "fresh" {
                break event;
            }
        };
        assert_eq!((name.as_str(), id), ("ended", None));
        assert!(data["at"].as_u64().is_some_and(|at| at > 1_700_000_000_000), "{data}");
        let expected = json!({"sub": "Zo\u{eb}", "sid": after.session, "reason": "logout", "at": data["at"]});
        assert_eq!(data, expected);
    }
}

/// On another node too, because the id is a time and not a place.
#[tokio::test]
async fn a_stream_that_is_opened_again_goes_on_where_the_last_one_was_fresh() {
    let redis = Redis::start();
    let (one, two) = (GATEWAY.start(&redis), GATEWAY.start(&redis));
    let (api, mut long_ago) = (one.api(), Vec::new());
    for _ in 0..3 {
        let tokens = api.login("alice").await;
        assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
        long_ago.push(tokens.session);
    }
    let (mut told, id) = Events::open(&one, None).await.until_fresh().await;
    told.sort();
    long_ago.sort();
    assert_eq!(told, long_ago);
    let missed = api.login("alice").await;
    assert_eq!(api.revoke(&missed.refresh).await.status, 200);
    for node in [&one, &two] {
        let told = Events::open(node, Some(&id)).await.until_fresh().await.0;
        assert!(told.contains(&missed.session), "{told:?}");
        // Two minutes on, by the subscriber's clock: earlier ends are not sent again.
        let later: u64 = id.parse::<u64>().expect("milliseconds") + 120_000;
        assert_eq!(Events::open(node, Some(&later.to_string())).await.until_fresh().await.0, [""; 0]);
    }
}

#[tokio::test]
async fn a_stream_beats_once_a_second_and_ends_when_its_node_is_told_to_stop() {
    let mut gateway = GATEWAY.embedded();
    let mut events = Events::open(&gateway, None).await;
    let mut made = Vec::new();
    for _ in 0..4 {
        let (name, _, data) = events.next().await.expect("the stream goes on");
        assert_eq!(name, "fresh");
        made.push(data["now_ms"].as_u64().expect("milliseconds"));
    }
    // By the clock of the node: the time of their way here is another matter.
    assert!(made.windows(2).all(|two| (1..=1000).contains(&(two[1] - two[0]))), "{made:?}");
    gateway.terminate();
    while events.next().await.is_some() {}
    assert!(gateway.wait().success());
}

#[tokio::test]
async fn it_is_for_services_with_the_role_feed_alone() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let ask = |key: Option<&str>| {
        let request = api.request(Method::GET, "/v1/revocations");
        api.send(key.into_iter().fold(request, |request, key| request.bearer_auth(key)))
    };
    ask(None).await.expect_error(401, "invalid_client");
    ask(Some(&tokens.access)).await.expect_error(401, "invalid_client");
    ask(Some(ISSUE_ONLY.key)).await.expect_error(403, "insufficient_scope");
    Events::open(&gateway, None).await;
    for id in ["x", "-1", "1.5", "", "12345678901234567"] {
        let request = api.service(Method::GET, "/v1/revocations").header("Last-Event-ID", id);
        api.send(request).await.expect_error(400, "invalid_request");
    }
}

/// Its subscribers then ask another node.
#[tokio::test]
async fn a_node_that_is_cut_off_ends_its_streams() {
    let mut redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let mut events = Events::open(&gateway, None).await;
    events.until_fresh().await;
    redis.stop();
    while events.next().await.is_some() {}
    let api = gateway.api();
    api.send(api.service(Method::GET, "/v1/revocations")).await.expect_error(503, "temporarily_unavailable");
    redis.run();
    Events::open(&gateway, None).await.until_fresh().await;
}

/// Subjects with characters that Unicode counts among the ends of lines, and with others beyond ASCII.
const BEYOND_ASCII: [&str; 6] = [
    "a\u{2028}b",
    "a\u{2029}b",
    "\u{2028}",
    "Zo\u{eb}",
    "\u{1f98a}\u{2028}\u{1f98a}",
    "a\u{a0}\u{feff}\u{202e}b",
];

/// Lines as Python's `str.splitlines` and others have them.
fn unicode_lines(text: &str) -> Vec<&str> {
    let ends = |c: char| matches!(c, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    text.split(ends).collect()
}

#[tokio::test]
async fn events_are_ascii_and_a_subscriber_that_splits_lines_by_unicode_loses_no_logout() {
    for gateway in [GATEWAY.embedded(), GATEWAY.start(&Redis::start())] {
        let (api, mut ended) = (gateway.api(), Vec::new());
        for sub in BEYOND_ASCII {
            let tokens = api.login(sub).await;
            assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
            ended.push((sub.to_owned(), tokens.session));
        }
        let mut events = Events::open(&gateway, None).await;
        let mut text = String::new();
        while !text.contains("event: fresh") {
            let chunk = events.answer.chunk().await.expect("a stream").expect("it goes on");
            assert!(chunk.is_ascii(), "{:?}", String::from_utf8_lossy(&chunk));
            text += std::str::from_utf8(&chunk).expect("text");
        }
        let data = unicode_lines(&text).into_iter().filter_map(|line| line.strip_prefix("data: "));
        let data: Vec<Value> = data.map(|data| serde_json::from_str(data).expect("JSON")).collect();
        let member = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let mut told: Vec<_> =
            data.iter().map(|event| (member(event, "sub"), member(event, "sid"))).collect();
        told.retain(|(sub, _)| !sub.is_empty());
        told.sort();
        ended.sort();
        assert_eq!(told, ended);
    }
}

#[tokio::test]
async fn an_event_that_comes_later_is_ascii_too() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let mut events = Events::open(&gateway, None).await;
    events.until_fresh().await;
    let tokens = api.login("a\u{2028}b").await;
    assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
    let mut text = String::new();
    while !text.contains(&tokens.session) {
        let chunk = events.answer.chunk().await.expect("a stream").expect("it goes on");
        assert!(chunk.is_ascii(), "{:?}", String::from_utf8_lossy(&chunk));
        text += std::str::from_utf8(&chunk).expect("text");
    }
    assert!(text.contains(r#""sub":"a\u2028b""#), "{text}");
}

#[tokio::test]
async fn the_feed_in_redis_is_ascii_and_a_control_character_is_no_part_of_a_subject() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    for sub in BEYOND_ASCII {
        let tokens = api.login(sub).await;
        assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
    }
    let feed: Vec<(String, Vec<String>)> = redis.ask(&["XRANGE", "tg:revocations", "-", "+"]);
    assert_eq!(feed.len(), BEYOND_ASCII.len());
    assert!(feed.iter().all(|(_, fields)| fields.iter().all(|field| field.is_ascii())), "{feed:?}");
    for sub in ["a\u{85}b", "a\u{1c}b", "a\u{b}b"] {
        api.issue(&json!({"sub": sub})).await.expect_error(400, "invalid_request");
    }
}
