//! The output of operators' commands: tables and JSON on standard output, progress on standard error.

use std::io::{ErrorKind, IsTerminal, Write, stdout};

use anyhow::{Context, Result, anyhow};
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use token_gateway_core::ascii_json::in_ascii;

/// The reader of standard output is gone, as `head` is after its lines. A command that only prints has no more to do.
#[derive(Debug, thiserror::Error)]
#[error("standard output has no reader")]
pub struct ReaderGone;

/// Prints the text of a command that only prints. It ends with [`ReaderGone`] where its reader has.
pub fn print(text: &str) -> Result<()> {
    if write(text)? { Ok(()) } else { Err(ReaderGone.into()) }
}

/// Prints the text of a command that has changed something. The change is made, whether its report is read or not.
pub fn report(change: &str, text: &str) -> Result<()> {
    write(text).map(drop).map_err(|error| anyhow!("{change}, but {error:#}"))
}

/// The same for a text that is shown this once; false where it has no reader.
pub fn report_once(text: &str) -> Result<bool> {
    write(text)
}

pub fn print_json(value: &impl Serialize) -> Result<()> {
    print(&json(value)?)
}

pub fn report_json(change: &str, value: &impl Serialize) -> Result<()> {
    report(change, &json(value)?)
}

/// Writes to standard output; false where the reader of a pipe is gone.
fn write(text: &str) -> Result<bool> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).context("standard output cannot be written"),
    }
}

/// JSON in ASCII, so that no reader finds more ends of lines in it than there are.
fn json(value: &impl Serialize) -> Result<String> {
    Ok(format!("{}\n", in_ascii(&serde_json::to_string_pretty(value)?)))
}

/// Columns without colours. On a terminal, there is a line below their names.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header).add_rows(rows);
    if stdout().is_terminal() {
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).style_mut().row_separator = Default::default();
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

/// A progress bar for a walk over `length` keys; the caller reports each number of keys passed. The bar shows on a
/// terminal only, and disappears on drop.
pub fn progress(length: u64) -> impl FnMut(u64) {
    let style =
        ProgressStyle::with_template("looking at keys {bar:40} {percent:>3} %").expect("a valid template");
    let bar = ProgressBar::new(length).with_style(style);
    move |passed| bar.inc(passed)
}
