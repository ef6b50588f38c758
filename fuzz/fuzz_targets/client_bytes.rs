//! The bytes of a client: a head's end and a chunked body's end are where they are, however the network cuts the bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_gateway::transport::fuzzing::{BlankLine, Chunks};

fuzz_target!(|data: &[u8]| {
    let head = BlankLine::default().find(data);
    let (mut lines, mut chunks) = (BlankLine::default(), Chunks::default());
    let ends = data.iter().position(|byte| lines.find(&[*byte]).is_some());
    assert_eq!(head, ends.map(|at| at + 1));
    if let Some(head) = head {
        assert!(data[..head].ends_with(b"\n\n") || data[..head].ends_with(b"\n\r\n"));
    }
    let read: usize = data.iter().map(|byte| chunks.read(&[*byte])).sum();
    let mut at_once = Chunks::default();
    assert_eq!(at_once.read(data), read);
    assert_eq!(at_once.is_whole(), chunks.is_whole());
    if at_once.is_whole() {
        assert!(data[..read].ends_with(b"\r\n\r\n"));
    } else {
        assert!(read == data.len() || at_once.is_over());
    }
});
