//! `.github/`: the forms are right, the workflows are safe, and they call our scripts.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::{Ended, MARK, Sandbox, as_text, clean, files, items, repository, run, text_of, yaml_of};
use crate::interop::foreign;

/// Checks the form of these workflows. Checks of their shell scripts would depend on the machine, and ours are one line.
fn actionlint(workflows: &[String]) -> Ended {
    run(clean(foreign::actionlint()).args(["-shellcheck=", "-pyflakes="]).args(workflows))
}

/// Looks for dangers in all files of a folder, without a network.
fn zizmor(folder: &Path) -> Ended {
    let mut zizmor = clean(foreign::tool("zizmor"));
    zizmor.args(["--offline", "--no-config", "--no-progress", "--quiet", "--strict-collection"]);
    run(zizmor.args(["--persona", "pedantic", "--format", "plain"]).arg(folder))
}

fn workflows() -> Vec<String> {
    files().into_iter().filter(|file| file.starts_with(".github/workflows/")).collect()
}

fn jobs() -> Vec<(String, Value)> {
    let jobs = workflows().into_iter().flat_map(|file| {
        let jobs = yaml_of(&file)["jobs"].as_object().expect("jobs").clone();
        jobs.into_iter().map(move |(name, job)| (format!("{file}: {name}"), job)).collect::<Vec<_>>()
    });
    jobs.collect()
}

/// The scripts that a job calls, in order.
fn scripts(job: &Value) -> Vec<&str> {
    let lines = items(&job["steps"]).filter_map(|step| step["run"].as_str()).flat_map(str::lines);
    lines.filter(|line| line.starts_with("scripts/")).collect()
}

#[test]
fn workflows_have_the_right_form() {
    let workflows = workflows();
    assert!(workflows.len() >= 3, "{workflows:?}");
    let ended = actionlint(&workflows);
    assert_eq!((ended.code, ended.text.as_str()), (Some(0), ""));
}

#[test]
fn workflows_and_dependabot_are_safe() {
    let ended = zizmor(&repository(".github"));
    assert_eq!(ended.code, Some(0), "{}", ended.text);
}

#[test]
fn a_dangerous_workflow_is_noticed() {
    let folder = Sandbox::with(&[]);
    let name = ".github/workflows/bad.yml";
    let steps = "[{uses: actions/checkout@v4}, {run: 'echo ${{ github.event.issue.title }}'}]";
    folder.write(
        name,
        &format!("name: bad\non: issues\njobs:\n  a: {{runs-on: ubuntu-24.04, steps: {steps}}}\n"),
    );
    let ended = actionlint(&[folder.path(name).display().to_string()]);
    assert!(ended.code == Some(1) && ended.text.contains("potentially untrusted"), "{ended:?}");
    let ended = zizmor(&folder.path(".github"));
    assert!(ended.code.is_some_and(|code| code > 1), "{ended:?}");
    for danger in ["unpinned-uses", "template-injection", "artipacked", "excessive-permissions"] {
        assert!(ended.text.contains(danger), "{danger}: {}", ended.text);
    }
}

#[test]
fn every_action_is_pinned_to_a_commit_or_is_a_blank() {
    let mut uses = 0;
    for file in workflows() {
        for line in text_of(&file)
            .lines()
            .filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("uses: "))
        {
            let (action, comment) = line.split_once(" # ").unwrap_or_else(|| panic!("{line}: no version"));
            let (name, commit) = action.split_once('@').expect("a commit");
            assert!(commit.len() == 40 && commit.bytes().all(|it| it.is_ascii_hexdigit()), "{line}");
            let is_blank = commit.bytes().all(|it| it == b'0');
            let expected = if is_blank { format!("{MARK}hash of {name} v") } else { "v".to_owned() };
            assert!(comment.starts_with(&expected), "{line}: the comment begins with '{expected}'");
            uses += 1;
        }
    }
    assert!(uses >= 10, "{uses}");
}

#[test]
fn every_job_has_a_limit_and_calls_scripts_that_are_there() {
    for (name, job) in jobs() {
        assert!(job["timeout-minutes"].as_u64().is_some_and(|limit| limit <= 60), "{name}");
        for line in scripts(&job) {
            let script = line.split(' ').next().expect("a script");
            assert!(repository(script).is_file(), "{name}: there is no {script}");
        }
    }
}

#[test]
fn no_checkout_leaves_its_token_behind() {
    let is_checkout =
        |step: &&Value| step["uses"].as_str().is_some_and(|it| it.starts_with("actions/checkout@"));
    for (name, job) in jobs() {
        let mut checkouts = items(&job["steps"]).filter(is_checkout).peekable();
        assert!(checkouts.peek().is_some(), "{name}");
        assert!(checkouts.all(|step| step["with"]["persist-credentials"] == false), "{name}");
    }
}

