//! The names of claims that are the gateway's own.

/// Names that a session's own claims must not use: only the gateway sets them, or will one day.
pub const RESERVED_CLAIMS: [&str; 18] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "sid",
    "gen",
    "type",
    "client_id",
    "scope",
    "cnf",
    "act",
    "acr",
    "amr",
    "auth_time",
    "ref",
];

/// The problem of a claim that some readers would take for a reserved one.
pub fn reserved_problem(name: &str, reserved: &str) -> String {
    if name == reserved {
        "is reserved; the gateway sets it".to_owned()
    } else {
        format!("is reserved: readers that ignore case take it for '{reserved}', which the gateway sets")
    }
}

/// The reserved name that this one is, or that a reader without regard to case takes it for.
pub fn reserved(name: &str) -> Option<&'static str> {
    RESERVED_CLAIMS.into_iter().find(|reserved| name.chars().map(folded).eq(reserved.chars()))
}

/// By Unicode's simple case folding, as Go's `encoding/json` compares names. Beyond ASCII, two characters fold to a letter
/// of a reserved name.
fn folded(c: char) -> char {
    match c {
        '\u{17f}' => 's',  // long s
        '\u{212a}' => 'k', // Kelvin sign
        c => c.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_characters_beyond_ascii_fold_as_go_folds_them() {
        assert_eq!(reserved("\u{17f}ub"), Some("sub"));
        assert_eq!(
            ["\u{212a}", "\u{17f}", "I", "\u{e9}"].map(|c| folded(c.chars().next().unwrap())),
            ['k', 's', 'i', '\u{e9}']
        );
    }
}
