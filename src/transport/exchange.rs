//! Which bytes of a client are handed on: one request, and the next one after its answer.
//!
//! A piece goes as far as one complete request can be in it, so it ends before the second blank line. The bytes behind a
//! head may be its body already, as in most requests with one: they come along. The end of a chunked body is a blank line. It
//! waits until the head is known to have such a body: the next requests may look like chunks.

use super::chunks::Chunks;
use super::head_end::{BlankLine, is_line_end};

/// How far a connection has read its present request.
#[derive(Debug, Default)]
pub struct Exchange {
    stage: Stage,
    lines: BlankLine,
    /// Bytes handed on behind the head, and these bytes read as chunks.
    behind_head: u64,
    /// Line ends at the end of these bytes.
    line_ends: u64,
    chunks: Chunks,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// Between two requests.
    #[default]
    Idle,
    Head,
    /// The dispatcher has the whole head, and has not called for its answer yet.
    HeadEnd,
    Sized {
        left: u64,
    },
    Chunked,
    /// A body without an end, as after an offered upgrade.
    Endless {
        left: u64,
    },
    /// The whole request is handed on.
    Whole,
}

/// The end of a request's body, as its head declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    None,
    Sized(u64),
    Chunked,
    Endless,
}

/// The bytes of a body without an end that are handed on. No handler reads more.
const ENDLESS_BYTES: u64 = 128 * 1024;

impl Exchange {
    /// Takes bytes off a client's stream. Returns how many of them may be handed on now.
    pub fn pass(&mut self, bytes: &[u8]) -> usize {
        match self.stage {
            Stage::Idle if bytes.is_empty() => 0,
            Stage::Idle | Stage::Head => self.pass_head(bytes),
            Stage::HeadEnd | Stage::Whole => 0,
            Stage::Sized { left } => {
                let (length, left) = up_to(left, bytes);
                self.stage = if left == 0 { Stage::Whole } else { Stage::Sized { left } };
                length
            }
            Stage::Endless { left } => {
                let (length, left) = up_to(left, bytes);
                self.stage = Stage::Endless { left };
                length
            }
            Stage::Chunked => self.pass_chunks(bytes),
        }
    }

    fn pass_head(&mut self, bytes: &[u8]) -> usize {
        self.stage = Stage::Head;
        let Some(head) = self.lines.find(bytes) else { return bytes.len() };
        let behind = &bytes[head..];
        let passed = &behind[..self.first_request(behind)];
        self.stage = Stage::HeadEnd;
        self.chunks = Chunks::default();
        self.chunks.read(passed);
        self.behind_head = passed.len() as u64;
        self.line_ends = passed.iter().rev().take_while(|byte| is_line_end(**byte)).count() as u64;
        head + passed.len()
    }

    /// How many of the bytes behind a head can belong to no second complete request. A `\r` at the end waits for its `\n`.
    /// The search for the next blank line goes on behind them.
    fn first_request(&mut self, behind: &[u8]) -> usize {
        let mut lines = self.lines;
        let end = lines.find(behind).map_or(behind.len(), |second| second - 1);
        let length = behind[..end].iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
        if length < behind.len() {
            lines = self.lines;
            let _ = lines.find(&behind[..length]);
        }
        self.lines = lines;
        length
    }

    fn pass_chunks(&mut self, bytes: &[u8]) -> usize {
        let length = self.chunks.read(bytes);
        if self.chunks.is_whole() {
            self.stage = Stage::Whole;
        }
        length
    }

    /// The dispatcher calls for the answer to the request whose head was handed on.
    pub fn begin(&mut self, body: BodyLength) {
        let behind = self.behind_head;
        (self.stage, self.behind_head) = match body {
            BodyLength::None => (Stage::Whole, behind),
            BodyLength::Sized(length) if length <= behind => (Stage::Whole, behind - length),
            BodyLength::Sized(length) => (Stage::Sized { left: length - behind }, 0),
            BodyLength::Chunked => (Stage::Chunked, 0),
            BodyLength::Endless => (Stage::Endless { left: ENDLESS_BYTES }, 0),
        };
    }

    /// Goes on to the next request, if the whole present one was handed on. The beginning of its head may have come along,
    /// or empty lines, which begin none.
    pub fn end(&mut self) -> bool {
        if self.stage != Stage::Whole {
            return false;
        }
        if self.behind_head <= self.line_ends {
            *self = Self::default();
        } else {
            (self.stage, self.behind_head) = (Stage::Head, 0);
        }
        true
    }

    /// The dispatcher made no request of the head, so it waits for more, or reads no more at all.
    pub fn retry_head(&mut self) -> bool {
        let is_missed = self.stage == Stage::HeadEnd;
        if is_missed {
            *self = Self { stage: Stage::Head, ..Self::default() };
        }
        is_missed
    }

    /// Whether bytes are handed on at present.
    pub fn is_open(&self) -> bool {
        match self.stage {
            Stage::HeadEnd | Stage::Whole => false,
            Stage::Endless { left } => left > 0,
            Stage::Chunked => !self.chunks.is_over(),
            Stage::Idle | Stage::Head | Stage::Sized { .. } => true,
        }
    }

    pub fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    pub fn is_whole(&self) -> bool {
        self.stage == Stage::Whole
    }
}

