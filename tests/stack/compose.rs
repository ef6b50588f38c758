//! docker-compose.yml as the installed client resolves it, with an `.env` from `token-gateway init`.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use super::config::{Checkout, RESOLVED, compose, items, service, text_of, texts};
use super::{repository, text_of as text_in};
use crate::cli::help::settings;

const GATEWAYS: [&str; 2] = ["gateway-1", "gateway-2"];

/// Services started by `docker compose up`.
const SERVICES: [&str; 4] = ["gateway-1", "gateway-2", "nginx", "redis"];

/// Services on demand only.
const TOOLS: [&str; 2] = ["operator", "redis-cli"];

fn services() -> impl Iterator<Item = (&'static str, &'static Value)> {
    SERVICES.into_iter().chain(TOOLS).map(|name| (name, service(name)))
}

/// The file, as the client resolves it with these variables in place of those in `.env`.
fn resolved_with(variables: &[(&str, &str)]) -> Value {
    let output = RESOLVED.checkout.compose().envs(variables.iter().copied()).arg("config").output();
    let output = output.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    yaml_serde::from_slice(&output.stdout).expect("YAML")
}

/// A port in the short form; newer clients spell it out.
fn port(port: &Value) -> String {
    let part = |name: &str| port[name].as_str().map_or_else(|| port[name].to_string(), str::to_owned);
    let short = port.as_str().map(|text| text.trim_end_matches("/tcp").to_owned());
    short.unwrap_or_else(|| format!("{}:{}:{}", part("host_ip"), part("published"), part("target")))
}

#[test]
fn there_are_two_gateways_of_one_image_behind_nginx_and_redis_behind_them() {
    let started = resolved_with(&[]);
    let names: Vec<_> = started["services"].as_object().expect("services").keys().collect();
    assert_eq!(names, SERVICES);
    let all: Vec<_> = RESOLVED.config["services"].as_object().expect("services").keys().collect();
    assert_eq!(all, ["gateway-1", "gateway-2", "nginx", "operator", "redis", "redis-cli"]);
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
        let ports: Vec<_> = items(&service["ports"]).map(port).collect();
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
        ("operator", vec!["store"]),
        ("redis-cli", vec!["store"]),
    ] {
        let found: Vec<_> = service(name)["networks"].as_object().expect("networks").keys().collect();
        assert_eq!(found, networks, "{name} cannot be reached, and reaches nobody, outside");
    }
}

