//! Answers without a request that a handler could see. docs/reference/errors.md has them.

/// To a head that takes too long.
pub const SLOW_HEAD: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nX-Content-Type-Options: nosniff\r\n\
    Connection: close\r\n\r\n";

/// The dispatcher's own 400 or 431 to a head, with the header that all answers have. It is short, so the kernel takes all of it.
pub fn refusal_with_nosniff(answer: &[u8]) -> Option<Vec<u8>> {
    let is_refusal = [b"HTTP/1.1 4", b"HTTP/1.0 4"].iter().any(|line| answer.starts_with(*line));
    let line = answer.iter().position(|byte| *byte == b'\n').filter(|_| is_refusal)? + 1;
    Some([&answer[..line], b"X-Content-Type-Options: nosniff\r\n", &answer[line..]].concat())
}

/// To a new connection beyond the limit.
pub fn no_room() -> String {
    unavailable("too many connections are open; repeat the request")
}

/// To a request whose body is unfinished when the node stops.
pub fn stopping() -> String {
    unavailable("this node is stopping; repeat the request")
}

/// The form is that of every other 503.
fn unavailable(description: &str) -> String {
    let body = format!("{{\"error\":\"temporarily_unavailable\",\"error_description\":\"{description}\"}}");
    let length = body.len();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\n\
        Content-Type: application/json\r\nContent-Length: {length}\r\nCache-Control: no-store\r\nRetry-After: 1\r\n\
        X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{body}"
    )
}
