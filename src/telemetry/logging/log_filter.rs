//! `RUST_LOG`: the lines to be written.

use std::fmt;
use std::str::FromStr;

use log::{Level, LevelFilter, Log, Metadata};

use crate::shown_value::shown;

use super::targets::{THEFT_LOG_TARGET, is_known};

/// A valid `RUST_LOG`: levels, and levels of targets. A target stands for all that begin with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(Vec<Directive>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Directive {
    /// None for all targets without a directive of their own.
    target: Option<String>,
    level: LevelFilter,
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = self.level.as_str().to_ascii_lowercase();
        match &self.target {
            Some(target) => write!(f, "{target}={level}"),
            None => f.write_str(&level),
        }
    }
}

/// A part of a text that is no directive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{part} is neither a level nor target=level; the levels are off, error, warn, info, debug or trace; write them without \
     quotes, blanks and comments, and with commas in between",
    part = named(.0)
)]
pub struct InvalidLogFilter(String);

/// A part of a filter; a secret may stand there by mistake.
fn named(part: &str) -> String {
    if shown(part).is_some() { format!("'{part}'") } else { "a part of it".to_owned() }
}

impl FromStr for LogFilter {
    type Err = InvalidLogFilter;

    /// Blanks around a comma are allowed, and so is a comma too many.
    fn from_str(text: &str) -> Result<Self, InvalidLogFilter> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let directives = parts.map(str::parse).collect::<Result<Vec<Directive>, _>>()?;
        if directives.is_empty() { Err(InvalidLogFilter(text.to_owned())) } else { Ok(Self(directives)) }
    }
}

impl FromStr for Directive {
    type Err = InvalidLogFilter;

    fn from_str(text: &str) -> Result<Self, InvalidLogFilter> {
        let (target, level) = match text.split_once('=') {
            Some((target, level)) => (Some(target), level),
            None => (None, text),
        };
        match level.parse() {
            Ok(level) if target.is_none_or(is_target) => {
                Ok(Self { target: target.map(str::to_owned), level })
            }
            _ => Err(InvalidLogFilter(text.to_owned())),
        }
    }
}

/// Whether a text can be a target. Crates choose theirs freely, but none with what gets into a setting by mistake.
fn is_target(text: &str) -> bool {
    let is_stray = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '#' | ';');
    !text.is_empty() && !text.contains(is_stray)
}

impl LogFilter {
    pub(super) fn builder(&self) -> env_logger::Builder {
        let mut builder = env_logger::Builder::new();
        for directive in &self.0 {
            builder.filter(directive.target.as_deref(), directive.level);
        }
        // Its errors are malformed requests: anybody could fill the log with them.
        builder.filter_module("actix_http::h1", LevelFilter::Off);
        builder
    }

    /// Likely mistakes, in words.
    pub fn doubts(&self) -> Vec<String> {
        let targets = self.0.iter().filter_map(|directive| directive.target.as_deref());
        let mut doubts: Vec<_> = targets.filter(|target| !is_known(target)).map(unknown).collect();
        doubts.extend(self.mutes_alarm().then(|| self.doubt_about_alarm()));
        doubts
    }

    fn doubt_about_alarm(&self) -> String {
        match self.directive_of(THEFT_LOG_TARGET) {
            Some(directive) => format!(
                "the alarm of a theft is not logged, because of '{directive}'; use the level warn or info there"
            ),
            None => "the alarm of a theft is not logged; let the filter begin with a level, such as info"
                .to_owned(),
        }
    }

    /// The directive that decides about a target: the longest that it begins with, and the last of several.
    fn directive_of(&self, target: &str) -> Option<&Directive> {
        let named =
            |directive: &&Directive| directive.target.as_ref().is_none_or(|begin| target.starts_with(begin));
        self.0.iter().filter(named).max_by_key(|directive| directive.target.as_ref().map(String::len))
    }

    /// The same, but a level for all that mutes the alarm is taken for a decision.
    pub(super) fn doubts_at_start(&self) -> Vec<String> {
        let mut doubts = self.doubts();
        if self.mutes_alarm() && self.0.iter().any(|directive| directive.target.is_none()) {
            doubts.pop();
        }
        doubts
    }

    fn mutes_alarm(&self) -> bool {
        let alarm = Metadata::builder().level(Level::Warn).target(THEFT_LOG_TARGET).build();
        !self.builder().build().enabled(&alarm)
    }
}

fn unknown(target: &str) -> String {
    let target = named(target);
    format!(
        "no line has the target {target}; known are access, token_gateway, token_gateway_core and \
         token_gateway_redis_link, with those of their modules that log, and crates of others such as actix_web"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubts(text: &str) -> Vec<String> {
        text.parse::<LogFilter>().expect("a filter").doubts()
    }

    #[test]
    fn a_filter_takes_levels_in_any_case_and_blanks_around_commas() {
        let filter: LogFilter = " INFO ,access=Off,".parse().expect("a filter");
        let targets = [("token_gateway::startup", true), ("access", false), ("actix_http::h1::codec", false)];
        for (target, is_enabled) in targets {
            let line = Metadata::builder().level(Level::Info).target(target).build();
            assert_eq!(filter.builder().build().enabled(&line), is_enabled, "{target}");
        }
    }

    #[test]
    fn a_part_that_is_no_directive_is_named() {
        for (text, part) in
            [("info,warning", "warning"), ("info # note", "info # note"), (" , ", " , "), ("a=b=c", "a=b=c")]
        {
            assert_eq!(text.parse::<LogFilter>(), Err(InvalidLogFilter(part.to_owned())));
        }
    }

    #[test]
    fn only_unknown_targets_and_a_muted_alarm_are_doubtful() {
        assert_eq!(doubts("warn,token_gateway=debug,actix_web::middleware=warn"), [""; 0]);
        assert!(doubts("info,nosuch=info")[0].contains("'nosuch'"));
        for muted in ["off", "error", "access=info", "info,token_gateway=error"] {
            assert!(doubts(muted)[0].contains("theft"), "{muted}");
        }
    }

    #[test]
    fn the_directive_that_mutes_the_alarm_is_named() {
        for (filter, named) in [
            ("info,token_gateway::gateway::theft=off", "'token_gateway::gateway::theft=off'"),
            ("token_gateway::gateway::theft=OFF,info", "'token_gateway::gateway::theft=off'"),
            ("token_gateway=error,info,token_gateway::startup=off", "'token_gateway=error'"),
            ("info,token_gateway=warn,token_gateway::gateway=error", "'token_gateway::gateway=error'"),
            ("info,off", "'off'"),
            ("error,access=info", "'error'"),
        ] {
            let doubts = doubts(filter);
            assert!(doubts.len() == 1 && doubts[0].contains(named), "{filter}: {doubts:?}");
            assert!(!doubts[0].contains("begin with"), "{filter}: {doubts:?}");
        }
        assert!(doubts("access=info")[0].contains("begin with a level"));
    }
}
