//! The end of a command or a reply, and the kind of a command. RESP 2 and 3.

/// Bytes of another protocol (TLS, an inline command), with no meaning here.
#[derive(Debug, PartialEq, Eq)]
pub struct Foreign;

/// The length of the first frame; `None` while its end has not arrived.
pub fn length(bytes: &[u8]) -> Result<Option<usize>, Foreign> {
    let (mut at, mut left) = (0, 1);
    while left > 0 {
        let Some(line) = line(&bytes[at.min(bytes.len())..])? else { return Ok(None) };
        at += line.len() + 2;
        left -= 1;
        match line[0] {
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => {}
            b'$' | b'=' | b'!' => at += number(line)?.map_or(0, |length| length + 2),
            b'*' | b'~' | b'>' => left += number(line)?.unwrap_or(0),
            b'%' => left += 2 * number(line)?.unwrap_or(0),
            _ => return Err(Foreign),
        }
    }
    Ok((at <= bytes.len()).then_some(at))
}

/// The first line, without its end, if it has one.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, Foreign> {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) if end >= 2 && bytes[end - 1] == b'\r' => Ok(Some(&bytes[..end - 1])),
        Some(_) => Err(Foreign),
        None if bytes.first().is_some_and(|byte| !b"+-:_,#($=!*~>%".contains(byte)) => Err(Foreign),
        None => Ok(None),
    }
}

/// The number after the type; nothing for -1, the null of RESP 2.
fn number(line: &[u8]) -> Result<Option<usize>, Foreign> {
    let text = std::str::from_utf8(&line[1..]).map_err(|_| Foreign)?;
    match text.parse::<i64>().map_err(|_| Foreign)? {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| Foreign),
    }
}

/// The proxy's view of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A script: a gateway's calls consist of scripts.
    Script,
    /// A look at the feed.
    Feed,
    /// From here on the connection carries a primary's stream to its replica, no longer question and answer.
    Replication,
    /// The same with publish and subscribe.
    Stream,
    Other,
}

/// The kind of a whole frame.
pub fn kind(command: &[u8]) -> Kind {
    let name = name(command).unwrap_or_default();
    let is = |names: &[&str]| names.iter().any(|it| name.eq_ignore_ascii_case(it.as_bytes()));
    if is(&["EVALSHA", "EVAL"]) {
        Kind::Script
    } else if is(&["XREAD"]) {
        Kind::Feed
    } else if is(&["REPLCONF", "PSYNC", "SYNC"]) {
        Kind::Replication
    } else if is(&["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR"]) {
        Kind::Stream
    } else {
        Kind::Other
    }
}

/// The first word of a command.
fn name(command: &[u8]) -> Option<&[u8]> {
    let mut parts = command.split(|byte| *byte == b'\n').skip(2);
    parts.next()?.strip_suffix(b"\r")
}
