//! Answers without a request that a handler could see. docs/errors.md has them.

/// To a head that takes too long.
pub const SLOW_HEAD: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nX-Content-Type-Options: nosniff\r\n\
    Connection: close\r\n\r\n";

/// To a new connection beyond the limit. The form is that of every other 503.
pub const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Content-Type: application/json\r\nContent-Length: 107\r\nCache-Control: no-store\r\nRetry-After: 1\r\n\
    X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n\
    {\"error\":\"temporarily_unavailable\",\"error_description\":\"too many connections are open; repeat the request\"}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declared_length_is_that_of_the_body() {
        let text = std::str::from_utf8(NO_ROOM).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
    }
}