#[test]
fn the_jobs_of_ci_are_the_parts_of_the_local_run() {
    let run = text_of(".ci/run");
    let parts: BTreeSet<_> = run.lines().filter_map(part_of).collect();
    let ci = yaml_of(".github/workflows/ci.yml");
    let jobs = ci["jobs"].as_object().expect("jobs");
    let called: BTreeSet<_> =
        jobs.values().flat_map(scripts).filter(|line| !line.ends_with("--no-run")).collect();
    assert_eq!(called, parts);
}

/// The script that a line calls, in the foreground or not.
fn part_of(line: &str) -> Option<&str> {
    let called = line.strip_prefix("nice -n 19 ").unwrap_or(line).split(" >").next()?;
    called.starts_with("scripts/").then_some(called)
}

#[test]
fn nothing_is_released_before_the_gate_and_only_with_proofs_of_origin() {
    let release = yaml_of(".github/workflows/release.yml");
    let jobs = release["jobs"].as_object().expect("jobs");
    assert_eq!(scripts(&jobs["gate"]), ["scripts/release gate \"$GITHUB_REF_NAME\""]);
    for (name, job) in jobs.iter().filter(|(name, _)| *name != "gate") {
        assert!(name == "publish" || job["needs"] == "gate", "{name}");
    }
    assert_eq!(items(&jobs["publish"]["needs"]).map(as_text).collect::<Vec<_>>(), ["binary", "image"]);
    let build = items(&jobs["image"]["steps"]).find(|step| step["id"] == "build").expect("a build");
    assert_eq!((&build["with"]["sbom"], &build["with"]["provenance"]), (&true.into(), &"mode=max".into()));
    let platforms = |job: &str| {
        let rows = items(&jobs[job]["strategy"]["matrix"]["include"]);
        rows.map(|row| as_text(&row["platform"]).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (platforms("binary"), platforms("image")),
        (vec!["x86_64".to_owned(), "aarch64".to_owned()], vec!["amd64".to_owned(), "arm64".to_owned()],)
    );
}

/// The kind of list that a file is, for dependabot.
fn ecosystem(name: &str) -> Option<&'static str> {
    Some(match name {
        "Cargo.lock" => "cargo",
        "package.json" => "npm",
        "requirements.txt" => "pip",
        "go.mod" => "gomod",
        "Dockerfile" => "docker",
        "docker-compose.yml" => "docker-compose",
        _ => return None,
    })
}

#[test]
fn dependabot_looks_at_every_list_of_versions() {
    let dependabot = yaml_of(".github/dependabot.yml");
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    for update in items(&dependabot["updates"]) {
        let folders =
            items(&update["directories"]).chain(Some(&update["directory"])).filter_map(Value::as_str);
        seen.extend(
            folders.map(|folder| (as_text(&update["package-ecosystem"]).to_owned(), folder.to_owned())),
        );
    }
    let mut expected: BTreeSet<_> = [("github-actions".to_owned(), "/".to_owned())].into();
    for file in files() {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", &file));
        expected.extend(ecosystem(name).map(|kind| (kind.to_owned(), format!("/{folder}"))));
    }
    assert_eq!(seen, expected);
}

#[test]
fn issues_are_filed_by_forms_and_vulnerabilities_elsewhere() {
    let config = yaml_of(".github/ISSUE_TEMPLATE/config.yml");
    assert_eq!(config["blank_issues_enabled"], false);
    let about = items(&config["contact_links"]).map(|link| as_text(&link["about"])).collect::<String>();
    assert!(about.contains("SECURITY.md"), "{about}");
    let forms = files().into_iter().filter(|file| file.starts_with(".github/ISSUE_TEMPLATE/"));
    let forms: Vec<_> = forms.filter(|file| !file.ends_with("/config.yml")).collect();
    assert_eq!(forms, [".github/ISSUE_TEMPLATE/bug.yml", ".github/ISSUE_TEMPLATE/feature.yml"]);
    for form in forms {
        let form = yaml_of(&form);
        assert!(form["name"].is_string() && form["description"].is_string(), "{form}");
        let fields: Vec<_> = items(&form["body"]).filter(|field| field["type"] != "markdown").collect();
        let ids: BTreeSet<_> = fields.iter().map(|field| as_text(&field["id"])).collect();
        assert!(ids.len() == fields.len() && !ids.is_empty(), "{ids:?}");
        assert!(fields.iter().all(|field| field["attributes"]["label"].is_string()), "{form}");
    }
}
