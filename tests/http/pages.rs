//! The pages of errors, of metrics and of the API say what the code says. The codes of errors are compared in
//! `src/http/error/page.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_core::session::{InvalidIdempotencyKey, InvalidSubject};
use token_gateway_testkit::api::Api;
use token_gateway_testkit::gateway::PUBLIC_DOCS;

use crate::GATEWAY;
use crate::sources::sources;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cells of the tables in a section, row by row, without the code font.
fn rows(page: &str, title: &str) -> Vec<Vec<String>> {
    let page = text(&repository(page));
    let section = page.split("\n## ").find(|section| section.starts_with(&format!("{title}\n")));
    let section = section.unwrap_or_else(|| panic!("no section '{title}'"));
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    lines.map(|line| line.split('|').map(|cell| cell.trim().replace('`', "")).skip(1).collect()).collect()
}

/// The code of a file, without comments and tests.
fn code(path: &Path) -> String {
    let text = text(path);
    let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// The string literals of a piece of code, with `\u{2026}` for what is filled in.
fn literals(code: &str) -> Vec<String> {
    let parts = code.replace("\\\"", "'").split('"').map(str::to_owned).collect::<Vec<_>>();
    parts.into_iter().skip(1).step_by(2).map(|literal| filled(&literal)).collect()
}

fn filled(format: &str) -> String {
    let mut parts = format.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text += "\u{2026}";
        text += part.split_once('}').map_or("", |(_, rest)| rest);
    }
    text
}

/// The last literal in the arguments of each call of `function`.
fn said(code: &str, function: &str) -> Vec<String> {
    let calls = code.split(function).skip(1);
    calls.filter_map(|rest| literals(arguments(rest)).pop()).collect()
}

/// The text up to the parenthesis that closes a call.
fn arguments(rest: &str) -> &str {
    let mut depth = 1;
    let end = rest.find(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0
    });
    &rest[..end.unwrap_or(rest.len())]
}

/// The verbs with which a problem of a field begins.
const VERBS: [&str; 8] = ["is ", "must ", "may ", "has ", "holds ", "belongs ", "repeats ", "lacks "];

#[test]
fn each_problem_of_a_field_is_on_the_page_of_errors_and_no_other() {
    let claims = ["src/token/session_claims.rs", "src/token/session_claims/reserved.rs"];
    let mut files = claims.map(repository).to_vec();
    sources(&repository("src/http"), &mut files);
    files.retain(|path| !path.components().any(|part| part.as_os_str() == "openapi"));
    let mut problems = BTreeSet::from([InvalidSubject.to_string(), InvalidIdempotencyKey.to_string()]);
    for code in files.iter().map(|path| code(path)) {
        problems.extend(said(&code, "ErrorResponse::field("));
        problems.extend(said(&code, "InvalidClaims::value("));
        problems.extend(
            literals(&code).into_iter().filter(|text| VERBS.iter().any(|verb| text.starts_with(verb))),
        );
    }
    problems.retain(|problem| problem.contains(' '));
    let rows: BTreeSet<_> = rows("docs/reference/errors.md", "Problems of a field")
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    assert_eq!(rows, problems);
}

#[test]
fn each_problem_of_a_body_is_on_the_page_of_errors_and_no_other() {
    let mut files = Vec::new();
    sources(&repository("src/http"), &mut files);
    files.retain(|path| !path.components().any(|part| part.as_os_str() == "openapi"));
    let problems = files.iter().flat_map(|path| said(&code(path), "ErrorResponse::Request("));
    let rows: BTreeSet<_> = rows("docs/reference/errors.md", "Problems of a body")
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    assert_eq!(rows, problems.collect());
}

/// A metric as a node renders it, or as a row of the page says it: name, type, labels, unit and help.
type Metric = [String; 5];

/// The metrics of an answer of `/metrics`.
fn rendered(metrics: &str) -> BTreeSet<Metric> {
    let about = |keyword: &str, name: &str| {
        let start = format!("# {keyword} {name} ");
        metrics.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_default().to_owned()
    };
    let helps = metrics.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    helps
        .map(|(name, help)| {
            let kind = about("TYPE", name);
            let sample = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
            let help = help.strip_suffix('.').unwrap_or(help).to_owned();
            [sample, kind, labels(metrics, name), about("UNIT", name), help]
        })
        .collect()
}

