//! A setting as help, `.env` and `docs/reference/settings.md` describe it.

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its environment variable.
    pub name: String,
    /// The value that it has where it is not set, or words in place of one.
    pub default: String,
    pub help: String,
    pub is_secret: bool,
}

impl Setting {
    /// Whether the default is a value and not words.
    pub(super) fn has_value(&self) -> bool {
        !self.default.contains(' ') && !["none", "required"].contains(&self.default.as_str())
    }

    /// A line of `.env` that changes nothing: the default as a comment. A secret is named by a file.
    pub fn env_line(&self) -> String {
        match (self.is_secret, self.has_value()) {
            (true, _) => format!("#{}_FILE=\n", self.name),
            (false, true) => format!("#{}={}\n", self.name, self.default),
            (false, false) => format!("#{}=\n", self.name),
        }
    }
}

/// Where clap knows no default, the help ends with one in words: `… [default: none]`, `… [required]`.
pub fn parted(help: &str) -> (String, String) {
    let Some((text, words)) = help.strip_suffix(']').and_then(|help| help.rsplit_once(" [")) else {
        return (help.to_owned(), "none".to_owned());
    };
    (text.to_owned(), words.trim_start_matches("default: ").to_owned())
}
