//! A node dies between the execution of a request and its answer.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use reqwest::Method;
use token_gateway_testkit::api::fresh_key;
use token_gateway_testkit::gateway::Gateway;

use super::parts::{Store, gateway};
use token_gateway_testkit::nginx::{Nginx, Rates};

/// Hands each request on to a gateway, waits for its answer, and hangs up.
struct Dying {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Dying {
    fn before(gateway: &Gateway) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (noted, behind) = (requests.clone(), gateway.address().to_owned());
        std::thread::spawn(move || {
            for mut client in listener.incoming().map_while(Result::ok) {
                let request = read_request(&mut client);
                let mut gateway = TcpStream::connect(&behind).expect("it listens");
                gateway.write_all(request.as_bytes()).expect("it reads");
                gateway.read_exact(&mut [0; 12]).expect("it answers");
                noted.lock().unwrap().push(request);
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// A head, and as much body as its `Content-Length` says.
fn read_request(client: &mut TcpStream) -> String {
    let (mut request, mut byte) = (String::new(), [0]);
    while !request.ends_with("\r\n\r\n") && client.read(&mut byte).expect("it writes") == 1 {
        request.push(char::from(byte[0]));
    }
    let length = header(&request, "Content-Length").map_or(0, |length| length.parse().expect("a number"));
    let mut body = vec![0; length];
    client.read_exact(&mut body).expect("the body");
    request + &String::from_utf8(body).expect("text")
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let lines = request.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

struct Parts {
    _store: Store,
    first: Gateway,
    dying: Dying,
    second: Gateway,
}

impl Parts {
    fn start() -> Self {
        let store = Store::start();
        let [first, second] = [(); 2].map(|()| gateway(&store, "127.0.0.1:0"));
        let dying = Dying::before(&first);
        Self { _store: store, first, dying, second }
    }

    /// A fresh nginx asks the first of its nodes first: the dying one.
    fn nginx(&self) -> Nginx {
        Nginx::before([&self.dying.address, self.second.address()], Rates::NONE)
    }
}

#[tokio::test]
async fn a_refresh_without_a_key_is_repeated_as_the_same_attempt_and_nobody_is_accused() {
    let parts = Parts::start();
    let (one, two) = (parts.nginx(), parts.nginx());
    for api in [one.public(), two.internal()] {
        let tokens = parts.first.api().login("alice").await;
        let next = api.send(api.refresh_request(&tokens.refresh)).await.tokens();
        assert_eq!(one.public().refresh(&next.refresh).await.tokens().session, tokens.session);
        let requests = parts.dying.requests();
        let request = requests.last().expect("it was asked");
        let given = |name| header(request, name).unwrap_or_else(|| panic!("nginx gives no {name}"));
        let (key, id) = (given("Idempotency-Key"), given("X-Request-Id"));
        assert_eq!(key.len(), 32);
        assert!(!id.contains(key), "an id stands in logs, and a key is as secret as a token");
    }
}

#[tokio::test]
async fn the_clients_own_key_is_handed_on() {
    let parts = Parts::start();
    let nginx = parts.nginx();
    let (tokens, key) = (parts.first.api().login("alice").await, fresh_key());
    let next = nginx.public().refresh_as(&tokens.refresh, &key).await.tokens();
    assert_eq!(header(&parts.dying.requests()[0], "Idempotency-Key"), Some(key.as_str()));
    assert_eq!(nginx.public().refresh_as(&tokens.refresh, &key).await.tokens().refresh, next.refresh);
}

#[tokio::test]
async fn no_other_post_is_sent_twice() {
    let parts = Parts::start();
    let nginx = parts.nginx();
    let login = nginx.internal().issue(&serde_json::json!({"sub": "alice"})).await;
    login.expect_error(503, "temporarily_unavailable");
    let tokens = parts.first.api().login("alice").await;
    assert_eq!(parts.first.api().user(Method::GET, "alice", "").await.sessions().len(), 2);
    let nginx = parts.nginx();
    nginx.public().revoke(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
    let log = parts.second.log();
    assert!(!log.contains("/v1/sessions") && !log.contains("/oauth/revoke"), "{log}");
}

#[tokio::test]
async fn what_a_client_claims_about_its_address_is_not_handed_on() {
    let parts = Parts::start();
    let nginx = parts.nginx();
    let api = nginx.public();
    let mut request = api.request(Method::GET, "/v1/me/sessions");
    for name in ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded"] {
        request = request.header(name, "for=203.0.113.9");
    }
    api.send(request).await.expect_error(401, "invalid_token");
    let request = &parts.dying.requests()[0];
    assert!(!request.contains("203.0.113.9"), "{request}");
    assert_eq!(header(request, "X-Forwarded-For"), Some("127.0.0.1"));
    assert_eq!(header(request, "X-Forwarded-Proto"), Some("http"));
}
