//! Words that begin with a dash.
//!
//! The only flags of one letter are `-h` and `-V`, and each stands alone. So any other word with one dash is a value:
//! a user or a key may have such a name. Clap would take `-Vpl4` for `-V -p -l -4`, print the version and succeed.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

/// The words of a command line, in a form that clap reads as meant: such a value is glued to its option, or stands
/// behind `--`. `command` is built.
pub fn arranged(command: &Command, words: Vec<OsString>) -> Vec<OsString> {
    if !words.iter().any(|word| is_dashed_value(word)) {
        return words;
    }
    let (mut level, mut words) = (command, words.into_iter().peekable());
    let mut arranged: Vec<OsString> = words.next().into_iter().collect();
    let mut values = Vec::new();
    while let Some(word) = words.next() {
        if word == "--" {
            values.extend(words);
            break;
        } else if is_flag(&word) {
            let value = words.next_if(|next| takes_value(level, &word) && !is_flag(next) && next != "--");
            arranged.push(value.map_or(word.clone(), |value| glued(word, &value)));
        } else if level.has_subcommands() {
            let Some(command) = level.find_subcommand(&word) else {
                values.push(word); // no command has this name; clap says so
                values.extend(words);
                break;
            };
            level = command;
            arranged.push(word);
        } else {
            values.push(word);
        }
    }
    if !values.is_empty() {
        arranged.push("--".into());
    }
    arranged.extend(values);
    arranged
}

/// Whether a flag stands among these words, alone or with its value.
pub fn is_given(flag: &str, words: &[OsString]) -> bool {
    let with_value = format!("{flag}=");
    let mut flags = words.iter().take_while(|word| *word != "--").map(|word| word.as_encoded_bytes());
    flags.any(|word| word == flag.as_bytes() || word.starts_with(with_value.as_bytes()))
}

fn is_flag(word: &OsStr) -> bool {
    let bytes = word.as_encoded_bytes();
    bytes == b"-h" || bytes == b"-V" || (bytes.starts_with(b"--") && bytes.len() > 2)
}

fn is_dashed_value(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"-") && !is_flag(word) && word != "--"
}

/// Whether the next word is the value of this flag.
fn takes_value(level: &Command, flag: &OsStr) -> bool {
    let name = flag.to_str().and_then(|flag| flag.strip_prefix("--"));
    let is_it = |arg: &&Arg| name.is_some() && arg.get_long() == name;
    level.get_arguments().find(is_it).is_some_and(|arg| arg.get_action().takes_values())
}

fn glued(mut flag: OsString, value: &OsStr) -> OsString {
    flag.push("=");
    flag.push(value);
    flag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let end = Command::new("end")
            .arg(Arg::new("sub"))
            .arg(Arg::new("id"))
            .arg(Arg::new("except").long("except"));
        let mut command = Command::new("test").version("1").propagate_version(true).subcommand(end);
        command.build();
        command
    }

    fn arrange(line: &str) -> String {
        let words = line.split(' ').map(OsString::from).collect();
        arranged(&command(), words).join(OsStr::new(" ")).into_string().expect("text")
    }

    #[test]
    fn values_with_a_dash_go_behind_two_dashes_or_to_their_option() {
        for (line, expected) in [
            ("test end alice 1", "test end alice 1"),
            ("test end -Vpl4 1", "test end -- -Vpl4 1"),
            ("test end alice -hV --except 2", "test end --except=2 -- alice -hV"),
            ("test end --except -hV alice", "test end --except=-hV -- alice"),
            ("test end -x -V", "test end -V -- -x"),
            ("test end -x --except -h", "test end --except -h -- -x"),
            ("test end - -- -h --", "test end -- - -h --"),
            ("test -Vx end alice", "test -- -Vx end alice"),
            ("test help -hV", "test help -- -hV"),
        ] {
            assert_eq!(arrange(line), expected, "{line}");
        }
    }
}
