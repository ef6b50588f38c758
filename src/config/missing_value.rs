//! A flag without its value: the error says one that would be right.

use std::any::TypeId;
use std::path::PathBuf;

use clap::{Arg, Command};

/// The need of the flag: one of its choices, or a value such as the example of its own error.
pub fn needs_value(flag: &Arg) -> String {
    let choices: Vec<_> = flag.get_possible_values().iter().map(|it| it.get_name().to_owned()).collect();
    if !choices.is_empty() {
        return format!("needs one of {}", choices.join(", "));
    }
    let default = || flag.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
    match example(flag).or_else(default) {
        Some(example) => format!("needs a value, such as {example}"),
        None if is_path(flag) => "needs the path of a file".to_owned(),
        None => "needs a value".to_owned(),
    }
}

/// Whether the value is a path.
pub fn is_path(flag: &Arg) -> bool {
    flag.get_value_parser().type_id() == TypeId::of::<PathBuf>()
}

/// The example in the error of the empty value.
fn example(flag: &Arg) -> Option<String> {
    // Another flag that it requires would be missing here.
    let parsed = Arg::new("flag").long("flag").value_parser(flag.get_value_parser().clone());
    let alone = Command::new("flag").no_binary_name(true).arg(parsed);
    let error = alone.try_get_matches_from(["--flag="]).err()?;
    let right = std::error::Error::source(&error)?.to_string();
    let (_, example) = right.split_once("such as ")?;
    Some(example.split([';', ' ']).next()?.to_owned())
}
