//! The form of a log line.

use std::fmt::Arguments;
use std::sync::OnceLock;

use log::Level;
use token_gateway_core::ascii_json::to_ascii_json;

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

/// A line of this moment, with its line end.
pub(super) fn formed(level: Level, target: &str, message: Arguments<'_>) -> String {
    let now = jiff::Timestamp::now();
    match LOG_FORMAT.get() {
        None | Some(LogFormat::Text) => {
            format!("{now:.3} {level:5} {target} {}\n", one_line(&message.to_string()))
        }
        Some(LogFormat::Json) => {
            let line = serde_json::json!({
                "time": format!("{now:.3}"),
                "level": level.as_str().to_ascii_lowercase(),
                "target": target,
                "message": message.to_string(),
            });
            format!("{}\n", to_ascii_json(&line))
        }
    }
}

/// A text with its control characters and all that Unicode takes for the end of a line spelled out.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_line_or_moves_a_cursor_is_spelled_out_and_all_else_is_not() {
        assert_eq!(one_line("a\nb\u{85}\u{b}\u{1b}[1m\u{2028}"), r"a\nb\u{85}\u{b}\u{1b}[1m\u{2028}");
        assert_eq!(one_line("Zoë's \"phone\" 🦊"), "Zoë's \"phone\" 🦊");
    }
}
