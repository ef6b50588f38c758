//! Values that only the owner can know are marked blanks. `scripts/blanks` lists all of them, and nothing is made up.

use super::{MARK, Sandbox, clean, files, repository, run, text_of};

/// The kinds of missing values.
const KINDS: [&str; 6] = ["address of ", "digest of ", "hash of ", "host of ", "name of ", "time of "];

/// Hosts of nobody (RFC 2606), and a hash of nothing.
const STANDINS: [&str; 2] = [".invalid/", "0000000000000000000000000000000000000000"];

fn is_of_the_kit(file: &str) -> bool {
    let is_page = file.ends_with(".md") && !file.contains('/');
    file.starts_with(".github/")
        || is_page
        || ["Cargo.toml", "Dockerfile", "docker-compose.yml"].contains(&file)
}

#[test]
fn the_list_has_every_blank_of_the_repository() {
    let listed = run(&mut clean(repository("scripts/blanks")));
    assert_eq!(listed.code, Some(0), "{}", listed.text);
    let marks = |file: &String| {
        let text = std::fs::read_to_string(repository(file)).unwrap_or_default();
        text.matches(MARK).count()
    };
    assert_eq!(listed.text.lines().count(), files().iter().map(marks).sum::<usize>(), "{}", listed.text);
    for line in listed.text.lines() {
        let mut parts = line.splitn(3, ':');
        let (file, number) = (parts.next().expect("a file"), parts.next().expect("a line"));
        let value = parts.next().unwrap_or_else(|| panic!("no value: {line}"));
        assert!(KINDS.iter().any(|kind| value.starts_with(kind)), "{line}: none of {KINDS:?}");
        let number: usize = number.parse().expect("a number");
        let there = text_of(file).lines().nth(number - 1).is_some_and(|text| text.contains(MARK));
        assert!(there, "{line}");
    }
}

#[test]
fn a_value_of_nobody_is_marked_as_a_blank() {
    for file in files().iter().filter(|file| is_of_the_kit(file)) {
        for line in text_of(file).lines().filter(|line| STANDINS.iter().any(|it| line.contains(it))) {
            assert!(line.contains(MARK), "{file}: {line}");
        }
    }
}

#[test]
fn every_image_has_a_digest_or_a_blank() {
    let has_digest = |line: &str| line.contains("@sha256:");
    let dockerfile = text_of("Dockerfile");
    let lines: Vec<_> = dockerfile.lines().collect();
    let mut images = 0;
    for pair in lines.windows(2).filter(|pair| pair[1].starts_with("FROM ")) {
        let name = pair[1].split(' ').nth(1).expect("a name");
        let blank = format!("# {MARK}digest of {name}");
        assert!(has_digest(name) || pair[0] == blank, "{}: write '{blank}' above it", pair[1]);
        images += 1;
    }
    let compose = text_of("docker-compose.yml");
    for line in
        compose.lines().filter(|line| line.trim_start().starts_with("image: ") && !line.contains("${"))
    {
        let name = line.trim_start().trim_start_matches("image: ").split(' ').next().expect("a name");
        let blank = format!(" # {MARK}digest of {name}");
        assert!(has_digest(name) || line.ends_with(&blank), "{line}: write '{blank}' behind it");
        images += 1;
    }
    assert!(images >= 5, "{images}");
}

#[test]
fn the_list_is_empty_without_blanks_and_can_refuse() {
    let sandbox = Sandbox::with(&["scripts/blanks"]);
    sandbox.write("a.md", "No blank.\n");
    let ended = sandbox.run("scripts/blanks", &["--refuse"]);
    assert_eq!((ended.code, ended.text.as_str()), (Some(0), ""));
    sandbox.write("a.md", &format!("One.\n<!-- {MARK}address of a page -->\n**{MARK}name of it**.\n"));
    let ended = sandbox.run("scripts/blanks", &[]);
    assert_eq!((ended.code, ended.text.as_str()), (Some(0), "a.md:2:address of a page\na.md:3:name of it\n"));
    let ended = sandbox.run("scripts/blanks", &["--refuse"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.text.ends_with("error: 2 blanks must be filled in first\n"), "{}", ended.text);
    assert_eq!(sandbox.run("scripts/blanks", &["--list"]).code, Some(2));
}
