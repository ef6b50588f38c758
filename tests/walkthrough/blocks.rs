//! The fenced blocks of the pages, and a bash that runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The pages that a newcomer follows.
pub fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned()];
    for folder in ["docs/start", "docs/guides"] {
        for entry in fs::read_dir(repository(folder)).expect("a folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("text");
            pages.push(format!("{folder}/{name}"));
        }
    }
    pages.sort();
    pages
}

pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The blocks of a page in one language.
pub fn blocks(page: &str, language: &str) -> Vec<String> {
    fences(page).into_iter().filter(|(named, _)| named == language).map(|(_, block)| block).collect()
}

/// All blocks of a page with their languages. The indentation of a list goes.
pub fn fences(page: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(repository(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    fences_in(&text)
}

fn fences_in(text: &str) -> Vec<(String, String)> {
    let (mut found, mut open) = (Vec::new(), None::<(usize, String, String)>);
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(named)) => open = Some((indent, named.trim().to_owned(), String::new())),
            (Some(_), Some("")) => {
                let (_, language, block) = open.take().expect("a block");
                found.push((language, block));
            }
            (Some((indent, _, block)), _) => {
                *block += line.get(*indent..).unwrap_or_default();
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

#[test]
fn the_language_of_a_block_is_found_and_the_indentation_of_a_list_goes() {
    let page = "# A\n\n```sh\na\n```\n\n- b\n  ```\n  c\n  ```\n\n```js\n```\n";
    let expected = [("sh", "a\n"), ("", "c\n"), ("js", "")];
    assert_eq!(fences_in(page), expected.map(|(language, text)| (language.to_owned(), text.to_owned())));
}

/// A folder like the root of the repository, as far as the blocks look: with `ops`, and the program in `PATH`.
pub struct Workplace {
    dir: TempDir,
    bin: TempDir,
}

impl Workplace {
    pub fn new() -> Self {
        let [dir, bin] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        std::os::unix::fs::symlink(repository("ops"), dir.path().join("ops")).expect("a link");
        let program = bin.path().join("token-gateway");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_token-gateway"), program).expect("a link");
        Self { dir, bin }
    }

    /// A bash there, which stops at the first failure. Debian keeps nginx where only root looks.
    pub fn bash(&self, lines: &str) -> Command {
        let path = std::env::var("PATH").expect("a path");
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", lines]).env_clear().current_dir(self.dir.path());
        bash.env("PATH", format!("{}:{path}:/usr/sbin", self.bin.path().display()));
        bash
    }
}
