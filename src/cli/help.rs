//! The help of all commands, by subject: `-h` has a line for each flag, `--help` all that is known of it.

use std::any::TypeId;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::StyledStr;
use clap::{Arg, Command};

use crate::config::groups::group_of;
use crate::config::{parted, secret_names};

/// Longer defaults in words are left to `--help`.
const WORDS_LEN: usize = 24;

/// So much of a summary and a default of `dev` stand on one line.
const SUMMARY_LEN: usize = 62;

/// The command and those below it, with each setting under the heading of its subject.
pub fn grouped(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let heading = setting(&arg).and_then(|name| group_of(&name)).map(|(heading, _)| heading);
        let text = arg.get_long_help().or(arg.get_help()).cloned();
        let arg = if let Some(heading) = heading { arg.help_heading(heading) } else { arg };
        if let Some(text) = text { arg.long_help(text) } else { arg }
    });
    command.mut_subcommands(grouped)
}

/// Whether the words ask for the short help: `-h` comes before any other flag for help.
pub fn is_short(words: &[OsString]) -> bool {
    let flags = words.iter().take_while(|word| *word != "--");
    flags.filter(|word| *word == "-h" || *word == "--help").take(1).any(|word| *word == "-h")
}

/// The text of `-h` for a command.
pub fn short(command: &Command) -> String {
    let (end, is_dev) = (end(command), command.get_name() == "dev");
    let command = command.clone().after_help(end).mut_args(|arg| {
        let (text, default) = summary(&arg, is_dev);
        let name = value_name(&arg);
        let arg = arg.help(text + &default).hide_env(true).hide_possible_values(true);
        if let Some(name) = name { arg.value_name(name) } else { arg }
    });
    command.clone().render_help().to_string()
}

/// The help of an argument in a few words, and its default where clap knows none.
fn summary(arg: &Arg, is_dev: bool) -> (String, String) {
    let help = arg.get_help().map(StyledStr::to_string).unwrap_or_default();
    let (text, words) = if help.ends_with(']') { parted(&help) } else { (help, "none".to_owned()) };
    let known = setting(arg).and_then(|name| group_of(&name)).map(|(_, summary)| summary.to_owned());
    let text = known.unwrap_or_else(|| text.split("; ").next().unwrap_or_default().to_owned());
    let in_dev = words.split_once("; in dev ").map(|(_, words)| words).filter(|_| is_dev);
    let words = in_dev.or(words.split(';').next()).unwrap_or_default();
    let default = match words {
        "none" => String::new(),
        "required" => " [required]".to_owned(),
        _ if in_dev.is_none() && words.len() > WORDS_LEN => String::new(),
        _ => format!(" [default: {words}]"),
    };
    if in_dev.is_none() || text.len() + default.len() <= SUMMARY_LEN {
        return (text, default);
    }
    let beginning = text.split(", ").next().unwrap_or_default().to_owned();
    let fits = beginning.len() + default.len() <= SUMMARY_LEN;
    if fits { (beginning, default) } else { (text, String::new()) }
}

/// The form of a value, where it says more than the name of the flag.
fn value_name(arg: &Arg) -> Option<String> {
    if !arg.get_action().takes_values() || arg.is_positional() {
        return None;
    }
    let choices: Vec<_> = arg.get_possible_values().iter().map(|it| it.get_name().to_owned()).collect();
    if !choices.is_empty() {
        return Some(choices.join("|"));
    }
    let long = arg.get_long()?;
    let last = long.rsplit('-').next()?;
    let value = arg.get_value_parser().type_id();
    let is_number = [TypeId::of::<u64>(), TypeId::of::<usize>()].iter().any(|number| value == *number);
    Some(match last {
        _ if value == TypeId::of::<PathBuf>() => "FILE".to_owned(),
        "addr" => "IP:PORT".to_owned(),
        "seconds" | "ms" | "port" => last.to_uppercase(),
        "issuer" => "URL".to_owned(),
        "audiences" => "NAME,NAME".to_owned(),
        "proxies" => "IP,CIDR".to_owned(),
        "audience" | "prefix" | "username" | "service" => "NAME".to_owned(),
        "log" => "FILTER".to_owned(),
        "sub" => "SUB".to_owned(),
        "except" => "ID".to_owned(),
        _ if is_number => "N".to_owned(),
        _ => last.to_uppercase(),
    })
}

/// Below the flags: the secrets, which are none, and the names of variables.
fn end(command: &Command) -> String {
    if command.has_subcommands() {
        return format!(
            "The flags of a command: {} <COMMAND> -h",
            command.get_bin_name().unwrap_or_default()
        );
    }
    let long = command.get_after_help().map(StyledStr::to_string).unwrap_or_default();
    let secrets: Vec<_> = secret_names().filter(|name| long.contains(&format!("  {name} "))).collect();
    let lines: Vec<_> = secrets.chunks(3).map(|few| few.join(", ")).collect();
    let mut end = match lines.is_empty() {
        true => String::new(),
        false => format!("Secrets are variables, or files (NAME_FILE): {}\n", lines.join(",\n  ")),
    };
    if let Some((flag, variable)) =
        command.get_arguments().find_map(|arg| Some((arg.get_long()?, setting(arg)?)))
    {
        end += &format!("Flags of settings are variables, too: --{flag} is {variable}\n");
    }
    end + "More: --help"
}

fn setting(arg: &Arg) -> Option<String> {
    arg.get_env().map(|name| name.to_string_lossy().into_owned())
}
