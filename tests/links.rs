//! The links of all Markdown pages: each file and each heading is there, and each page of `docs/` is found from README.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of the repository with Markdown, new ones included.
pub fn pages() -> Vec<PathBuf> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md", "llms.txt"]);
    let listed = git.current_dir(root()).output().expect("git is installed").stdout;
    let names = String::from_utf8(listed).expect("names");
    let names: BTreeSet<_> = names.split('\0').filter(|name| !name.is_empty()).collect();
    names.into_iter().map(PathBuf::from).filter(|page| root().join(page).is_file()).collect()
}

pub fn text(page: &Path) -> String {
    fs::read_to_string(root().join(page)).expect("a readable page")
}

/// The lines of a page with their numbers, without code blocks and comments.
pub fn prose(page: &str) -> Vec<(usize, String)> {
    let (mut fence, mut is_comment, mut lines) = (None, false, Vec::new());
    for (number, line) in (1..).zip(page.lines()) {
        let start = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        if let Some(open) = fence {
            fence = if mark == Some(open) { None } else { fence };
        } else if mark.is_some() {
            fence = mark;
        } else {
            is_comment |= start.starts_with("<!--");
            lines.extend((!is_comment).then(|| (number, line.to_owned())));
            is_comment &= !line.contains("-->");
        }
    }
    lines
}

/// A line without its spans of code.
fn without_code(line: &str) -> String {
    let parts: Vec<_> = line.split('`').collect();
    let last = parts.len() - 1;
    let is_prose = |at: usize| at.is_multiple_of(2) || at == last;
    parts.iter().enumerate().filter(|(at, _)| is_prose(*at)).map(|(_, part)| *part).collect()
}

/// The targets of the links in a line, and of its pictures.
fn targets(line: &str) -> Vec<String> {
    let line = without_code(line);
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let html = ["href=\"", "src=\""].into_iter();
    let html = html.flat_map(|start| line.split(start).skip(1)).filter_map(|rest| rest.split('"').next());
    let named = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target);
    let all = inline.chain(html).chain(named);
    all.filter_map(|target| target.split_whitespace().next().map(str::to_owned)).collect()
}

/// The name of a heading in an address, by GitHub's rule, but for the number of a repeated one.
fn anchor(heading: &str) -> String {
    let mut shown = String::new();
    let mut rest = heading;
    // A link counts by its text.
    while let Some((before, link)) = rest.split_once('[') {
        let parts = link.split_once("](").and_then(|(text, more)| Some((text, more.split_once(')')?.1)));
        let Some((text, after)) = parts else { break };
        shown += before;
        shown += text;
        rest = after;
    }
    shown += rest;
    let is_kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    shown.trim().to_lowercase().chars().filter(is_kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The names of all headings of a page.
fn anchors(page: &str) -> BTreeSet<String> {
    let (mut seen, mut found) = (BTreeMap::<String, usize>::new(), BTreeSet::new());
    for (_, line) in prose(page) {
        let title = line.trim_start_matches('#');
        let level = line.len() - title.len();
        if (1..=6).contains(&level) && title.starts_with(' ') {
            let name = anchor(title);
            let times = seen.entry(name.clone()).or_default();
            found.insert(if *times == 0 { name } else { format!("{name}-{times}") });
            *times += 1;
        }
    }
    found
}

/// The file of a target, from the root; `None` for one that leaves the repository.
fn file(page: &Path, target: &str) -> Option<PathBuf> {
    let mut path = page.parent().expect("a folder").to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir if path.pop() => {}
            _ => return None,
        }
    }
    Some(path)
}

fn is_elsewhere(target: &str) -> bool {
    ["http://", "https://", "mailto:"].iter().any(|start| target.starts_with(start))
}

/// The reason why a target leads nowhere.
fn problem(page: &Path, target: &str) -> Option<&'static str> {
    let (path, name) = target.split_once('#').map_or((target, None), |(path, name)| (path, Some(name)));
    let Some(file) = (if path.is_empty() { Some(page.to_owned()) } else { file(page, path) }) else {
        return Some("leaves the repository");
    };
    if !root().join(&file).exists() {
        return Some("there is no such file");
    }
    let name = name.filter(|_| file.extension().is_some_and(|ending| ending == "md"))?;
    (!anchors(&text(&file)).contains(name)).then_some("there is no such heading")
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut broken = Vec::new();
    let mut count = 0;
    for page in pages() {
        for (number, line) in prose(&text(&page)) {
            let inside = targets(&line).into_iter().filter(|target| !is_elsewhere(target));
            for target in inside {
                count += 1;
                let found = problem(&page, &target);
                broken.extend(found.map(|said| format!("{}:{number}: {target}: {said}", page.display())));
            }
        }
    }
    assert!(count > 100, "only {count} links");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The spans of code in a line.
pub fn spans(line: &str) -> Vec<&str> {
    let parts: Vec<_> = line.split('`').collect();
    let last = parts.len() - 1;
    parts.into_iter().enumerate().filter(|(at, _)| at % 2 == 1 && *at < last).map(|(_, part)| part).collect()
}

