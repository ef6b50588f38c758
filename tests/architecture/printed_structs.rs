//! The structs with a derived `Debug`, read in the sources.

use std::fs;

use super::root;
use crate::sources::sources;

/// Name and fields of each struct with a derived `Debug`.
fn printable_structs(code: &str) -> Vec<(&str, &str)> {
    let derives = code.split("#[derive(").skip(1);
    let printable = derives.filter(|rest| rest.split(')').next().unwrap_or_default().contains("Debug"));
    let structs = printable.filter_map(|rest| {
        let (_, item) = rest.split_once("struct ")?;
        let starts_here = !rest[..rest.len() - item.len()].contains('{');
        let (name, fields) = item.split_once('{').filter(|_| starts_here)?;
        Some((name.trim(), fields.split("\n}").next().unwrap_or_default()))
    });
    structs.collect()
}

/// Whether a field of this line holds the text or the bytes of a secret in plain. A wrapper would keep a secret from
/// being printed.
fn holds_a_secret(field: &str) -> bool {
    let Some((name, kind)) = field.split_once(':').filter(|_| !field.trim_start().starts_with("//")) else {
        return false;
    };
    let words = ["secret", "password", "token", "key", "credentials", "jti", "url", "pem"];
    let named = name.trim().split(['_', ' ']).any(|word| words.contains(&word));
    named && ["String", "str", "u8"].iter().any(|it| kind.contains(it)) && !kind.contains("Secret")
}

/// Requirement SECRET-1.
#[test]
fn no_struct_that_prints_itself_holds_a_secret_in_plain() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut seen = 0;
    for file in files {
        let code = fs::read_to_string(&file).expect("readable");
        for (name, fields) in printable_structs(&code) {
            seen += 1;
            let bad: Vec<_> = fields.lines().filter(|field| holds_a_secret(field)).collect();
            assert!(bad.is_empty(), "{}: {name} prints {bad:?}", file.display());
        }
    }
    assert!(seen > 20, "the structs are found: {seen}");
}
