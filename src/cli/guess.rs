//! Guesses at a word of the command line that nobody knows: the command, the flag or the variable that was meant.

mod aliases;

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};
use strsim::jaro_winkler;

use crate::config::{may_hold_secret, secret_names};

/// The least likeness of a word to the one that was meant.
const LIKENESS: f64 = 0.84;

/// Other words that are so much less like it are no guesses.
const LIKENESS_GAP: f64 = 0.05;

/// The command that a line of words calls, as far as its words are known.
pub struct Called<'a> {
    root: &'a Command,
    pub command: &'a Command,
    /// The words behind the first one that is no command.
    rest: &'a [OsString],
}

impl<'a> Called<'a> {
    pub fn new(root: &'a Command, words: &'a [OsString]) -> Self {
        let (mut command, mut rest) = (root, words.get(1..).unwrap_or_default());
        while let Some((word, behind)) = rest.split_first() {
            rest = behind;
            let Some(next) = command.find_subcommand(word) else { break };
            command = next;
        }
        Self { root, command, rest }
    }

    /// Whether the command takes values that belong to no option.
    pub fn takes_values(&self) -> bool {
        self.command.get_positionals().next().is_some()
    }

    /// The end of an error's line, if it is about an unknown word.
    pub fn hint(&self, error: &Error) -> Option<String> {
        let word = |kind| match error.get(kind) {
            Some(ContextValue::String(word)) => Some(word.as_str()),
            _ => None,
        };
        match error.kind() {
            ErrorKind::InvalidSubcommand => word(ContextKind::InvalidSubcommand).map(|verb| self.verb(verb)),
            ErrorKind::UnknownArgument => word(ContextKind::InvalidArg).and_then(|flag| self.flag(flag)),
            _ => None,
        }
    }

    fn verb(&self, verb: &str) -> String {
        if let Some(line) = aliases::meant(self.command.get_name(), verb) {
            return format!("did you mean `{line}`?");
        }
        let likeness = |it: &Command| jaro_winkler(verb, it.get_name());
        let best = verbs(self.command).map(likeness).fold(LIKENESS, f64::max);
        let here = verbs(self.command).filter(|it| likeness(it) >= LIKENESS.max(best - LIKENESS_GAP));
        let elsewhere = verbs(self.root).flat_map(verbs).filter(|it| it.get_name() == verb);
        let found: Vec<_> =
            here.chain(elsewhere).map(|it| format!("`{}`", path(self.continued(it)))).collect();
        if !found.is_empty() {
            return format!("did you mean {}?", found.join(" or "));
        }
        let all: Vec<_> = verbs(self.command).map(Command::get_name).collect();
        format!("`{}` has: {}", path(self.command), all.join(", "))
    }

    fn flag(&self, flag: &str) -> Option<String> {
        let name = flag.strip_prefix("--")?;
        if let Some(owner) = self.owner_below(name) {
            return Some(format!("write it behind the command: {} {flag}", path(owner)));
        }
        let variable = name.replace('-', "_").to_uppercase();
        let known = most_like(name, self.command.get_arguments().filter_map(Arg::get_long));
        let secret = most_like(&variable, secret_names());
        let likeness = known.map_or(LIKENESS, |(_, likeness)| likeness);
        let is_flag = owner(self.root, name).is_some();
        if let Some((secret, _)) = secret.filter(|(_, secret)| *secret > likeness && !is_flag) {
            return Some(format!(
                "a secret is no flag, because flags show in `ps`: set the variable {secret}, or {secret}_FILE to the path of \
                 a file that holds it"
            ));
        }
        known.map(|(known, _)| format!("did you mean --{known}?"))
    }

    /// The command with this flag that the rest of the line calls, or the first one.
    fn owner_below(&self, flag: &str) -> Option<&'a Command> {
        let next =
            |command: &'a Command, word: &'a OsString| command.find_subcommand(word).unwrap_or(command);
        let called = self.rest.iter().fold(self.command, next);
        owner(called, flag)
            .filter(|it| it.get_name() != self.command.get_name())
            .or_else(|| owner(self.command, flag))
    }

    /// The guess with the next word of the line, if that is a command below it.
    fn continued<'b>(&self, guess: &'b Command) -> &'b Command {
        self.rest.first().and_then(|word| guess.find_subcommand(word)).unwrap_or(guess)
    }
}

/// The line without the words at fault that may hold a secret: a URL with a password, or a key where none belongs.
pub fn without_secrets(line: &str, error: &Error) -> String {
    let mut shown = line.to_owned();
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidSubcommand, ContextKind::InvalidValue] {
        let Some(ContextValue::String(word)) = error.get(kind) else { continue };
        let is_flag = word.starts_with("--") && !word.contains("://");
        if !is_flag && may_hold_secret(word) {
            shown = shown.replace(word.as_str(), "…");
        }
    }
    shown
}

/// The first command with this flag, from this one down.
fn owner<'a>(command: &'a Command, flag: &str) -> Option<&'a Command> {
    if command.get_arguments().any(|arg| arg.get_long() == Some(flag)) {
        return Some(command);
    }
    verbs(command).find_map(|below| owner(below, flag))
}

/// The known word that is most like this one, if any is like it.
fn most_like<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<(&'a str, f64)> {
    let known = known.map(|known| (known, jaro_winkler(word, known)));
    known.filter(|(_, likeness)| *likeness >= LIKENESS).max_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// The commands below this one, without the `help` of clap.
fn verbs(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|it| it.get_name() != "help")
}

/// The command as it is written on a line.
fn path(command: &Command) -> &str {
    command.get_bin_name().unwrap_or_else(|| command.get_name())
}
