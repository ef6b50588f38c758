//! The form of a log line.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::sync::OnceLock;

use log::Level;
use log::kv::Source;
use serde::{Serialize, Serializer};
use serde_json::Value;
use token_gateway_core::ascii_json::to_ascii_json;

use super::facts::{self, MEMBERS};
use super::request_id::RequestId;
use crate::shown_value::printable;

/// How log lines look (`LOG_FORMAT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// The form of this process's lines.
static LOG_FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Chooses the form for good; false when that has been done before.
pub(super) fn choose(format: LogFormat) -> bool {
    LOG_FORMAT.set(format).is_ok()
}

/// A line of this moment, with its line end. While a request is served, its id is a fact of every line.
pub(super) fn formed(level: Level, target: &str, message: Arguments<'_>, facts: &dyn Source) -> String {
    let (now, id) = (jiff::Timestamp::now(), RequestId::current());
    match LOG_FORMAT.get() {
        None | Some(LogFormat::Text) => {
            let id = id.map(|id| format!(" request_id={id}")).unwrap_or_default();
            format!("{now:.3} {level:5} {target} {}{id}\n", one_line(message.to_string()))
        }
        Some(LogFormat::Json) => {
            let [time, level_name, target_name, message_name] = MEMBERS.map(Cow::Borrowed);
            let mut members = vec![
                (time, format!("{now:.3}").into()),
                (level_name, level.as_str().to_ascii_lowercase().into()),
                (target_name, target.into()),
                (message_name, message.to_string().into()),
            ];
            members.extend(facts::facts(facts));
            members.extend(id.map(|id| ("request_id".into(), id.as_str().into())));
            format!("{}\n", to_ascii_json(&Object(members)))
        }
    }
}

/// Members in their order.
struct Object<'a>(Vec<(Cow<'a, str>, Value)>);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// A text on one line. Most lines are plain, and are not copied.
fn one_line(text: String) -> String {
    if text.bytes().all(|b| (b' '..=b'~').contains(&b)) { text } else { printable(&text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_line_or_moves_a_cursor_is_spelled_out_and_all_else_is_not() {
        for (text, line) in [
            (
                "a\nb\u{85}\u{b}\u{1b}[1m\u{2028}\u{202e}\u{7f}",
                r"a\nb\u{85}\u{b}\u{1b}[1m\u{2028}\u{202e}\u{7f}",
            ),
            ("Zoë's \"phone\" 🦊", "Zoë's \"phone\" 🦊"),
            ("GET /livez 200 \\", "GET /livez 200 \\"),
        ] {
            assert_eq!(one_line(text.to_owned()), line);
        }
    }
}