#[test]
fn the_internal_port_stays_on_loopback_whatever_is_set() {
    let config = resolved_with(&[("PUBLIC_ADDR", "0.0.0.0:80"), ("INTERNAL_PORT", "9999")]);
    let ports: Vec<_> = items(&config["services"]["nginx"]["ports"]).map(port).collect();
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
        let logging = &service["logging"];
        assert_eq!(logging["driver"], "json-file", "{name}");
        assert!(logging["options"]["max-size"].is_string() && logging["options"]["max-file"].is_string());
        let image = text_of(&service["image"]);
        let (host, _) = image.split_once('/').unwrap_or_default();
        assert!(!host.contains(['.', ':']) && image.contains(':'), "{image}: no host, a version");
        if SERVICES.contains(&name) {
            let check = &service["healthcheck"];
            assert_eq!(service["restart"], "unless-stopped", "{name}");
            assert!(texts(&check["test"]).len() > 1, "{name}");
            assert_eq!((&check["start_interval"], &check["interval"]), (&"500ms".into(), &"5s".into()));
        }
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
fn gateways_get_known_settings_and_the_tools_the_same() {
    for name in GATEWAYS.into_iter().chain(["operator"]) {
        for (setting, value) in service(name)["environment"].as_object().expect("an environment") {
            let known = settings().iter().any(|name| name == setting.trim_end_matches("_FILE"));
            assert!(known || value == "", "{setting} is no setting of the gateway");
        }
        assert_eq!(
            service(name)["environment"]["ISSUER"],
            token_gateway_testkit::gateway::ISSUER,
            "from .env"
        );
    }
}

/// `docker inspect` shows environment, command and health check.
#[test]
fn no_secret_stands_in_the_configuration_of_any_service() {
    let secrets = ["refresh_secret", "service_keys", "redis_url", "redis_operator_url", "redis_users.acl"];
    let config = RESOLVED.config.to_string();
    for name in secrets {
        let text = RESOLVED.checkout.text(&format!("secrets/{name}"));
        for word in text.split([' ', '\n', ':', '@', '=', '#', '/']).filter(|word| word.len() >= 32) {
            assert!(!config.contains(word), "{name}: {word}");
        }
    }
    let env = RESOLVED.checkout.text(".env");
    assert!(!env.contains("SECRET=base64") && !env.contains("PASSWORD="), "{env}");
}

#[test]
fn each_service_gets_its_own_secrets_as_files_and_no_others() {
    for (name, expected) in [
        ("gateway-1", vec!["refresh_secret", "service_keys", "redis_url"]),
        ("gateway-2", vec!["refresh_secret", "service_keys", "redis_url"]),
        ("operator", vec!["refresh_secret", "service_keys", "redis_operator_url"]),
        ("redis-cli", vec!["redis_operator_url"]),
        ("redis", vec!["redis_users"]),
        ("nginx", vec![]),
    ] {
        let found: Vec<_> =
            items(&service(name)["secrets"]).map(|secret| text_of(&secret["source"])).collect();
        assert_eq!(found, expected, "{name}");
    }
    let secrets = RESOLVED.config["secrets"].as_object().expect("secrets");
    for (name, secret) in secrets {
        let file = Path::new(text_of(&secret["file"]));
        assert!(file.is_file(), "{name}: {} was made by init", file.display());
    }
    assert_eq!(secrets.len(), 5);
}

/// Where root runs `init`, each file belongs to the user of the container that reads it. No other user can give files
/// away: then only Redis's may be read by others, and the folder keeps these out.
#[test]
fn a_secret_is_readable_by_the_user_of_its_container_alone() {
    let checkout = Checkout::new();
    let is_root = std::fs::metadata(checkout.path(".env")).expect("a file").uid() == 0;
    let folder = std::fs::metadata(checkout.path("secrets")).expect("a folder");
    assert_eq!(folder.mode() & 0o777, 0o700);
    for (name, secret) in RESOLVED.config["secrets"].as_object().expect("secrets") {
        let path = Path::new(text_of(&secret["file"]));
        let file = std::fs::metadata(path).expect("a file");
        let readers =
            services().filter(|(_, service)| items(&service["secrets"]).any(|it| it["source"] == **name));
        for (reader, service) in readers {
            let user = text_of(&service["user"]);
            if is_root || reader != "redis" {
                assert_eq!(user, format!("{}:{}", file.uid(), file.gid()), "{name} for {reader}");
                assert_eq!(file.mode() & 0o777, 0o600, "{name} for {reader}");
            } else {
                assert_eq!(file.mode() & 0o777, 0o644, "{name} for {reader}");
            }
        }
    }
}

#[test]
fn gateways_sign_with_the_keys_that_init_has_made_and_run_as_whoever_may_read_them() {
    let checkout = &RESOLVED.checkout;
    let owner = std::fs::metadata(checkout.path("keys/signing.json")).expect("init made it");
    for (name, writes) in [("gateway-1", false), ("gateway-2", false), ("operator", true)] {
        let service = service(name);
        assert_eq!(service["user"], format!("{}:{}", owner.uid(), owner.gid()));
        let volume = &service["volumes"][0];
        let keys = checkout.path("keys").canonicalize().expect("a folder");
        assert_eq!(volume["source"], keys.to_str().expect("text"), "a folder, so that a new file is seen");
        assert_eq!(volume["read_only"] != true, writes, "{name}");
        let path = format!("{}/signing.json", text_of(&volume["target"]));
        assert_eq!(service["environment"]["SIGNING_KEYS"], path);
    }
}

/// Two services with a build of one tag get in each other's way.
#[test]
fn one_service_builds_the_image_and_the_others_use_it_and_never_pull_it() {
    let builds = services().filter(|(_, service)| service["build"].is_object()).map(|(name, _)| name);
    assert_eq!(builds.collect::<Vec<_>>(), ["gateway-1"]);
    for name in GATEWAYS.into_iter().chain(["operator"]) {
        assert_eq!(service(name)["image"], "token-gateway:local");
        assert_eq!(service(name)["pull_policy"], "never", "{name}: there is no such image elsewhere");
    }
}

#[test]
fn a_checkout_in_another_folder_is_the_same_project_and_a_second_one_can_have_all_of_its_own() {
    let first = resolved_with(&[]);
    assert_eq!(first["name"], "token-gateway", "whatever the folder is called");
    let subnet = |config: &Value| config["networks"]["nodes"]["ipam"]["config"][0]["subnet"].clone();
    assert_eq!(subnet(&first), "10.83.64.0/24");
    assert_eq!(first["volumes"]["redis-data"]["name"], "token-gateway_redis-data");
    let second = resolved_with(&[
        ("COMPOSE_PROJECT_NAME", "second"),
        ("STACK_SUBNET", "10.83.65"),
        ("PUBLIC_ADDR", "127.0.0.1:8090"),
        ("INTERNAL_PORT", "8091"),
    ]);
    assert_eq!((&second["name"], subnet(&second)), (&"second".into(), "10.83.65.0/24".into()));
    assert_eq!(second["volumes"]["redis-data"]["name"], "second_redis-data");
    assert!(!second.to_string().contains("10.83.64"), "{second}");
    for name in GATEWAYS {
        assert_eq!(second["services"][name]["image"], "second:local");
    }
    let ports: Vec<_> = items(&second["services"]["nginx"]["ports"]).map(port).collect();
    assert_eq!(ports, ["127.0.0.1:8090:8080", "127.0.0.1:8091:8081"]);
}

/// The same settings as lines of `.env`, where the page tells people to put them.
#[test]
fn a_second_checkout_says_so_in_its_env_file() {
    let checkout = Checkout::new();
    let page = text_in("docs/operate/stack.md");
    let (_, rest) = page.split_once("```sh\nCOMPOSE_PROJECT_NAME").expect("the block");
    let (values, _) = rest.split_once("```").expect("its end");
    checkout.rewrite(".env", |text| format!("{text}\nCOMPOSE_PROJECT_NAME{values}"));
    let output = checkout.compose().arg("config").output().expect("it runs");
    let config: Value = yaml_serde::from_slice(&output.stdout).expect("YAML");
    assert_eq!(config["name"], "second");
    assert_eq!(config["services"]["nginx"]["environment"]["GATEWAY_1"], "10.83.65.11:8080");
    let ports: Vec<_> = items(&config["services"]["nginx"]["ports"]).map(port).collect();
    assert_eq!(ports, ["127.0.0.1:8090:8080", "127.0.0.1:8091:8081"]);
}

#[test]
fn metrics_are_to_be_had_on_the_inner_networks_and_nowhere_else() {
    for gateway in GATEWAYS {
        assert_eq!(service(gateway)["environment"]["ADMIN_ADDR"], "0.0.0.0:9090");
        for network in service(gateway)["networks"].as_object().expect("networks").keys() {
            assert_eq!(RESOLVED.config["networks"][network]["internal"], true, "{network}");
        }
    }
    let nginx = text_in("ops/nginx/nginx.conf.template");
    assert!(!nginx.contains("9090"), "nginx passes nothing on to it");
}

#[test]
fn the_store_is_a_server_that_loads_its_file_whatever_the_default_user_may_do() {
    let image = text_of(&service("redis")["image"]);
    let tag = image.split('@').next().expect("a name before its digest");
    let version = tag.strip_prefix("valkey/valkey:").expect("Valkey").trim_end_matches("-alpine");
    let (major, minor) = version.split_once('.').expect("a minor version");
    let version: (u32, u32) = (major.parse().expect("a number"), minor.parse().expect("a number"));
    assert!(version >= (9, 1), "{image}: 9.1.2 is the first that is mended");
    assert_eq!(service("redis-cli")["image"], image);
}

#[test]
fn nginx_asks_the_gateways_where_they_are() {
    for (variable, gateway) in [("GATEWAY_1", "gateway-1"), ("GATEWAY_2", "gateway-2")] {
        let address = text_of(&service(gateway)["networks"]["nodes"]["ipv4_address"]);
        assert_eq!(service("nginx")["environment"][variable], format!("{address}:8080"));
        assert_eq!(service(gateway)["environment"]["BIND_ADDR"], "0.0.0.0:8080");
    }
}

/// nginx names the address of its client, and nobody else is believed.
#[test]
fn the_gateways_trust_nginx_and_nobody_else() {
    let nginx = text_of(&service("nginx")["networks"]["nodes"]["ipv4_address"]);
    for gateway in GATEWAYS {
        assert_eq!(service(gateway)["environment"]["TRUSTED_PROXIES"], nginx, "{gateway}");
    }
}

#[test]
fn nginx_is_given_every_name_that_its_templates_hold() {
    let template = text_in("ops/nginx/nginx.conf.template") + &text_in("ops/nginx/errors.conf.template");
    let names: Vec<_> = template.split("${").skip(1).filter_map(|rest| rest.split_once('}')).collect();
    assert!(names.len() > 4, "the names are found");
    for (name, _) in names.into_iter().filter(|(name, _)| *name != "NAME") {
        assert!(service("nginx")["environment"][name].is_string(), "{name}");
    }
}

#[test]
fn every_mounted_file_is_in_the_repository_and_read_only() {
    let mut binds = 0;
    let root = RESOLVED.checkout.path("").canonicalize().expect("a folder");
    for (name, service) in services() {
        for volume in items(&service["volumes"]).filter(|it| it["type"] == "bind") {
            let source = Path::new(text_of(&volume["source"]));
            let inside = source.strip_prefix(&root).expect("in the checkout");
            if inside != Path::new("keys") {
                assert!(repository("").join(inside).is_dir(), "{name}: {}", inside.display());
            }
            assert_eq!(volume["read_only"] == true, name != "operator", "{name}");
            binds += 1;
        }
    }
    assert_eq!(binds, 6, "redis, redis-cli, nginx, and the keys of the gateways and of the operator");
    let volume = items(&service("redis")["volumes"]).find(|it| it["type"] == "volume").expect("a volume");
    let (folder, entrypoint) = (text_of(&volume["target"]), texts(&service("redis")["entrypoint"]));
    assert!(entrypoint.windows(2).any(|words| words == ["--dir", folder]), "{entrypoint:?}");
}

#[test]
fn without_an_env_file_the_client_says_what_is_missing() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("docker-compose.yml");
    std::fs::copy(repository("docker-compose.yml"), file).expect("a copy");
    let output = compose(dir.path()).args(["config", "--quiet"]).output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(error.contains("token-gateway init") || error.contains(".env"), "{error}");
}