/// How many of these bytes are among the next `left`, and how many are left afterwards.
fn up_to(left: u64, bytes: &[u8]) -> (usize, u64) {
    let length = left.min(bytes.len() as u64);
    (length as usize, left - length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// The length of the first piece.
    fn first(text: &str) -> usize {
        Exchange::default().pass(text.as_bytes())
    }

    #[test]
    fn a_piece_never_holds_two_requests() {
        assert_eq!(first(&HEAD.repeat(9)), 2 * HEAD.len() - 2);
        assert_eq!(first(&format!("{HEAD}a=b")), HEAD.len() + 3);
        for (behind, length) in [
            ("3\r\na=b\r\n0\r\n\r\n", 11),
            ("0\r\nGET / HTTP/1.1\r\n\r\n", 19),
            ("1b ;x HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n0\r\n\r\n", 16),
        ] {
            assert_eq!(first(&format!("{HEAD}{behind}{HEAD}")), HEAD.len() + length, "{behind:?}");
        }
    }

    #[test]
    fn the_next_request_waits_for_the_answer() {
        let mut exchange = Exchange::default();
        let pipelined = HEAD.repeat(2);
        let passed = exchange.pass(pipelined.as_bytes());
        assert_eq!(exchange.pass(&pipelined.as_bytes()[passed..]), 0);
        exchange.begin(BodyLength::None);
        assert_eq!(exchange.pass(&pipelined.as_bytes()[passed..]), 0);
        assert!(exchange.end() && !exchange.is_idle(), "its beginning has come along");
        assert_eq!(exchange.pass(&pipelined.as_bytes()[passed..]), 2);
        exchange.begin(BodyLength::None);
        assert!(exchange.end() && exchange.is_idle());
    }

    #[test]
    fn a_body_is_handed_on_to_its_end() {
        for (body, length, text) in [
            (BodyLength::Sized(5), 5, "hello"),
            (BodyLength::Sized(5), 5, "a\n\n\n\n"),
            (BodyLength::Chunked, 15, "5\r\nhello\r\n0\r\n\r\n"),
        ] {
            for cut in 0..text.len() {
                let mut exchange = Exchange::default();
                let head = format!("{HEAD}{}", &text[..cut]);
                let early = exchange.pass(head.as_bytes()) - HEAD.len();
                exchange.begin(body);
                let rest = format!("{}{HEAD}", &text[early..]);
                assert_eq!(early + exchange.pass(rest.as_bytes()), length, "{text:?} {cut}");
                assert!(exchange.end() && exchange.is_idle(), "{text:?} {cut}");
            }
        }
    }

    #[test]
    fn a_body_without_an_end_is_cut() {
        let mut exchange = Exchange::default();
        exchange.pass(HEAD.as_bytes());
        exchange.begin(BodyLength::Endless);
        let much = vec![b'x'; 3 * ENDLESS_BYTES as usize];
        assert_eq!(exchange.pass(&much) as u64, ENDLESS_BYTES);
        assert!(!exchange.is_open() && !exchange.end());
    }

    /// Requests as a client may send them, each with its body's length and with empty lines behind it.
    fn requests() -> Vec<(String, BodyLength)> {
        let with = |body: &str| format!("{HEAD}{body}");
        vec![
            (with(""), BodyLength::None),
            (with("5\r\n{\n\n}x\r\n0\r\n\r\n"), BodyLength::Chunked),
            (
                with("4;x=\"y\"\r\n\r\n\r\n\r\n1 \r\n\n\r\n00\r\nTrailer: x\r\nMore: y\r\n\r\n"),
                BodyLength::Chunked,
            ),
            (with("{\n\n}\r\n"), BodyLength::Sized(6)),
            (with("a=b\r\n\r\n\n"), BodyLength::Sized(3)),
            (with("\r\n"), BodyLength::None),
        ]
    }

    /// The lengths of what is handed on for each request, where the text comes in these pieces.
    fn served(pieces: &[&[u8]], bodies: &[BodyLength]) -> Option<Vec<usize>> {
        let (mut exchange, mut held, mut lengths, mut passed) =
            (Exchange::default(), Vec::new(), Vec::new(), 0);
        for piece in pieces {
            held.extend_from_slice(piece);
            loop {
                if exchange.is_idle() {
                    held.drain(..crate::transport::head_end::empty_lines(&held));
                }
                let length = exchange.pass(&held);
                held.drain(..length);
                passed += length;
                if exchange.stage == Stage::HeadEnd {
                    exchange.begin(*bodies.get(lengths.len())?);
                } else if exchange.end() {
                    lengths.push(passed);
                } else if length == 0 || held.is_empty() {
                    break;
                }
            }
        }
        (held.is_empty() && exchange.is_idle()).then_some(lengths)
    }

    #[test]
    fn no_cut_changes_what_is_served() {
        let (texts, bodies): (Vec<_>, Vec<_>) = requests().into_iter().unzip();
        let text = texts.concat();
        let text = text.as_bytes();
        let is_served =
            |pieces: &[&[u8]]| served(pieces, &bodies).is_some_and(|all| all.len() == bodies.len());
        assert!(is_served(&[text]), "{:?}", served(&[text], &bodies));
        for length in 1..text.len() {
            assert!(is_served(&text.chunks(length).collect::<Vec<_>>()), "in pieces of {length}");
            for second in length..text.len() {
                let pieces = [&text[..length], &text[length..second], &text[second..]];
                assert!(is_served(&pieces), "{length} {second}: {:?}", served(&pieces, &bodies));
            }
        }
    }
}
