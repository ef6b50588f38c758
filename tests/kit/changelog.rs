//! CHANGELOG.md has the form of keepachangelog.com 1.1.0, and agrees with the other pages on the first version.

use super::{VERSION, text_of};

const GROUPS: [&str; 6] = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];

/// The headings of level two and three, with their level.
fn headings(text: &str) -> Vec<(usize, &str)> {
    let headings = text.lines().filter_map(|line| {
        let heading = line.trim_start_matches('#');
        Some((line.len() - heading.len(), heading.strip_prefix(' ')?))
    });
    headings.filter(|(level, _)| (2..=3).contains(level)).collect()
}

fn is_day(text: &str) -> bool {
    let form =
        |(at, byte): (usize, u8)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(form)
}

#[test]
fn versions_come_latest_first_with_their_days() {
    let text = text_of("CHANGELOG.md");
    assert!(text.starts_with("# Changelog\n"), "its title");
    let headings = headings(&text);
    let mut versions = headings.iter().filter(|(level, _)| *level == 2).map(|(_, heading)| *heading);
    assert_eq!(versions.next(), Some("[Unreleased]"));
    let mut last = None;
    for version in versions {
        let (name, day) = version.split_once("] - ").unwrap_or_else(|| panic!("'{version}' has no day"));
        let name = name.strip_prefix('[').unwrap_or_else(|| panic!("'{version}' begins without '['"));
        let numbers: Vec<u32> = name.split('.').map(|it| it.parse().expect("a number")).collect();
        assert!(numbers.len() == 3 && is_day(day), "{version}");
        assert!(last.is_none_or(|last| last > numbers), "{version} comes too late");
        last = Some(numbers);
    }
    assert!(text.contains(&format!("\n## [{VERSION}] - ")), "version {VERSION} has a section");
}

#[test]
fn changes_stand_in_groups_and_each_group_once() {
    let text = text_of("CHANGELOG.md");
    let mut last = None;
    for (level, heading) in headings(&text) {
        if level == 2 {
            last = None;
            continue;
        }
        let group = GROUPS.iter().position(|group| *group == heading);
        let group = group.unwrap_or_else(|| panic!("'{heading}' is none of {GROUPS:?}"));
        assert!(last.is_none_or(|last| last < group), "'{heading}' stands twice or too late");
        last = Some(group);
    }
    let (_, versions) = text.split_once("\n## ").expect("versions");
    for section in versions.split("\n## ") {
        let before = section.split("\n### ").next().expect("a heading");
        assert!(!before.contains("\n- "), "a change without a group: {before}");
    }
}

/// CONTRIBUTING.md tells the owner to take these words out of all pages at once.
#[test]
fn all_pages_say_alike_whether_the_first_version_is_published() {
    let pages = ["README.md", "SECURITY.md", "CHANGELOG.md"];
    let waiting = pages.map(|page| text_of(page).contains("not published yet"));
    assert!(waiting.iter().all(|it| *it == waiting[0]), "{pages:?}: {waiting:?}");
    for page in crate::links::pages() {
        let text = crate::links::text(&page).to_lowercase();
        for word in ["unreleased;", "earlier release", "nothing is released"] {
            assert!(!text.contains(word), "{}: '{word}', while 0.1.0 is the first release", page.display());
        }
    }
}
