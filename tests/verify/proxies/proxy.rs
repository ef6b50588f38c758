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
    adds: &'static [&'static str],
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
    /// Headers of its own in the question to the gateway.
    adds: &'static [&'static str],
    /// The texts in the file to be replaced, and their replacements.
    places: fn(&Addresses) -> Vec<(&'static str, String)>,
    command: fn(&Addresses) -> Command,
}

const KINDS: [Kind; 4] = [NGINX, CADDY, TRAEFIK, ENVOY];

const NGINX: Kind = Kind {
    name: "nginx",
    file: "nginx.conf.template",
    adds: &[],
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
    adds: &[],
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
    adds: &["accept-encoding"],
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
    adds: &["content-length"],
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
        KINDS.iter().map(|kind| Self::start(kind, gateway, api, "", "")).collect()
    }

    /// nginx and Caddy with a limit of a body, as their operator would set one for the API.
    pub fn limited(gateway: &str, api: &str) -> [Self; 2] {
        let (asks, limit) = ("auth_request /.verify;", "client_max_body_size 1m;");
        let nginx = Self::start(&NGINX, gateway, api, asks, &format!("{asks} {limit}"));
        let (passes, limit) = ("reverse_proxy {$API}", "request_body {\nmax_size 1MiB\n}");
        [nginx, Self::start(&CADDY, gateway, api, passes, &format!("{limit}\n{passes}"))]
    }

    /// With its own file, but for the addresses and one text.
    fn start(kind: &Kind, gateway: &str, api: &str, text: &str, instead: &str) -> Self {
        let addresses = Addresses { listen: ([127, 0, 0, 1], free_port()).into(), gateway, api };
        let dir = tempfile::tempdir().expect("a folder");
        let file = filled(kind, &addresses);
        assert!(file.contains(text), "{} has no {text}", kind.file);
        fs::write(dir.path().join(kind.file), file.replacen(text, instead, 1)).expect("it can be written");
        let child = spawn((kind.command)(&addresses), dir.path());
        let mut proxy =
            Self { name: kind.name, adds: kind.adds, child, dir, address: addresses.listen.to_string() };
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

    /// Headers of its own in the question to the gateway, their names in small letters.
    pub fn adds(&self) -> &'static [&'static str] {
        self.adds
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
