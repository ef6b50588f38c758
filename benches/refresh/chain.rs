//! The requests of a client, and the reading of their answers. Each refresh presents the successor of the last one.

use redis::Value;
use token_gateway::store::redis::scripts::rotate;
use token_gateway_core::session::{Attempt, Jti};

/// Claims of every session: 40 bytes.
pub const CLAIMS: &str = r#"{"plan":"gratis","role":"administrator"}"#;

/// One client: at most one request at a time.
pub trait Chain {
    /// Appends the next request to `out`.
    fn request(&mut self, out: &mut Vec<u8>);

    /// Reads an answer. Returns `None` while the answer is incomplete, and an error for an unexpected one.
    fn answer(&mut self, bytes: &[u8]) -> Option<Result<(), String>>;
}

/// `POST /oauth/token`, with a fresh `Idempotency-Key` each time.
pub struct Refreshing {
    host: String,
    token: String,
    sent: u64,
    name: u64,
}

impl Refreshing {
    pub fn new(host: &str, name: u64, token: String) -> Self {
        Self { host: host.to_owned(), token, sent: 0, name }
    }
}

impl Chain for Refreshing {
    fn request(&mut self, out: &mut Vec<u8>) {
        self.sent += 1;
        let body = format!("grant_type=refresh_token&refresh_token={}", self.token);
        let key = format!("{:016x}{:016x}", self.name, self.sent);
        post(out, "/oauth/token", &self.host, &key, &body);
    }

    fn answer(&mut self, bytes: &[u8]) -> Option<Result<(), String>> {
        Some(http_answer(bytes)?.and_then(|body| {
            self.token = member(body, "refresh_token").ok_or("an answer without a token")?.to_owned();
            Ok(())
        }))
    }
}

/// A request of the same size, to a handler without work.
pub struct Posting {
    host: String,
    body: String,
}

impl Posting {
    pub fn new(host: &str) -> Self {
        Self { host: host.to_owned(), body: format!("grant_type=refresh_token&refresh_token={:x<500}", "") }
    }
}

impl Chain for Posting {
    fn request(&mut self, out: &mut Vec<u8>) {
        post(out, "/empty", &self.host, "0123456789abcdef0123456789abcdef", &self.body);
    }

    fn answer(&mut self, bytes: &[u8]) -> Option<Result<(), String>> {
        Some(http_answer(bytes)?.map(drop))
    }
}

/// The same request again and again.
pub struct Asking {
    request: String,
}

impl Asking {
    pub fn alive(host: &str) -> Self {
        Self { request: format!("GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n") }
    }

    pub fn verify(host: &str, token: &str) -> Self {
        let request =
            format!("GET /verify HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
        Self { request }
    }
}

impl Chain for Asking {
    fn request(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.request.as_bytes());
    }

    fn answer(&mut self, bytes: &[u8]) -> Option<Result<(), String>> {
        Some(http_answer(bytes)?.map(drop))
    }
}

fn post(out: &mut Vec<u8>, path: &str, host: &str, key: &str, body: &str) {
    let length = body.len();
    out.extend_from_slice(
        format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Idempotency-Key: {key}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .as_bytes(),
    );
}

/// The body of an HTTP answer, `None` while it is incomplete.
fn http_answer(bytes: &[u8]) -> Option<Result<&str, String>> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Response::new(&mut headers);
    let end = match head.parse(bytes) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return None,
        Err(error) => return Some(Err(format!("no HTTP: {error}"))),
    };
    let status = head.code.unwrap_or_default();
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok()).unwrap_or(0);
    let body = bytes.get(end..end + length)?;
    if status != 200 {
        let error = std::str::from_utf8(body).ok().and_then(|body| member(body, "error")).unwrap_or_default();
        return Some(Err(format!("{status} {error}")));
    }
    Some(std::str::from_utf8(body).map_err(|_| "an answer that is no text".to_owned()))
}

/// A member of a JSON object: a string without escapes.
pub fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = json.split_once(&format!("\"{name}\":\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

/// `EVALSHA` of `rotate.lua`: the gateway's call of Redis for one refresh, and nothing else.
pub struct Rotating {
    keys: [String; 2],
    sha: String,
    jti: Jti,
    generation: u64,
    next: Jti,
}

impl Rotating {
    /// `keys` are the session's record and the subject's set; `jti` is the first.
    pub fn new(keys: [String; 2], jti: Jti) -> Self {
        let sha = redis::Script::new(rotate::SCRIPT.lua.source()).get_hash().to_owned();
        Self { keys, sha, jti, generation: 0, next: jti }
    }
}

impl Chain for Rotating {
    fn request(&mut self, out: &mut Vec<u8>) {
        self.next = self.jti.successor(&Attempt::once());
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.sha).arg(2).arg(&self.keys);
        command.arg(self.jti.as_str()).arg(self.generation).arg(self.next.as_str());
        command.arg(1).arg(604_800_000).arg(0).arg("subject").arg(86_400_000);
        command.arg(5000).arg(7_776_000_000_u64).arg("");
        out.extend_from_slice(&command.get_packed_command());
    }

    fn answer(&mut self, bytes: &[u8]) -> Option<Result<(), String>> {
        let Ok(value) = redis::parse_redis_value(bytes) else { return None };
        let word = if let Value::Array(items) = &value { items.first() } else { None };
        if !matches!(word, Some(Value::BulkString(word)) if word == b"rotated") {
            return Some(Err(format!("not rotated: {value:?}")));
        }
        self.jti = self.next;
        self.generation += 1;
        Some(Ok(()))
    }
}
