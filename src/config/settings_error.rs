//! All that is wrong with the settings, at once.

use std::fmt;

use anyhow::Error;

/// A setting without which no node starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Required {
    Issuer,
    /// A key that signs access tokens.
    SigningSecret,
    /// A key that signs refresh tokens.
    RefreshSecret,
    ServiceKeys,
}

impl Required {
    fn name(self) -> &'static str {
        match self {
            Self::Issuer => "ISSUER",
            Self::SigningSecret => "SIGNING_SECRET",
            Self::RefreshSecret => "REFRESH_SECRET",
            Self::ServiceKeys => "SERVICE_KEYS",
        }
    }

    /// The settings that can hold it.
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Issuer => &["ISSUER"],
            Self::SigningSecret => &["SIGNING_SECRET", "SIGNING_KEYS"],
            Self::RefreshSecret => &["REFRESH_SECRET", "SIGNING_KEYS"],
            Self::ServiceKeys => &["SERVICE_KEYS"],
        }
    }

    /// The remedy for this one alone.
    fn remedy(self) -> &'static str {
        match self {
            Self::Issuer => "set it to this gateway's public URL, such as https://auth.example.com; ",
            Self::SigningSecret => "set it or SIGNING_KEYS, a file that `token-gateway keys new` makes; ",
            Self::RefreshSecret | Self::ServiceKeys => "",
        }
    }
}

/// The remedy for all that is missing.
const INIT: &str = "`token-gateway init` writes a complete .env; load it with `set -a; . ./.env; set +a`";

/// Settings that are missing, and the errors of others.
#[derive(Debug, Default)]
pub struct SettingsError {
    missing: Vec<Required>,
    errors: Vec<String>,
}

impl SettingsError {
    pub fn miss(&mut self, setting: Required) {
        self.missing.push(setting);
    }

    /// Keeps an error, once.
    pub fn note<T, E: Into<Error>>(&mut self, result: Result<T, E>) -> Option<T> {
        let error = match result.map_err(Into::into) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let errors = match error.downcast::<Self>() {
            Ok(wrong) => wrong.errors,
            Err(error) => vec![format!("{error:#}")],
        };
        for error in errors {
            if !self.errors.contains(&error) {
                self.errors.push(error);
            }
        }
        None
    }

    /// Keeps an error with the name of its setting.
    pub fn note_of<T, E: fmt::Display>(&mut self, name: &str, result: Result<T, E>) -> Option<T> {
        self.note(result.map_err(|error| Error::msg(format!("{name}: {error}"))))
    }

    pub fn demand<T>(&mut self, setting: Required, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.miss(setting);
        }
        value
    }

    /// The value, unless anything is wrong.
    pub fn unless_wrong<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.missing.is_empty() && self.errors.is_empty() => Ok(value),
            _ => Err(self),
        }
    }

    /// The same without errors that follow from these settings, which are wrong themselves.
    pub fn besides(mut self, settings: &[&str]) -> Self {
        self.missing.retain(|it| !it.settings().iter().any(|name| settings.contains(name)));
        self.errors.retain(|error| !settings.iter().any(|name| error.contains(name)));
        self
    }

    /// One error for each setting.
    pub fn each(&self) -> Vec<String> {
        let alone = |it: &Required| format!("{}: is missing; {}{INIT}", it.name(), it.remedy());
        self.missing.iter().map(alone).chain(self.errors.iter().cloned()).collect()
    }
}

/// One line: the missing settings together, then the other errors.
impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.missing.len() < 2 {
            return f.write_str(&self.each().join(". "));
        }
        let names = self.missing.iter().map(|it| match it {
            Required::SigningSecret => "SIGNING_SECRET or SIGNING_KEYS",
            it => it.name(),
        });
        write!(f, "{}: are missing; {INIT}", names.collect::<Vec<_>>().join(", "))?;
        self.errors.iter().try_for_each(|error| write!(f, ". {error}"))
    }
}

impl std::error::Error for SettingsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_is_one_line_for_a_start_and_a_line_each_for_a_check() {
        let mut wrong = SettingsError::default();
        for setting in [Required::Issuer, Required::SigningSecret] {
            wrong.miss(setting);
        }
        for error in ["PORT: a", "PORT: a", "AUDIENCE: b"] {
            wrong.note(Err::<(), _>(Error::msg(error)));
        }
        let line = wrong.to_string();
        let names = "ISSUER, SIGNING_SECRET or SIGNING_KEYS: are missing; `token-gateway init` writes a complete .env";
        assert!(line.starts_with(names) && line.ends_with(". PORT: a. AUDIENCE: b"), "{line}");
        let each = wrong.each();
        assert_eq!(each.len(), 4, "{each:?}");
        assert!(each[0].starts_with("ISSUER: is missing; set it to"), "{each:?}");
        let mut outer = SettingsError::default();
        outer.note(Err::<(), _>(wrong));
        assert_eq!(outer.each(), ["PORT: a", "AUDIENCE: b"]);
    }
}
