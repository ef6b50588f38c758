//! A real nginx with the template of the stack, on loopback ports.

use std::fs::File;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::api::Api;
use super::{free_port, signal, wait_for};

/// The limits of one address, as the template wants them.
#[derive(Debug, Clone, Copy)]
pub struct Rates<'a> {
    pub token: &'a str,
    pub introspect: &'a str,
}

impl Rates<'_> {
    /// Those of docker-compose.yml.
    pub const STACK: Self = Self { token: "100r/s", introspect: "2000r/s" };

    /// None that a test meets.
    pub const NONE: Self = Self { token: "100000r/s", introspect: "100000r/s" };
}

/// The soft limit of open files with which nginx starts, as on most systems.
pub const SOFT_DESCRIPTORS: usize = 1024;

pub struct Nginx {
    child: Child,
    dir: TempDir,
    public: String,
    internal: String,
}

impl Nginx {
    /// In front of two gateways.
    pub fn before(gateways: [&str; 2], rates: Rates<'_>) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let [public, internal] = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
        let values = [
            ("PUBLIC_LISTEN", public.as_str()),
            ("INTERNAL_LISTEN", &internal),
            ("GATEWAY_1", gateways[0]),
            ("GATEWAY_2", gateways[1]),
            ("TOKEN_RATE", rates.token),
            ("INTROSPECT_RATE", rates.introspect),
        ];
        fill_templates(dir.path(), &values);
        let log = File::create(dir.path().join("log")).expect("a file");
        let child = Command::new("sh")
            .env("PATH", path_with_sbin())
            .args(["-c", &format!("ulimit -Sn {SOFT_DESCRIPTORS} && exec nginx \"$@\""), "nginx", "-p"])
            .arg(dir.path())
            .args(["-e", "stderr", "-c", "nginx.conf"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the same file"))
            .stderr(log)
            .spawn()
            .expect("a shell");
        let nginx = Self { child, dir, public, internal };
        wait_for("nginx, which scripts/test installs, listens", Duration::from_secs(10), || {
            std::net::TcpStream::connect(&nginx.internal).ok()
        });
        nginx
    }

    pub fn public(&self) -> Api {
        Api::new(&self.public)
    }

    /// The public port as a client at this loopback address sees it.
    pub fn public_from(&self, source: IpAddr) -> Api {
        Api::coming_from(&self.public, source)
    }

    pub fn internal(&self) -> Api {
        Api::new(&self.internal)
    }

    pub fn public_address(&self) -> &str {
        &self.public
    }

    pub fn internal_address(&self) -> &str {
        &self.internal
    }

    /// Tells it to stop as its image does.
    pub fn quit(&self) {
        signal("-QUIT", self.child.id());
    }

    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it can be asked")
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its worker processes so far.
    pub fn workers(&self) -> Vec<u32> {
        let id = self.id();
        let children =
            std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("Linux tells");
        children.split_whitespace().map(|id| id.parse().expect("a number")).collect()
    }

    /// Everything written so far, errors included.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).expect("text")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // TERM ends nginx's parent process together with its workers; KILL would leave them behind.
        if self.ended().is_none() {
            signal("-TERM", self.child.id());
            let _ = self.child.wait();
        }
    }
}

/// As the image does it, with envsubst.
fn fill_templates(into: &Path, values: &[(&str, &str)]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/nginx");
    for entry in std::fs::read_dir(folder).expect("the folder that compose mounts") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        let Some(target) = name.strip_suffix(".template") else { continue };
        let template = std::fs::read_to_string(&path).expect("text");
        let filled =
            values.iter().fold(template, |text, (name, value)| text.replace(&format!("${{{name}}}"), value));
        std::fs::write(into.join(target), filled).expect("it can be written");
    }
}

/// Debian keeps nginx in a folder of root's `PATH`.
fn path_with_sbin() -> String {
    format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default())
}
