//! docker-compose.yml as the installed client resolves it, with an `.env` that `token-gateway init` has written.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use super::{repository, text_of};
use crate::cli::help::SETTINGS;

const GATEWAYS: [&str; 2] = ["gateway-1", "gateway-2"];

/// A checkout in which `init` has run.
struct Resolved {
    dir: TempDir,
    secrets: Vec<(String, String)>,
    config: Value,
}

static RESOLVED: LazyLock<Resolved> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::copy(repository("docker-compose.yml"), dir.path().join("docker-compose.yml")).expect("a copy");
    let mut init = Command::new(env!("CARGO_BIN_EXE_token-gateway"));
    assert!(init.env_clear().arg("init").current_dir(dir.path()).output().expect("it runs").status.success());
    let env = std::fs::read_to_string(dir.path().join(".env")).expect("init wrote it");
    let pairs = env.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let secrets = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let output = compose(dir.path()).arg("config").output().expect("the client runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let config = yaml_serde::from_slice(&output.stdout).expect("YAML");
    Resolved { dir, secrets, config }
});

/// The installed client, in this folder, with nothing of our own environment but where programs are.
fn compose(folder: &Path) -> Command {
    let plugin = Command::new("docker").args(["compose", "version"]).output();
    let has_plugin = plugin.is_ok_and(|output| output.status.success());
    let mut command = Command::new(if has_plugin { "docker" } else { "docker-compose" });
    if has_plugin {
        command.arg("compose");
    }
    command.env_clear().envs(["PATH", "HOME"].map(|name| (name, std::env::var(name).unwrap_or_default())));
    command.current_dir(folder);
    command
}

fn services() -> Vec<(&'static str, &'static Value)> {
    let services = RESOLVED.config["services"].as_object().expect("services");
    services.iter().map(|(name, service)| (name.as_str(), service)).collect()
}

fn service(name: &str) -> &'static Value {
    &RESOLVED.config["services"][name]
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array()
        .map(|list| list.iter().map(|item| item.as_str().expect("text")).collect())
        .unwrap_or_default()
}

/// A port in the short form, which newer clients spell out.
fn port(port: &Value) -> String {
    let part = |name: &str| port[name].as_str().map_or_else(|| port[name].to_string(), str::to_owned);
    let short = port.as_str().map(|text| text.trim_end_matches("/tcp").to_owned());
    short.unwrap_or_else(|| format!("{}:{}:{}", part("host_ip"), part("published"), part("target")))
}

#[test]
fn there_are_two_gateways_of_one_image_behind_nginx_and_redis_behind_them() {
    let names: Vec<_> = services().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["gateway-1", "gateway-2", "nginx", "redis"]);
    assert_eq!(service("gateway-1")["image"], service("gateway-2")["image"]);
    for gateway in GATEWAYS {
        assert_eq!(service("nginx")["depends_on"][gateway]["condition"], "service_healthy");
        assert_eq!(service(gateway)["depends_on"]["redis"]["condition"], "service_healthy");
        assert_eq!(texts(&service(gateway)["healthcheck"]["test"]), ["CMD", "token-gateway", "healthcheck"]);
    }
}

#[test]
fn only_nginx_publishes_ports_and_on_loopback_unless_told_otherwise() {
    for (name, service) in services() {
        let ports: Vec<_> = service["ports"].as_array().into_iter().flatten().map(port).collect();
        let expected: &[&str] =
            if name == "nginx" { &["127.0.0.1:8080:8080", "127.0.0.1:8081:8081"] } else { &[] };
        assert_eq!(ports, expected, "{name}");
    }
    for network in ["nodes", "store"] {
        assert_eq!(RESOLVED.config["networks"][network]["internal"], true, "{network}");
    }
    for (name, networks) in [
        ("redis", vec!["store"]),
        ("gateway-1", vec!["nodes", "store"]),
        ("gateway-2", vec!["nodes", "store"]),
    ] {
        let found: Vec<_> = service(name)["networks"].as_object().expect("networks").keys().collect();
        assert_eq!(found, networks, "{name} cannot be reached, and reaches nobody, outside");
    }
}

#[test]
fn the_internal_port_stays_on_loopback_whatever_is_set() {
    let mut client = compose(RESOLVED.dir.path());
    client.env("PUBLIC_ADDR", "0.0.0.0:80").env("INTERNAL_PORT", "9999").arg("config");
    let config: Value = yaml_serde::from_slice(&client.output().expect("it runs").stdout).expect("YAML");
    let ports: Vec<_> =
        config["services"]["nginx"]["ports"].as_array().expect("ports").iter().map(port).collect();
    assert_eq!(ports, ["0.0.0.0:80:8080", "127.0.0.1:9999:8081"]);
}

