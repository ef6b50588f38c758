//! Real nginx, Caddy, Traefik and Envoy, each with its own file of `ops/proxies`. Nothing in the file changes but
//! addresses.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use token_gateway_testkit::{free_port, signal, wait_for};

use crate::interop::foreign::bin;
use crate::stack::text_of;

pub struct Proxy {
    pub name: &'static str,
    child: Child,
    dir: TempDir,
    address: String,
}

struct Addresses<'a> {
    listen: SocketAddr,
    gateway: &'a str,
    api: &'a str,
}

/// The particulars of one proxy.
struct Kind {
    name: &'static str,
    file: &'static str,
    /// The texts in the file to be replaced, and their replacements.
    places: fn(&Addresses) -> Vec<(&'static str, String)>,
    command: fn(&Addresses) -> Command,
}

const KINDS: [Kind; 4] = [NGINX, CADDY, TRAEFIK, ENVOY];

const NGINX: Kind = Kind {
    name: "nginx",
    file: "nginx.conf.template",
    places: |to| {
        let values = [("${LISTEN}", to.listen.to_string()), ("${GATEWAY}", to.gateway.to_owned())];
        values.into_iter().chain([("${API}", to.api.to_owned())]).collect()
    },
    command: |_| {
        // Debian keeps nginx where only root looks.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("nginx");
        command.env("PATH", path).args(["-p", ".", "-e", "stderr", "-c", "nginx.conf.template"]);
        command
    },
};

const CADDY: Kind = Kind {
    name: "Caddy",
    file: "Caddyfile",
    places: |_| Vec::new(),
    command: |to| {
        let mut command = Command::new(bin("caddy"));
        command.args(["run", "--config", "Caddyfile"]).envs([("GATEWAY", to.gateway), ("API", to.api)]);
        let (address, port) = (to.listen.ip().to_string(), to.listen.port().to_string());
        // It keeps its configuration below its home.
        command.envs([("ADDRESS", address.as_str()), ("PORT", &port), ("HOME", ".")]);
        command
    },
};

const TRAEFIK: Kind = Kind {
    name: "Traefik",
    file: "traefik.yaml",
    places: |to| {
        vec![
            (":8000", to.listen.to_string()),
            ("127.0.0.1:8001", format!("127.0.0.1:{}", free_port())),
            ("gateway:8080", to.gateway.to_owned()),
            ("api:3000", to.api.to_owned()),
        ]
    },
    command: |_| {
        let mut command = Command::new(bin("traefik"));
        command.arg("--configFile=traefik.yaml");
        command
    },
};

const ENVOY: Kind = Kind {
    name: "Envoy",
    file: "envoy.yaml",
    places: |to| {
        let socket = |address: &str| address.replace(':', ", port_value: ");
        vec![
            ("0.0.0.0, port_value: 8000", socket(&to.listen.to_string())),
            ("gateway, port_value: 8080", socket(to.gateway)),
            ("api, port_value: 3000", socket(to.api)),
        ]
    },
    command: |_| {
        let mut command = Command::new(bin("envoy"));
        command.args(["-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1"]);
        command
    },
};

impl Proxy {
    /// One of each.
    pub fn all(gateway: &str, api: &str) -> Vec<Self> {
        KINDS.iter().map(|kind| Self::start(kind, gateway, api)).collect()
    }

    fn start(kind: &Kind, gateway: &str, api: &str) -> Self {
        let addresses = Addresses { listen: ([127, 0, 0, 1], free_port()).into(), gateway, api };
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join(kind.file), filled(kind, &addresses)).expect("it can be written");
        let child = spawn((kind.command)(&addresses), dir.path());
        let mut proxy = Self { name: kind.name, child, dir, address: addresses.listen.to_string() };
        proxy.await_start();
        proxy
    }

    fn await_start(&mut self) {
        wait_for(self.name, Duration::from_secs(30), || {
            let ended = self.child.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "{}: {}", self.name, self.log());
            TcpStream::connect(&self.address).ok()
        });
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Everything written so far, errors included.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).expect("text")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // TERM ends nginx's parent process together with its workers; KILL would leave them behind.
        signal("-TERM", self.child.id());
        let _ = self.child.wait();
    }
}

fn filled(kind: &Kind, addresses: &Addresses) -> String {
    let text = text_of(&format!("ops/proxies/{}", kind.file));
    (kind.places)(addresses).into_iter().fold(text, |text, (place, value)| {
        assert!(text.contains(place), "{} has no {place}", kind.file);
        text.replace(place, &value)
    })
}

fn spawn(mut command: Command, dir: &Path) -> Child {
    let log = File::create(dir.join("log")).expect("a file");
    command.current_dir(dir).stdin(Stdio::null()).stdout(log.try_clone().expect("the same file")).stderr(log);
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; scripts/test installs it"))
}