/// Whether it looks like a path: `a/b.c` or `a/b/`.
fn is_path(span: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    span.contains('/') && span.chars().all(fits)
}

/// The changelog names files of its time.
#[test]
fn every_file_named_by_a_page_is_there() {
    let listed = Command::new("git").arg("ls-files").current_dir(root()).output().expect("git is installed");
    let listed = String::from_utf8(listed.stdout).expect("names");
    let folders: BTreeSet<_> =
        listed.lines().filter_map(|file| file.split_once('/')).map(|(top, _)| top).collect();
    let (mut count, mut missing) = (0, Vec::new());
    for page in pages().iter().filter(|page| !page.ends_with("CHANGELOG.md")) {
        for (number, line) in prose(&text(page)) {
            let paths = spans(&line).into_iter().filter(|span| is_path(span));
            for path in paths.filter(|path| folders.contains(path.split('/').next().unwrap_or_default())) {
                count += 1;
                let is_there = root().join(path).exists();
                missing.extend((!is_there).then(|| format!("{}:{number}: {path}", page.display())));
            }
        }
    }
    assert!(count > 200, "only {count} files");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_page_of_docs_is_found_from_the_readme() {
    let pages: BTreeSet<_> = pages().into_iter().collect();
    let (mut found, mut next) = (BTreeSet::new(), vec![PathBuf::from("README.md")]);
    while let Some(page) = next.pop() {
        if !pages.contains(&page) || !found.insert(page.clone()) {
            continue;
        }
        let links = prose(&text(&page)).into_iter().flat_map(|(_, line)| targets(&line));
        let files = links.filter_map(|target| file(&page, target.split('#').next()?));
        next.extend(files.flat_map(|file| [file.join("README.md"), file]));
    }
    let lost: Vec<_> =
        pages.iter().filter(|page| page.starts_with("docs") && !found.contains(*page)).collect();
    assert!(lost.is_empty(), "no way leads from README.md to these: {lost:?}");
}

/// Decisions come by their index.
#[test]
fn every_page_of_docs_is_in_the_map_for_language_models() {
    let map = Path::new("llms.txt");
    let linked: BTreeSet<_> = prose(&text(map)).into_iter().flat_map(|(_, line)| targets(&line)).collect();
    let pages = pages().into_iter().map(|page| page.to_str().expect("text").to_owned());
    let is_wanted = |page: &String| {
        page.starts_with("docs/") && (!page.starts_with("docs/adr/") || page.ends_with("README.md"))
    };
    let missing: Vec<_> = pages.filter(|page| is_wanted(page) && !linked.contains(page)).collect();
    assert!(missing.is_empty(), "llms.txt lacks these: {missing:?}");
}

#[test]
fn every_folder_of_docs_is_in_the_table_of_its_map() {
    let map = text(Path::new("docs/README.md"));
    let entries = fs::read_dir(root().join("docs")).expect("a folder").map(|entry| entry.expect("an entry"));
    let folders = entries.filter(|entry| entry.path().is_dir());
    for name in folders.map(|folder| folder.file_name().into_string().expect("text")) {
        assert!(map.contains(&format!("\n| `{name}/` | ")), "docs/README.md has no row for {name}/");
    }
}

#[test]
fn a_heading_has_the_name_that_github_gives_it() {
    for (heading, name) in [
        ("The default user", "the-default-user"),
        ("`keys retire`", "keys-retire"),
        ("Why was *alice* logged out?", "why-was-alice-logged-out"),
        ("Where is …?", "where-is-"),
        ("The [map](docs/README.md) of pages", "the-map-of-pages"),
        ("C: a_b, c - d", "c-a_b-c---d"),
    ] {
        assert_eq!(anchor(heading), name, "{heading}");
    }
    let page = "# A\n\n## B\n\n```sh\n# C\n```\n\n## B\n";
    assert_eq!(anchors(page), ["a", "b", "b-1"].map(str::to_owned).into());
}

#[test]
fn a_path_is_found_in_code_alone() {
    let found =
        |line: &str| spans(line).into_iter().filter(|span| is_path(span)).collect::<Vec<_>>().join(" ");
    assert_eq!(
        found("In `src/a.rs` and src/b.rs, `GET /c`, `d/{e}`, `f.rs`, `tests/g/`."),
        "src/a.rs tests/g/"
    );
}

#[test]
fn links_are_found_outside_of_code_and_no_others() {
    let found = |line: &str| targets(line).join(" ");
    assert_eq!(
        found("See [a](b.md#c), ![d](e.svg) and [f](https://g.example)."),
        "b.md#c e.svg https://g.example"
    );
    assert_eq!(found("`[a](b.md)` is code, [c](d.md \"title\") is none"), "d.md");
    assert_eq!(found("[`a`](b.md) | `c` | [`d`](e.md)"), "b.md e.md");
    assert_eq!(found("[a]: b.md"), "b.md");
    assert_eq!(found("<img src=\"a.svg\" alt=\"b\">"), "a.svg");
    assert_eq!(prose("a\n```\n[b](c.md)\n```\n<!-- [d](e.md) -->\nf\n").len(), 2);
}
