//! The log lines in the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use regex::Regex;
use syn::LitStr;

use crate::sources::sources;

/// The folders whose code logs, and the names of their crates.
const LOGGING: [(&str, &str); 4] = [
    ("src", "token_gateway"),
    ("crates/core/src", "token_gateway_core"),
    ("crates/redis-link/src", "token_gateway_redis_link"),
    ("crates/verify/src", "token_gateway_verify"),
];

/// A line as it stands in the sources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    pub level: String,
    pub target: String,
    /// With its placeholders.
    pub text: String,
    pub fields: Vec<String>,
}

impl Line {
    /// The last is that of a line whose level depends.
    pub const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "varies"];

    /// Its cells in the page.
    pub fn row(&self) -> String {
        let fields: Vec<_> = self.fields.iter().map(|field| format!("`{field}`")).collect();
        let fields = if fields.is_empty() { "none".to_owned() } else { fields.join(", ") };
        let text = self.text.replace('|', "\\|");
        format!("{} | `{}` | `{text}` | {fields}", self.level, self.target)
    }

    /// The names of its placeholders.
    pub fn placeholders(&self) -> Vec<String> {
        let placeholder = Regex::new(r"\{(\w*)(?::[^}]*)?\}").expect("a good pattern");
        placeholder.captures_iter(&self.text).map(|found| found[1].to_owned()).collect()
    }
}

pub fn lines() -> Vec<Line> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let targets = fs::read_to_string(root.join("src/telemetry/logging/targets.rs")).expect("readable");
    let mut reader = Reader { targets: constants(&targets), module: String::new(), lines: Vec::new() };
    for (folder, name) in LOGGING {
        let (folder, mut files) = (root.join(folder), Vec::new());
        sources(&folder, &mut files);
        files.sort();
        for file in files {
            let text = fs::read_to_string(&file).expect("readable");
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            reader.module = module(name, file.strip_prefix(&folder).expect("below it"));
            let tokens: TokenStream =
                code.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            reader.read(&tokens.into_iter().collect::<Vec<_>>());
        }
    }
    reader.lines
}

/// The path of the module in a file.
fn module(name: &str, file: &Path) -> String {
    let file = file.with_extension("");
    let names = file.iter().filter_map(|part| part.to_str()).filter(|part| !["lib", "mod"].contains(part));
    std::iter::once(name).chain(names).collect::<Vec<_>>().join("::")
}

/// The texts of constants, by their names.
fn constants(code: &str) -> BTreeMap<String, String> {
    let constant = Regex::new(r#"const (\w+): &str = "([^"]*)";"#).expect("a good pattern");
    let found = constant.captures_iter(code);
    found.map(|found| (found[1].to_owned(), found[2].to_owned())).collect()
}

struct Reader {
    targets: BTreeMap<String, String>,
    module: String,
    lines: Vec<Line>,
}

impl Reader {
    /// Reads the calls in these tokens, and in all groups in them, the bodies of other macros included.
    fn read(&mut self, tokens: &[TokenTree]) {
        for (at, token) in tokens.iter().enumerate() {
            let TokenTree::Group(group) = token else { continue };
            let inside: Vec<_> = group.stream().into_iter().collect();
            match before(tokens, at).as_slice() {
                [.., log, _, _, level, bang] if log == "log" && bang == "!" => {
                    self.read_macro(level, &inside)
                }
                [.., word, name] if name == "formed" && word != "fn" => self.read_formed(&inside),
                _ => {}
            }
            self.read(&inside);
        }
    }

    /// `log::warn!(target: TARGET, field = value; "text", …)`.
    fn read_macro(&mut self, level: &str, tokens: &[TokenTree]) {
        let (mut rest, mut target) = (tokens, self.module.clone());
        if is_word(rest.first(), "target") {
            let end = position(rest, ",").expect("a target ends with a comma");
            target = self.text(&rest[2..end]).expect("a target is a text");
            rest = &rest[end + 1..];
        }
        if level == "log" {
            rest = &rest[position(rest, ",").expect("a level ends with a comma") + 1..];
        }
        let fields = position(rest, ";").map_or(Vec::new(), |end| names(&rest[..end]));
        let message = position(rest, ";").map_or(rest, |end| &rest[end + 1..]);
        let text = self.text(&message[..1]).expect("a message begins with its text");
        let level = if level == "log" { "varies" } else { level }.to_owned();
        self.lines.push(Line { level, target, text, fields });
    }

    /// `formed(Level::Warn, TARGET, format_args!("text"), &facts)`, for lines about the log itself.
    fn read_formed(&mut self, tokens: &[TokenTree]) {
        let parts: Vec<_> = tokens.split(|token| token.to_string() == ",").collect();
        let [[level, _, _, name], target, message, facts @ ..] = parts.as_slice() else { return };
        let Some(TokenTree::Group(message)) = message.last().filter(|_| is_word(Some(level), "Level")) else {
            return;
        };
        let message: Vec<_> = message.stream().into_iter().collect();
        let mut fields = Vec::new();
        facts.iter().for_each(|part| pairs(part, &mut fields));
        self.lines.push(Line {
            level: name.to_string().to_lowercase(),
            target: self.text(target).expect("a target is a text"),
            text: self.text(&message[..1]).expect("a message begins with its text"),
            fields,
        });
    }

    /// A text, or the constant of one.
    fn text(&self, tokens: &[TokenTree]) -> Option<String> {
        let token = tokens.last()?.to_string();
        let literal = syn::parse_str::<LitStr>(&token).map(|literal| literal.value());
        literal.ok().or_else(|| self.targets.get(&token).cloned())
    }
}

/// Up to five tokens before this one, in words.
fn before(tokens: &[TokenTree], at: usize) -> Vec<String> {
    tokens[at.saturating_sub(5)..at].iter().map(ToString::to_string).collect()
}

fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    token.is_some_and(|token| token.to_string() == word)
}

fn position(tokens: &[TokenTree], sign: &str) -> Option<usize> {
    tokens.iter().position(|token| token.to_string() == sign)
}

/// The names in `name, other = value, third:% = value`.
fn names(tokens: &[TokenTree]) -> Vec<String> {
    let parts = tokens.split(|token| token.to_string() == ",");
    parts.filter_map(|part| Some(part.first()?.to_string().trim_matches('"').to_owned())).collect()
}

/// The names in `("name", value)`, at any depth.
fn pairs(tokens: &[TokenTree], found: &mut Vec<String>) {
    for token in tokens {
        let TokenTree::Group(group) = token else { continue };
        let inside: Vec<_> = group.stream().into_iter().collect();
        if group.delimiter() == Delimiter::Parenthesis && is_word(inside.get(1), ",") {
            found.extend(syn::parse_str::<LitStr>(&inside[0].to_string()).map(|name| name.value()));
        }
        pairs(&inside, found);
    }
}
