//! The command line: one file per command.
//!
//! Exit codes: 0 for success; 1 for failure, or a problem found by `check`; 2 for wrong usage or settings.

mod check;
mod dashed_values;
mod dev;
mod guess;
mod healthcheck;
mod help;
mod init;
mod keys;
mod output;
mod process;
mod serve;
mod service_key;
mod sessions;
mod stats;
mod usage;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::dashed_values::{arranged, is_given};
use self::guess::{Called, without_secrets};
use self::help::{grouped, is_short, short};
use self::output::{ReaderGone, print};
use self::process::flushed;
use self::usage::UsageError;
use crate::config::{Flags, redis_url_help, secrets_help, wrong_value, wrong_values};
use crate::shown_value::printable;
use crate::telemetry::logging::say;

/// Sessions for services with their own login: access and refresh tokens, logout everywhere.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node on the real store
    #[command(after_help = secrets_help())]
    Serve(Flags),
    /// Try it out: a node without any settings, and curl lines to paste
    ///
    /// The store is embedded unless REDIS_URL is set. Secrets and a service key are made for this run. Settings count as in
    /// `serve`: the keys of SERVICE_KEYS work beside the new one, so a login service keeps its own. The first lines name the
    /// page with the documentation of the API, /docs.
    #[command(after_help = secrets_help())]
    Dev(Flags),
    /// Write a complete .env with fresh secrets, and print the service key
    ///
    /// The secrets and a signing key go into files of their own beside the .env, each for one reader. The service key belongs
    /// to them and is shown this once.
    Init(init::Init),
    /// Look at settings and Redis: each problem, and how to mend it
    #[command(after_help = secrets_help())]
    Check(check::Check),
    /// Ask the node on this machine whether it is ready; exits with 0 or 1
    Healthcheck(healthcheck::Healthcheck),
    /// Keys of the backends that may call the service endpoints
    #[command(subcommand)]
    ServiceKey(service_key::ServiceKey),
    /// The keys that sign: make, list, rotate and retire them
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Look at sessions, and end them
    #[command(subcommand)]
    Sessions(sessions::SessionsCommand),
    /// How many sessions there are, of whom, and what they take
    #[command(after_help = redis_url_help())]
    Stats(stats::Stats),
}

/// Parses the command line, runs the command, and reports an error as one line. Standard error may have no reader, so
/// only the log's thread writes there.
pub fn main() -> ExitCode {
    let command = command(&[]);
    let words = arranged(&command, std::env::args_os().collect());
    flushed(|| match parsed(&command, &words) {
        Ok(cli) => run(cli.command).unwrap_or_else(|error| failed(&error)),
        Err(error) => show_usage(&error, &command, &words).unwrap_or_else(|error| failed(&error)),
    })
}

/// All commands, with the variables of this moment: clap reads these when it is told of a flag. It is not told of those
/// that do not count.
fn command(uncounted: &[OsString]) -> clap::Command {
    let mut command = counting(grouped(Cli::command()), uncounted);
    command.build();
    command
}

fn counting(command: clap::Command, uncounted: &[OsString]) -> clap::Command {
    let command = command.mut_args(|arg| {
        let counts = arg.get_env().is_none_or(|name| !uncounted.iter().any(|it| it == name));
        if counts { arg } else { arg.env(Resettable::Reset) }
    });
    command.mut_subcommands(|command| counting(command, uncounted))
}

/// The command line. All wrong values of settings are named at once, and the settings that are missing besides.
fn parsed(all: &clap::Command, words: &[OsString]) -> Result<Cli, clap::Error> {
    let uncounted = uncounted(all, words);
    let parsed = read(&command(&uncounted), words);
    if parsed.as_ref().is_err_and(asks_for_help) {
        // Help names every variable.
        return read(all, words);
    }
    let mut wrong = wrong_values(all, words.get(1..).unwrap_or_default());
    wrong.retain(|it| it.variable.as_ref().is_none_or(|name| !uncounted.contains(name)));
    if wrong.is_empty() {
        return parsed;
    }
    let variables: Vec<_> = wrong.iter().filter_map(|it| it.variable.clone()).collect();
    let besides = wrong_besides(&variables, &uncounted, words);
    let errors = wrong.iter().map(|it| it.error.clone()).chain(besides);
    Err(clap::Error::raw(ErrorKind::ValueValidation, errors.collect::<Vec<_>>().join(". ")))
}

