//! The bytes of a client: a head's end and a chunked body's end are where they are, however the network cuts the bytes. So
//! are the requests that a dispatcher gets, one at a time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_gateway::transport::fuzzing::{BlankLine, BodyLength, Chunks, Exchange, empty_lines};

fuzz_target!(|data: &[u8]| {
    ends_are_found(data);
    let expected = requests(data);
    assert_eq!(served([data]), expected);
    assert_eq!(served(data.chunks(1)), expected);
    assert_eq!(served(Cuts(data)), expected);
});

fn ends_are_found(data: &[u8]) {
    let head = BlankLine::default().find(data);
    assert_eq!(head, blank_line(data));
    let (mut lines, mut chunks) = (BlankLine::default(), Chunks::default());
    let ends = data.iter().position(|byte| lines.find(&[*byte]).is_some());
    assert_eq!(head, ends.map(|at| at + 1));
    let read: usize = data.iter().map(|byte| chunks.read(&[*byte])).sum();
    let mut at_once = Chunks::default();
    assert_eq!(at_once.read(data), read);
    assert_eq!(at_once.is_whole(), chunks.is_whole());
    if at_once.is_whole() {
        assert!(data[..read].ends_with(b"\r\n\r\n"));
    } else {
        assert!(read == data.len() || at_once.is_over());
    }
}

/// Pieces whose lengths are the bytes themselves.
struct Cuts<'a>(&'a [u8]);

impl<'a> Iterator for Cuts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(*self.0.first()? % 32 + 1).min(self.0.len());
        let (piece, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(piece)
    }
}

/// The whole requests of a client, without the empty lines before them.
fn requests(mut data: &[u8]) -> Vec<Vec<u8>> {
    let mut requests = Vec::new();
    loop {
        data = &data[empty_lines(data)..];
        let Some(head) = blank_line(data) else { return requests };
        let Some(body) = whole_body(body_length(&data[..head]), &data[head..]) else { return requests };
        requests.push(data[..head + body].to_vec());
        data = &data[head + body..];
    }
}

/// The requests that a dispatcher makes of the bytes that an exchange hands on.
fn served<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let (mut exchange, mut held, mut dispatcher) = (Exchange::default(), Vec::new(), Dispatcher::default());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            if exchange.is_idle() {
                held.drain(..empty_lines(&held));
            }
            let passed = exchange.pass(&held);
            dispatcher.bytes.extend(held.drain(..passed));
            if !dispatcher.turn(&mut exchange) && passed == 0 {
                break;
            }
        }
    }
    assert!(held.is_empty() || !exchange.is_open(), "held back for ever: {held:?}");
    dispatcher.served
}

#[derive(Default)]
struct Dispatcher {
    bytes: Vec<u8>,
    /// The head of the present request, and its body's end.
    present: Option<(usize, BodyLength)>,
    served: Vec<Vec<u8>>,
}

impl Dispatcher {
    /// Returns whether the exchange may go on.
    fn turn(&mut self, exchange: &mut Exchange) -> bool {
        let Some((head, length)) = self.present else { return self.read_head(exchange) };
        let Some(body) = whole_body(length, &self.bytes[head..]) else { return false };
        let rest = self.bytes.split_off(head + body);
        self.served.push(std::mem::replace(&mut self.bytes, rest));
        assert!(exchange.end(), "the whole request was handed on");
        self.present = None;
        self.bytes.drain(..empty_lines(&self.bytes));
        assert_eq!(blank_line(&self.bytes), None, "the next request came along");
        true
    }

    fn read_head(&mut self, exchange: &mut Exchange) -> bool {
        self.bytes.drain(..empty_lines(&self.bytes));
        let Some(head) = blank_line(&self.bytes) else { return exchange.retry_head() };
        let length = body_length(&self.bytes[..head]);
        exchange.begin(length);
        self.present = Some((head, length));
        true
    }
}

/// The length up to the end of the first blank line.
fn blank_line(bytes: &[u8]) -> Option<usize> {
    let mut ends = (1..=bytes.len()).filter(|end| bytes[end - 1] == b'\n');
    ends.find(|end| bytes[..*end].ends_with(b"\n\n") || bytes[..*end].ends_with(b"\n\r\n"))
}

/// Says a head by its last letter.
fn body_length(head: &[u8]) -> BodyLength {
    match head.trim_ascii_end().last() {
        Some(digit @ b'0'..=b'9') => BodyLength::Sized(u64::from(digit - b'0')),
        Some(b'c') => BodyLength::Chunked,
        Some(b'e') => BodyLength::Endless,
        _ => BodyLength::None,
    }
}

/// The length of a body, where all of it is there.
fn whole_body(length: BodyLength, bytes: &[u8]) -> Option<usize> {
    match length {
        BodyLength::None => Some(0),
        BodyLength::Sized(length) => usize::try_from(length).ok().filter(|length| *length <= bytes.len()),
        BodyLength::Endless => None,
        BodyLength::Chunked => {
            let mut chunks = Chunks::default();
            let length = chunks.read(bytes);
            chunks.is_whole().then_some(length)
        }
    }
}