/// The names of the labels of a metric's samples, but for the bounds of buckets.
fn labels(metrics: &str, metric: &str) -> String {
    let sample =
        metrics.lines().find(|line| line.starts_with(metric) && line.contains('{')).unwrap_or_default();
    let inner =
        sample.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(inner, _)| inner);
    let names = inner.split("\",").filter_map(|label| Some(label.split_once('=')?.0));
    names.filter(|name| *name != "le").collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn the_page_of_metrics_has_what_a_node_renders_and_nothing_else() {
    let gateway = GATEWAY.embedded_with(&[("ADMIN_ADDR", "127.0.0.1:0")]);
    let (api, admin) = (gateway.api(), Api::new(&gateway.admin()));
    let tokens = api.issue(&json!({"sub": "alice"})).await.tokens();
    let second = api.refresh(&tokens.refresh).await.tokens();
    api.me(Method::GET, "", &second.access).await.sessions();
    api.reuse(&tokens.refresh).await;
    api.revoke(&second.refresh).await;
    api.user(Method::DELETE, "alice", "").await.ended();
    api.send(api.request(Method::GET, "/nowhere")).await.expect_error(404, "not_found");
    api.send(api.request(Method::GET, "/readyz")).await;
    let metrics = admin.send(admin.request(Method::GET, "/metrics")).await.text;
    let rows = rows("docs/reference/metrics.md", "The metrics")
        .into_iter()
        .filter(|row| row[0].starts_with("token_gateway_"));
    let rows: BTreeSet<Metric> = rows.map(|row| [0, 1, 2, 3, 4].map(|at| row[at].clone())).collect();
    assert_eq!(rows, rendered(&metrics), "{metrics}");
}

/// The caller of an operation, in the words of the page.
fn caller(security: &Value) -> String {
    let Some(requirements) = security.as_array() else { return "anybody".to_owned() };
    let first = requirements.first().and_then(Value::as_object).expect("a requirement");
    match first.iter().next() {
        None => "anybody; a confidential client by its key".to_owned(),
        Some((name, _)) if name == "access_token" => "access token".to_owned(),
        Some((_, roles)) => {
            format!("service key with the role {}", roles[0].as_str().expect("a role"))
        }
    }
}

#[tokio::test]
async fn the_page_of_the_api_has_each_operation_with_its_caller_and_no_other() {
    let gateway = GATEWAY.embedded_with(&[PUBLIC_DOCS]);
    let api = gateway.api();
    let document = api.send(api.request(Method::GET, "/openapi.json")).await.json();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let request = format!("{} {path}", method.to_uppercase());
            documented.insert((request, caller(&operation["security"])));
        }
    }
    documented.retain(|(request, _)| !request.starts_with("HEAD "));
    let rows = rows("docs/reference/http.md", "Routes").into_iter();
    let rows: BTreeSet<_> = rows.map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(rows, documented);
}

/// The values of labels that are closed sets, and shown from the start.
#[tokio::test]
async fn the_page_of_metrics_has_each_value_of_a_label() {
    let gateway = GATEWAY.embedded_with(&[("ADMIN_ADDR", "127.0.0.1:0")]);
    let admin = Api::new(&gateway.admin());
    let metrics = admin.send(admin.request(Method::GET, "/metrics")).await.text;
    for label in ["outcome", "reason", "operation"] {
        let start = format!("{{{label}=\"");
        let starts = metrics.split(&start).skip(1).filter_map(|rest| rest.split('"').next());
        let values: BTreeSet<_> = starts.map(str::to_owned).collect();
        let rows = rows("docs/reference/metrics.md", "The metrics");
        let row = rows.iter().find(|row| row[0] == label).unwrap_or_else(|| panic!("no row for {label}"));
        assert_eq!(row[1].split(", ").map(str::to_owned).collect::<BTreeSet<_>>(), values, "{label}");
    }
}

/// Scrapers go by this header, and the page tells it to them.
#[tokio::test]
async fn the_page_of_metrics_names_the_media_type_of_the_answer() {
    let gateway = GATEWAY.embedded_with(&[("ADMIN_ADDR", "127.0.0.1:0")]);
    let admin = Api::new(&gateway.admin());
    let answer = admin.send(admin.request(Method::HEAD, "/metrics")).await;
    let page = text(&repository("docs/reference/metrics.md"));
    let media_type = answer.header("content-type").expect("a media type");
    assert!(page.contains(&format!("`Content-Type: {media_type}`")), "{media_type}");
}