fn read(command: &clap::Command, words: &[OsString]) -> Result<Cli, clap::Error> {
    let matches = command.clone().try_get_matches_from(words);
    matches.and_then(|matches| Cli::from_arg_matches(&matches))
}

/// The errors of a node's other settings, where these variables are wrong.
fn wrong_besides(variables: &[OsString], uncounted: &[OsString], words: &[OsString]) -> Option<String> {
    let left_out = [variables, uncounted].concat();
    let settings = match read(&command(&left_out), words).ok()?.command {
        Command::Serve(flags) => flags.settings(),
        Command::Check(check) => check.flags.settings(),
        _ => return None,
    };
    let names: Vec<_> = variables.iter().filter_map(|name| name.to_str()).collect();
    Some(settings.err()?.besides(&names).to_string()).filter(|errors| !errors.is_empty())
}

/// A command that only prints, and whose reader is gone, has done its work.
fn failed(error: &anyhow::Error) -> ExitCode {
    if error.is::<ReaderGone>() {
        return ExitCode::SUCCESS;
    }
    say(format!("error: {}\n", printable(&format!("{error:#}").replace('\n', " "))));
    ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(flags) => serve::run(&flags),
        Command::Dev(flags) => dev::run(&flags),
        Command::Init(init) => init.run(),
        Command::Check(check) => check.run(),
        Command::Healthcheck(healthcheck) => healthcheck.run(),
        Command::ServiceKey(command) => command.run(),
        Command::Keys(command) => command.run(),
        Command::Sessions(command) => command.run(),
        Command::Stats(stats) => stats.run(),
    }
}

/// Two rules beyond clap: an empty variable counts as unset, and the flag `--port` wins over the variable `BIND_ADDR`.
fn uncounted(all: &clap::Command, words: &[OsString]) -> Vec<OsString> {
    let is_empty = |name: &OsString| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let mut names: Vec<_> = variables(all).into_iter().filter(is_empty).collect();
    if is_given("--port", words) && !is_given("--bind-addr", words) {
        names.push("BIND_ADDR".into());
    }
    names
}

/// The variables of a command and of those below it.
fn variables(command: &clap::Command) -> Vec<OsString> {
    let own = command.get_arguments().filter_map(|arg| arg.get_env().map(ToOwned::to_owned));
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}

fn asks_for_help(error: &clap::Error) -> bool {
    use ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    matches!(error.kind(), DisplayHelp | DisplayVersion | DisplayHelpOnMissingArgumentOrSubcommand)
}

/// Prints help unchanged, and the first paragraph of an error as one line.
fn show_usage(error: &clap::Error, command: &clap::Command, words: &[OsString]) -> Result<ExitCode> {
    let called = Called::new(command, words);
    if error.kind() == ErrorKind::DisplayHelp && is_short(words) {
        print(&short(called.command))?;
        return Ok(ExitCode::SUCCESS);
    }
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        print(&error.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        say(error.to_string());
        return Ok(ExitCode::from(2));
    }
    if let Some(said) = wrong_value(error, called.command) {
        say(format!("error: {}\n", printable(&said)));
        return Ok(ExitCode::from(2));
    }
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
    let line = without_secrets(&lines.collect::<Vec<_>>().join(" "), error);
    let hints = [called.hint(error), as_value(error).filter(|_| called.takes_values())];
    let hints: String = hints.into_iter().flatten().map(|hint| format!("; {hint}")).collect();
    say(printable(&(line + &hints)) + "\n");
    Ok(ExitCode::from(2))
}

/// How an unknown flag is passed as a value.
fn as_value(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return None };
    let is_unknown = error.kind() == ErrorKind::UnknownArgument && flag.starts_with("--");
    is_unknown.then(|| {
        format!("as a value, write it behind two dashes, -- {flag}, or behind its option, --option={flag}")
    })
}
