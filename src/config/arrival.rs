//! The values of settings as they arrive, in variables and flags. They are checked before clap reads them.

use std::any::TypeId;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Arg, Command};

use super::invalid_value::{InvalidValue, check_value};

/// Its own check names the part with quotes or a comment, and what would be right.
const LOG_FILTER: &str = "RUST_LOG";

/// Checks the settings of the command that these arguments call. Secrets are checked where they are read.
///
/// # Errors
///
/// The name of the setting, as its variable or its flag, and what is wrong.
pub fn check_values(command: &Command, arguments: &[OsString]) -> Result<(), String> {
    let (command, arguments) = called(command, arguments);
    for (setting, variable) in command.get_arguments().filter_map(|arg| Some((arg, arg.get_env()?))) {
        check_setting(setting, variable, arguments)?;
    }
    Ok(())
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
fn check_setting(setting: &Arg, variable: &OsStr, arguments: &[OsString]) -> Result<(), String> {
    let flag = format!("--{}", setting.get_long().unwrap_or_default());
    let mut given = flag_values(&flag, arguments).peekable();
    if given.peek().is_none() {
        let value = std::env::var_os(variable).unwrap_or_default();
        return check(setting, &value).map_err(|error| format!("{}: {error}", variable.display()));
    }
    given.try_for_each(|value| check(setting, value)).map_err(|error| format!("{flag}: {error}"))
}

/// The values of a flag: `--flag value` and `--flag=value`.
fn flag_values<'a>(flag: &str, arguments: &'a [OsString]) -> impl Iterator<Item = &'a OsStr> {
    let flags = arguments.iter().take_while(|argument| *argument != "--");
    flags.zip(1..).filter_map(move |(argument, next)| {
        let text = argument.to_str()?;
        match text.strip_prefix(flag)? {
            "" => arguments.get(next).map(OsString::as_os_str),
            rest => rest.strip_prefix('=').map(OsStr::new),
        }
    })
}

fn check(setting: &Arg, value: &OsStr) -> Result<(), InvalidValue> {
    let Some(value) = value.to_str() else {
        let is_path = setting.get_value_parser().type_id() == TypeId::of::<PathBuf>();
        return if is_path { Ok(()) } else { Err(InvalidValue::NotUtf8) };
    };
    let checked = match setting.get_value_delimiter() {
        Some(delimiter) => value.split(delimiter).try_for_each(check_value),
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
