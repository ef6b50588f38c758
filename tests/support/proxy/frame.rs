//! Where a command or a reply ends, in RESP. (Redis: "Redis serialization protocol specification".)

/// The length of the first whole frame; `None` while more bytes must come.
pub fn length(bytes: &[u8]) -> Option<usize> {
    let line = line_end(bytes)?;
    let count = || std::str::from_utf8(&bytes[1..line - 2]).ok()?.parse::<i64>().ok();
    match bytes[0] {
        b'$' | b'=' | b'!' => match count()? {
            length @ 0.. => Some(line + length as usize + 2).filter(|end| *end <= bytes.len()),
            _ => Some(line),
        },
        b'*' | b'~' | b'>' => elements(bytes, line, count()?),
        b'%' => elements(bytes, line, 2 * count()?),
        _ => Some(line),
    }
}

fn elements(bytes: &[u8], mut end: usize, count: i64) -> Option<usize> {
    for _ in 0..count.max(0) {
        end += length(bytes.get(end..).filter(|rest| !rest.is_empty())?)?;
    }
    Some(end)
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|two| two == b"\r\n").map(|at| at + 2)
}

/// The name of a command, in capitals; empty for what is none.
pub fn command(frame: &[u8]) -> String {
    let mut lines = frame.split(|byte| *byte == b'\n').skip(2);
    let name = lines.next().unwrap_or_default();
    String::from_utf8_lossy(name).trim_end().to_ascii_uppercase()
}
