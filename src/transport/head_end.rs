//! The blank line that ends a head.

use memchr::memchr;

/// Looks for a blank line over several pieces of text. A line ends as httparse has it: with `\n`, or with `\r\n`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BlankLine {
    #[default]
    WithinLine,
    LineStart,
    ReturnAtLineStart,
}

impl BlankLine {
    /// The length up to the end of the first blank line. The search goes on behind these bytes.
    pub fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            match (*self, bytes[at]) {
                (Self::LineStart | Self::ReturnAtLineStart, b'\n') => {
                    *self = Self::default();
                    return Some(at + 1);
                }
                (Self::LineStart, b'\r') => (*self, at) = (Self::ReturnAtLineStart, at + 1),
                _ => match memchr(b'\n', &bytes[at..]) {
                    Some(line) => (*self, at) = (Self::LineStart, at + line + 1),
                    None => {
                        *self = Self::WithinLine;
                        return None;
                    }
                },
            }
        }
        None
    }
}

/// The length of the empty lines at the beginning: a client may send some before a request (RFC 9112 section 2.2). Their two
/// bytes may come one by one.
pub fn empty_lines(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| is_line_end(**byte)).count()
}

pub fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_line_is_found_wherever_the_pieces_end() {
        for (text, end) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET", 27),
            ("GET / HTTP/1.0\n\nrest", 16),
            ("a\n\r\nrest", 4),
            ("a\r\n\nrest", 4),
        ] {
            assert_eq!(BlankLine::default().find(text.as_bytes()), Some(end), "{text:?}");
            for cut in 0..end {
                let (mut lines, (first, second)) = (BlankLine::default(), text.as_bytes().split_at(cut));
                assert_eq!(lines.find(first), None, "{text:?} {cut}");
                assert_eq!(lines.find(second), Some(end - cut), "{text:?} {cut}");
            }
        }
        for text in ["", "a\r\n\rb\n", "\r\r\r", "a\nb\r\nc\r"] {
            assert_eq!(BlankLine::default().find(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn empty_lines_are_counted_up_to_the_request() {
        for (text, length) in [("GET", 0), ("\r\n\nGET", 3), ("\r", 1), ("\n\r", 2), ("", 0)] {
            assert_eq!(empty_lines(text.as_bytes()), length, "{text:?}");
        }
    }
}
