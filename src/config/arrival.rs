//! The values of settings as they arrive, in variables and flags. They are checked before clap reads them.

use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::{Arg, Command};

use super::invalid_value::{InvalidValue, check_list, check_value};
use super::missing_value::{is_path, needs_value};
use super::wrong_value::what_is_right;
use crate::shown_value::no_path;

/// Its own check names the part with quotes or a comment, and what would be right.
const LOG_FILTER: &str = "RUST_LOG";

/// A wrong value.
pub struct WrongValue {
    /// Its variable; `None` where a flag has it.
    pub variable: Option<OsString>,
    /// The variable or the flag, what is wrong, and what would be right.
    pub error: String,
}

/// The wrong values among the settings of the command that these arguments call. Secrets are checked where they are read.
pub fn wrong_values(command: &Command, arguments: &[OsString]) -> Vec<WrongValue> {
    let (command, arguments) = called(command, arguments);
    let settings = command.get_arguments().filter_map(|arg| Some((arg, arg.get_env()?)));
    settings.filter_map(|(setting, variable)| wrong_value_of(setting, variable, arguments)).collect()
}

/// The command itself, and its own arguments.
fn called<'a>(mut command: &'a Command, mut arguments: &'a [OsString]) -> (&'a Command, &'a [OsString]) {
    while let Some((first, rest)) = arguments.split_first()
        && let Some(called) = command.find_subcommand(first)
    {
        (command, arguments) = (called, rest);
    }
    (command, arguments)
}

/// A flag covers its variable.
fn wrong_value_of(setting: &Arg, variable: &OsStr, arguments: &[OsString]) -> Option<WrongValue> {
    let flag = format!("--{}", setting.get_long().unwrap_or_default());
    let mut given = flag_values(&flag, arguments).peekable();
    if given.peek().is_none() {
        let value = std::env::var_os(variable).filter(|value| !value.is_empty())?;
        let name = variable.display().to_string();
        let error = error_of(setting, &value, &name, &name)?;
        return Some(WrongValue { variable: Some(variable.to_owned()), error });
    }
    let names = format!("{flag} ({})", variable.display());
    let error = given.find_map(|value| error_of(setting, value, &flag, &names))?;
    Some(WrongValue { variable: None, error })
}

/// Stray characters around a value are named before its own parser says that the value is wrong.
fn error_of(setting: &Arg, value: &OsStr, name: &str, names: &str) -> Option<String> {
    if let Some(error) = value.to_str().filter(|_| is_path(setting)).and_then(no_path) {
        return Some(format!("{name}: {error}"));
    }
    if let Err(stray) = check_characters(setting, value) {
        return Some(format!("{name}: {stray}"));
    }
    let mut word = OsString::from(format!("--{}=", setting.get_long()?));
    word.push(value);
    let alone = Command::new("setting").no_binary_name(true).arg(setting.clone().env(Resettable::Reset));
    let error = alone.try_get_matches_from([word]).err()?;
    let right = if value.is_empty() { needs_value(setting) } else { what_is_right(&error)? };
    Some(format!("{names}: {right}"))
}

/// The values of a flag: `--flag value` and `--flag=value`; empty where there is none.
fn flag_values<'a>(flag: &str, arguments: &'a [OsString]) -> impl Iterator<Item = &'a OsStr> {
    let flags = arguments.iter().take_while(|argument| *argument != "--");
    flags.zip(1..).filter_map(move |(argument, next)| {
        let text = argument.to_str()?;
        match text.strip_prefix(flag)? {
            "" => Some(
                arguments.get(next).filter(|next| !is_flag(next)).map_or(OsStr::new(""), OsString::as_os_str),
            ),
            rest => rest.strip_prefix('=').map(OsStr::new),
        }
    })
}

/// A value that begins with two dashes is glued to its flag.
fn is_flag(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"--")
}

fn check_characters(setting: &Arg, value: &OsStr) -> Result<(), InvalidValue> {
    let Some(value) = value.to_str() else {
        return if is_path(setting) { Ok(()) } else { Err(InvalidValue::NotUtf8) };
    };
    let checked = match setting.get_value_delimiter() {
        Some(delimiter) => check_list(value, delimiter),
        None => check_value(value),
    };
    match checked {
        Err(InvalidValue::Quotes | InvalidValue::Comment) if is_log_filter(setting) => Ok(()),
        checked => checked,
    }
}

fn is_log_filter(setting: &Arg) -> bool {
    setting.get_env().is_some_and(|variable| variable == LOG_FILTER)
}
