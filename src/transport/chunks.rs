//! The end of a chunked body (RFC 9112 section 7.1), found with the steps of actix's own decoder.

/// Bytes of chunk extensions and trailers that a request may have. They hold nothing that is used here.
const MAX_SPARE: usize = 16 * 1024;

/// How far a chunked body is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chunks {
    part: Part,
    /// The size of the chunk, then the part of it that is left.
    size: u64,
    /// Bytes of extensions and trailers so far.
    spare: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Size,
    SizeMore,
    SizeSpace,
    Extension,
    SizeEnd,
    Data,
    DataReturn,
    DataEnd,
    Trailers,
    Trailer,
    TrailerEnd,
    LastEnd,
    Whole,
    /// No chunked body, or one with too much beside its data.
    Broken,
}

impl Chunks {
    /// Reads on. Returns how many bytes belong to the body: all of them, unless it ends or breaks before.
    pub fn read(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() && !self.is_over() {
            if self.part == Part::Data {
                at += self.skip_data(bytes.len() - at);
            } else {
                self.step(bytes[at]);
                at += 1;
            }
        }
        at
    }

    pub fn is_whole(&self) -> bool {
        self.part == Part::Whole
    }

    /// Nothing more of it is read.
    pub fn is_over(&self) -> bool {
        matches!(self.part, Part::Whole | Part::Broken)
    }

    fn skip_data(&mut self, available: usize) -> usize {
        let length = self.size.min(available as u64);
        self.size -= length;
        if self.size == 0 {
            self.part = Part::DataReturn;
        }
        length as usize
    }

    fn step(&mut self, byte: u8) {
        self.part = match (self.part, byte) {
            (Part::Size | Part::SizeMore, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte),
            (Part::SizeMore | Part::SizeSpace, b'\t' | b' ') => Part::SizeSpace,
            (Part::SizeMore | Part::SizeSpace, b';') => Part::Extension,
            (Part::SizeMore | Part::SizeSpace | Part::Extension, b'\r') => Part::SizeEnd,
            (Part::Extension, b'\t' | b' '..=0x7e | 0x80..) => Part::Extension,
            (Part::SizeEnd, b'\n') if self.size > 0 => Part::Data,
            (Part::SizeEnd, b'\n') => Part::Trailers,
            (Part::DataReturn, b'\r') => Part::DataEnd,
            (Part::DataEnd, b'\n') => Part::Size,
            (Part::Trailers, b'\r') => Part::LastEnd,
            (Part::Trailer, b'\r') => Part::TrailerEnd,
            (Part::Trailers | Part::Trailer, _) => Part::Trailer,
            (Part::TrailerEnd, b'\n') => Part::Trailers,
            (Part::LastEnd, b'\n') => Part::Whole,
            _ => Part::Broken,
        };
        self.count_spare();
    }

    fn digit(&mut self, byte: u8) -> Part {
        let before = if self.part == Part::Size { 0 } else { self.size };
        let digit = (byte as char).to_digit(16).map(u64::from);
        let size = before.checked_mul(16).zip(digit).and_then(|(high, low)| high.checked_add(low));
        self.size = size.unwrap_or_default();
        if size.is_some() { Part::SizeMore } else { Part::Broken }
    }

    fn count_spare(&mut self) {
        if matches!(self.part, Part::SizeSpace | Part::Extension | Part::Trailer) {
            self.spare += 1;
        }
        if self.spare > MAX_SPARE {
            self.part = Part::Broken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_wherever_the_pieces_end() {
        for body in
            ["0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "A ;x=y\r\n0123\r\n\r\n89\r\n00\r\nTrailer: x\r\n\r\n"]
        {
            let text = format!("{body}GET /");
            for cut in 0..text.len() {
                let (mut chunks, (first, second)) = (Chunks::default(), text.as_bytes().split_at(cut));
                let read = chunks.read(first) + chunks.read(second);
                assert_eq!((read, chunks.is_whole()), (body.len(), true), "{body:?} {cut}");
            }
        }
    }

    #[test]
    fn other_text_breaks_at_once() {
        for (text, read) in [
            ("grant_type=refresh_token", 1),
            ("client_id=app", 2),
            ("5\rx", 3),
            ("10000000000000000", 17),
            ("1\r\nab", 5),
        ] {
            let mut chunks = Chunks::default();
            assert_eq!(chunks.read(text.as_bytes()), read, "{text}");
            assert!(chunks.is_over() && !chunks.is_whole(), "{text}");
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded_and_data_is_not() {
        let long = "x".repeat(MAX_SPARE);
        for (text, is_whole) in [
            (format!("0\r\nT{}\r\n\r\n", &long[1..]), true),
            (format!("0\r\nT{long}\r\n\r\n"), false),
            (format!("0;{long}\r\n\r\n"), false),
            (format!("{:x}\r\n{long}{long}\r\n0\r\n\r\n", 2 * MAX_SPARE), true),
        ] {
            let mut chunks = Chunks::default();
            chunks.read(text.as_bytes());
            assert_eq!(chunks.is_whole(), is_whole, "{}", &text[..4]);
        }
    }
}
