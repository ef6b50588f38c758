//! The rules, on small trees with faults of their own: each fault must be seen.

use std::fs;

use super::circles::circles;
use super::resolve::Modules;
use super::rules::{against_the_arrows, misplaced};

/// The modules of a library of these files.
fn modules(files: &[(&str, &str)]) -> Modules {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = folder.path().join("src").join(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    Modules::read(folder.path(), &[("planted".to_owned(), "src/lib.rs".to_owned())])
}

/// The uses of a library of these files, in words.
fn uses(files: &[(&str, &str)]) -> Vec<String> {
    modules(files).uses().iter().map(ToString::to_string).collect()
}

const LIB: (&str, &str) = ("lib.rs", "pub mod gateway; pub mod http;");
const HTTP: (&str, &str) = ("http.rs", "pub mod error; pub use self::error::ErrorResponse;");
const ERROR: (&str, &str) = ("http/error.rs", "pub struct ErrorResponse; pub fn parts() {}");

#[test]
fn every_form_of_a_use_leads_to_the_file_that_defines_the_name() {
    let forms = [
        "use super::super::http::ErrorResponse;",
        "use crate::http::{self, ErrorResponse as Refused};",
        "fn f() { super::super::http::ErrorResponse; }",
        "use crate::http; fn f() -> http::ErrorResponse { todo!() }",
        "use super::super::http::*; fn f(_: ErrorResponse) {}",
        "fn f() { vec![crate::http::ErrorResponse]; }",
        "#[planted(error = crate::http::ErrorResponse)] struct S;",
        "mod tests { use super::super::super::http::ErrorResponse; }",
        "use super::Imported;",
    ];
    for form in forms {
        let gateway = ("gateway.rs", "mod end; use crate::http::ErrorResponse as Imported;");
        let found = uses(&[LIB, HTTP, ERROR, gateway, ("gateway/end.rs", form)]);
        assert!(
            found.contains(&"src/gateway/end.rs -> src/http/error.rs: ErrorResponse".to_owned()),
            "{form}: {found:?}"
        );
    }
}

#[test]
fn gateway_may_not_use_http() {
    let end = ("gateway/end.rs", "use super::super::http::error::parts;");
    let found = against_the_arrows(&modules(&[LIB, HTTP, ERROR, ("gateway.rs", "mod end;"), end]).uses());
    assert_eq!(found, ["src/gateway/end.rs -> src/http/error.rs: parts: gateway uses no http"]);
}

#[test]
fn gateway_may_not_name_redis() {
    let text = "use redis::aio::ConnectionLike; fn f() { let redis = 1; redis; }";
    let found = modules(&[("lib.rs", "mod gateway;"), ("gateway.rs", text)]);
    assert_eq!(
        misplaced(&found.foreign()),
        [r#"src/gateway.rs names redis, which belongs to ["src/store/redis"]"#]
    );
}

#[test]
fn a_parent_and_its_child_can_be_a_circle() {
    let parent = ("http.rs", "mod error; pub struct Limit; fn f() { error::parts(); }");
    let child = ("http/error.rs", "pub fn parts() -> super::Limit { super::Limit }");
    let found = circles(&modules(&[("lib.rs", "mod http;"), parent, child]).uses());
    let both = ["src/http.rs -> src/http/error.rs: parts", "src/http/error.rs -> src/http.rs: Limit"];
    assert_eq!(found, [both]);
}

#[test]
fn a_parent_that_shows_its_children_is_in_no_circle() {
    let parent = ("http.rs", "mod error; mod limit; pub use self::error::parts; pub use self::limit::Limit;");
    let child = ("http/error.rs", "pub fn parts() -> super::Limit { super::Limit }");
    let limit = ("http/limit.rs", "pub struct Limit;");
    let found = modules(&[("lib.rs", "mod http;"), parent, child, limit]).uses();
    assert_eq!(circles(&found), Vec::<Vec<String>>::new());
}
