//! `scripts/release`: each step, and each refusal.

use super::{MARK, Sandbox};

const CHANGELOG: &str = "\
# Changelog

## [Unreleased]

## [1.2.3] - 2026-01-31

### Added

- A thing.

## [1.2.2] - 2026-01-01

### Fixed

- Another thing.

[1.2.3]: https://example.com/
";

fn ready() -> Sandbox {
    let sandbox = Sandbox::with(&["scripts/release", "scripts/blanks"]);
    sandbox
        .write("Cargo.toml", "[workspace.package]\nversion = \"1.2.3\"\n\n[package]\nversion = \"9.9.9\"\n");
    sandbox.write("CHANGELOG.md", CHANGELOG);
    sandbox
}

/// The gate is shut for this tag, and says why.
fn assert_refused(sandbox: &Sandbox, tag: &str, reason: &str) {
    let ended = sandbox.run("scripts/release", &["gate", tag]);
    assert!(ended.code == Some(1) && ended.text.contains(reason), "{ended:?}: not '{reason}'");
}

#[test]
fn a_tag_of_this_version_passes_the_gate() {
    let ended = ready().run("scripts/release", &["gate", "v1.2.3"]);
    assert_eq!((ended.code, ended.text.as_str()), (Some(0), ""));
}

#[test]
fn a_tag_of_another_version_is_refused() {
    for tag in ["v1.2.4", "1.2.3", "v1.2.3-rc.1", "v9.9.9", ""] {
        assert_refused(&ready(), tag, "the tag must be 'v1.2.3'");
    }
}

#[test]
fn a_version_without_changes_is_refused() {
    let sandbox = ready();
    for heading in ["## [1.2.4] - 2026-01-31", "## [1.2.3]", "## [1.2.3] - soon", "## [1x2.3] - 2026-01-31"] {
        sandbox.write("CHANGELOG.md", &CHANGELOG.replace("## [1.2.3] - 2026-01-31", heading));
        assert_refused(&sandbox, "v1.2.3", "has no heading '## [1.2.3] - <date>'");
    }
    sandbox.write(
        "CHANGELOG.md",
        "# Changelog\n\n## [1.2.3] - 2026-01-31\n\n## [1.2.2] - 2026-01-01\n\n- A thing.\n",
    );
    assert_refused(&sandbox, "v1.2.3", "says nothing of version 1.2.3");
}

#[test]
fn a_blank_is_refused() {
    let sandbox = ready();
    sandbox.write("a.yml", &format!("IMAGE: registry.invalid/a # {MARK}name of the image\n"));
    assert_refused(&sandbox, "v1.2.3", "a.yml:1:name of the image\nerror: 1 blanks must be filled in first");
}

#[test]
fn the_notes_are_the_section_of_this_version() {
    let ended = ready().run("scripts/release", &["notes"]);
    assert_eq!((ended.code, ended.text.trim()), (Some(0), "### Added\n\n- A thing."));
}

#[test]
fn an_archive_has_the_binary_the_licences_and_a_checksum() {
    let sandbox = ready();
    sandbox.imitate(
        "cargo",
        "echo \"cargo $*\" && mkdir -p target/release && echo binary >target/release/token-gateway",
    );
    sandbox.imitate("rustc", "echo 'host: of-a-kind'");
    for name in ["LICENSE-APACHE", "LICENSE-MIT", "README.md"] {
        sandbox.write(name, "text\n");
    }
    let ended = sandbox.run("scripts/release", &["binary", "out"]);
    assert_eq!((ended.code, ended.text.as_str()), (Some(0), "cargo build --release --locked\n"));
    assert_eq!(sandbox.run("scripts/release", &["checksums", "out"]).code, Some(0));
    sandbox.imitate("look", "cd out && ls && sha256sum --check --strict SHA256SUMS && tar -tzf *.tar.gz");
    let name = "token-gateway-1.2.3-of-a-kind";
    let files = ["", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "token-gateway"];
    let files: String = files.iter().map(|file| format!("{name}/{file}\n")).collect();
    let looked = sandbox.run("bin/look", &[]);
    assert_eq!(looked.text, format!("SHA256SUMS\n{name}.tar.gz\n{name}.tar.gz: OK\n{files}"));
}

#[test]
fn an_image_without_an_sbom_or_a_provenance_is_refused() {
    let docker = |missing: &str| {
        format!(
            "echo \"$*\" >>calls; case \"$*\" in *{missing}*) echo null;; *inspect*) echo '{{\"a\": 1}}';; esac"
        )
    };
    let sandbox = ready();
    let arguments = ["image", "registry.invalid/a", "sha256:11", "sha256:22"];
    sandbox.imitate("docker", &docker("nothing"));
    let ended = sandbox.run("scripts/release", &arguments);
    assert_eq!((ended.code, ended.text.as_str()), (Some(0), ""));
    let calls = std::fs::read_to_string(sandbox.path("calls")).expect("calls");
    let first = "buildx imagetools create --tag registry.invalid/a:1.2.3 registry.invalid/a@sha256:11 registry.invalid/a@sha256:22";
    assert_eq!(calls.lines().next(), Some(first));
    assert_eq!(calls.lines().count(), 5, "{calls}");
    for (missing, part) in
        [("SBOM*arm64", "SBOM for linux/arm64"), ("Provenance*amd64", "Provenance for linux/amd64")]
    {
        sandbox.imitate("docker", &docker(missing));
        let ended = sandbox.run("scripts/release", &arguments);
        assert!(ended.code == Some(1) && ended.text.contains(&format!("has no {part}")), "{ended:?}");
    }
}

#[test]
fn wrong_usage_is_told_apart() {
    let wrong: [&[&str]; 5] =
        [&[], &["gate"], &["notes", "all"], &["image", "registry.invalid/a"], &["publish"]];
    for arguments in wrong {
        assert_eq!(ready().run("scripts/release", arguments).code, Some(2), "{arguments:?}");
    }
}
