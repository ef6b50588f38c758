//! The pictures of the pages, in mermaid: no text of theirs is cut off.

use crate::links::{pages, text};

/// The blocks of mermaid in a page, each with the number of its first line.
fn pictures(page: &str) -> Vec<(usize, Vec<&str>)> {
    let lines: Vec<_> = page.lines().collect();
    let begins = lines.iter().enumerate().filter(|(_, line)| line.trim() == "```mermaid");
    let picture = |(at, _)| {
        let inside = lines[at + 1..].iter().take_while(|line| line.trim() != "```");
        (at + 2, inside.copied().collect())
    };
    begins.map(picture).collect()
}

/// In a sequence diagram `#` begins a comment, also within a text, and `;` ends the line.
fn cut(picture: &[&str]) -> Option<usize> {
    let is_sequence = picture.first().is_some_and(|kind| kind.trim() == "sequenceDiagram");
    picture.iter().position(|line| is_sequence && line.contains(['#', ';']))
}

#[test]
fn no_text_of_a_sequence_diagram_is_cut_off() {
    let mut count = 0;
    for page in pages() {
        let text = text(&page);
        for (number, picture) in pictures(&text) {
            count += 1;
            let cut = cut(&picture).map(|at| format!("{}:{}: {}", page.display(), number + at, picture[at]));
            assert_eq!(cut, None, "say it without '#' and ';'");
        }
    }
    assert!(count >= 8, "{count} pictures");
}

#[test]
fn a_cut_text_is_found_in_sequence_diagrams_alone() {
    let found = |lines: &str| {
        let page = format!("# A\n\n```mermaid\n{lines}\n```\n");
        pictures(&page).iter().find_map(|(number, picture)| Some(number + cut(picture)?))
    };
    assert_eq!(found("sequenceDiagram\n    A->>B: token 0"), None);
    assert_eq!(found("sequenceDiagram\n    A->>B: token #0"), Some(5));
    assert_eq!(found("sequenceDiagram\n    A->>B: one; two"), Some(5));
    assert_eq!(found("flowchart TD\n    a[#0; one]"), None);
}