#[test]
fn every_container_is_confined_and_watched() {
    for (name, service) in services() {
        let user = service["user"].as_str().unwrap_or_else(|| panic!("{name} has no user"));
        let ids: Vec<u32> = user.split(':').map(|id| id.parse().expect("a number")).collect();
        assert!(ids.len() == 2 && ids[0] > 0, "{name}: {user}");
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(texts(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(texts(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        assert!(texts(&service["healthcheck"]["test"]).len() > 1, "{name}");
        let image = service["image"].as_str().expect("an image");
        let (host, _) = image.split_once('/').unwrap_or_default();
        assert!(!host.contains(['.', ':']) && image.contains(':'), "{image}: no host, a version");
    }
}

#[test]
fn the_grace_of_the_container_is_longer_than_that_of_the_gateway() {
    for gateway in GATEWAYS {
        let stop = service(gateway)["stop_grace_period"].as_str().expect("a grace");
        let seconds: u64 = stop.trim_end_matches('s').parse().expect("seconds");
        let own = service(gateway)["environment"]["SHUTDOWN_GRACE_SECONDS"].as_str().expect("a grace");
        assert!(seconds >= own.parse::<u64>().expect("seconds") + 5, "{stop}");
    }
}

#[test]
fn gateways_get_known_settings_and_only_their_own_secrets() {
    let secret = |name: &str| &RESOLVED.secrets.iter().find(|(known, _)| known == name).expect(name).1;
    for gateway in GATEWAYS {
        let environment = service(gateway)["environment"].as_object().expect("an environment");
        for (name, value) in environment {
            let blank = value.as_str() == Some("");
            assert!(SETTINGS.contains(&name.as_str()) || blank, "{name} is no setting of the gateway");
        }
        for name in ["ISSUER", "REFRESH_SECRET", "SERVICE_KEYS"] {
            assert_eq!(environment[name], **secret(name), "{name}");
        }
        let url = format!("redis://gateway:{}@redis:6379", secret("REDIS_PASSWORD"));
        assert_eq!(environment["REDIS_URL"], url);
        let all = service(gateway).to_string();
        assert!(!all.contains(secret("REDIS_OPERATOR_PASSWORD")), "a gateway is no operator");
    }
    let redis = &service("redis")["environment"];
    assert_eq!(redis["REDIS_PASSWORD"], **secret("REDIS_PASSWORD"), "fresh, so it stands in no file of ours");
    assert_eq!(redis["REDISCLI_AUTH"], **secret("REDIS_OPERATOR_PASSWORD"));
    for name in ["REFRESH_SECRET", "SERVICE_KEYS"] {
        for other in ["redis", "nginx"] {
            assert!(!service(other).to_string().contains(secret(name)), "{other} has {name}");
        }
    }
    assert!(!service("nginx").to_string().contains(secret("REDIS_PASSWORD")));
}

#[test]
fn gateways_sign_with_the_keys_that_init_has_made_and_run_as_whoever_may_read_them() {
    let keys = RESOLVED.dir.path().canonicalize().expect("a folder").join("keys");
    let owner = std::fs::metadata(keys.join("signing.json")).expect("init made it");
    for gateway in GATEWAYS {
        let gateway = service(gateway);
        assert_eq!(gateway["user"], format!("{}:{}", owner.uid(), owner.gid()));
        let volume = &gateway["volumes"].as_array().expect("volumes")[0];
        assert_eq!(volume["source"], keys.to_str().expect("text"), "a folder, so that a new file is seen");
        let path = format!("{}/signing.json", volume["target"].as_str().expect("text"));
        assert_eq!(gateway["environment"]["SIGNING_KEYS"], path);
    }
}

#[test]
fn nginx_asks_the_gateways_where_they_are() {
    for (variable, gateway) in [("GATEWAY_1", "gateway-1"), ("GATEWAY_2", "gateway-2")] {
        let address = service(gateway)["networks"]["nodes"]["ipv4_address"].as_str().expect("fixed");
        assert_eq!(service("nginx")["environment"][variable], format!("{address}:8080"));
        assert_eq!(service(gateway)["environment"]["BIND_ADDR"], "0.0.0.0:8080");
    }
}

#[test]
fn nginx_is_given_every_name_that_its_templates_hold() {
    let template = text_of("ops/nginx/nginx.conf.template") + &text_of("ops/nginx/errors.conf.template");
    let names: Vec<_> = template.split("${").skip(1).filter_map(|rest| rest.split_once('}')).collect();
    assert!(names.len() > 4, "the names are found");
    for (name, _) in names.into_iter().filter(|(name, _)| *name != "NAME") {
        assert!(service("nginx")["environment"][name].is_string(), "{name}");
    }
}

#[test]
fn every_mounted_file_is_in_the_repository_and_read_only() {
    let mut binds = 0;
    for (name, service) in services() {
        for volume in service["volumes"].as_array().into_iter().flatten().filter(|it| it["type"] == "bind") {
            let source = Path::new(volume["source"].as_str().expect("a path"));
            let root = RESOLVED.dir.path().canonicalize().expect("a folder");
            let inside = source.strip_prefix(&root).expect("in the checkout");
            if inside != Path::new("keys") {
                assert!(repository("").join(inside).is_dir(), "{name}: {}", inside.display());
            }
            assert_eq!(volume["read_only"], true, "{name}");
            binds += 1;
        }
    }
    assert_eq!(binds, 4, "redis, nginx, and the keys of the gateways");
    let volume =
        service("redis")["volumes"].as_array().expect("volumes").iter().find(|it| it["type"] == "volume");
    let (folder, entrypoint) = (&volume.expect("a volume")["target"], texts(&service("redis")["entrypoint"]));
    assert_eq!(entrypoint, ["sh", "/etc/redis/start", "--dir", folder.as_str().expect("text")]);
    assert!(
        repository("ops/redis/start").is_file() && text_of("docker-compose.yml").contains("/etc/redis/start")
    );
}

#[test]
fn without_an_env_file_the_client_says_what_is_missing() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::copy(repository("docker-compose.yml"), dir.path().join("docker-compose.yml")).expect("a copy");
    let output = compose(dir.path()).args(["config", "--quiet"]).output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(error.contains("token-gateway init") || error.contains(".env"), "{error}");
}
