//! `--help` and `--version`.

use std::collections::BTreeMap;

use token_gateway::config::groups::{GROUPS, group_of};

use super::{bare, run};

/// Every command with flags, by the words that lead to it.
pub const COMMANDS: [&[&str]; 14] = [
    &["serve"],
    &["dev"],
    &["init"],
    &["check"],
    &["healthcheck"],
    &["service-key", "new"],
    &["keys", "new"],
    &["keys", "list"],
    &["keys", "rotate"],
    &["keys", "retire"],
    &["sessions", "list"],
    &["sessions", "show"],
    &["sessions", "end"],
    &["stats"],
];

pub fn help(command: &[&str], flag: &str) -> String {
    let ended = run(&mut bare(&[command, &[flag]].concat()));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    ended.stdout
}

/// The flags of a help text, each with the heading above it.
fn flags(help: &str) -> BTreeMap<String, String> {
    let mut heading = String::new();
    let mut found = BTreeMap::new();
    for line in help.lines() {
        if let Some(new) = line.strip_suffix(':').filter(|line| !line.starts_with(' ')) {
            heading = new.to_owned();
        }
        let flag = line.trim_start().split([' ', '=']).find(|word| word.starts_with("--"));
        if let Some(flag) = flag.filter(|_| line.starts_with("   ") && line.trim_start().starts_with('-')) {
            assert!(found.insert(flag.to_owned(), heading.clone()).is_none(), "{flag} stands twice");
        }
    }
    found
}

#[test]
fn the_short_help_has_a_line_for_each_flag_and_fits_a_screen() {
    for command in COMMANDS.iter().chain([&&[][..], &&["keys"][..], &&["sessions"][..]]) {
        let short = help(command, "-h");
        let long_lines: Vec<_> = short.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(long_lines.is_empty(), "{command:?}: {long_lines:#?}");
        assert!(short.lines().count() <= 70, "{command:?}: {short}");
        let (short, long) = (flags(&short), flags(&help(command, "--help")));
        assert_eq!(short, long, "{command:?}: the same flags in the same groups");
    }
    let lines = |flag| help(&["serve"], flag).lines().count();
    assert!(lines("-h") * 2 < lines("--help"), "{} and {}", lines("-h"), lines("--help"));
}

/// The flag and the name of its value, of each line of the short help.
fn value_names(command: &[&str]) -> Vec<(String, String)> {
    let short = help(command, "-h");
    let flags = short.lines().filter_map(|line| line.trim_start().strip_prefix("--")?.split_once(" <"));
    flags
        .map(|(flag, rest)| (format!("--{flag}"), rest.split('>').next().unwrap_or_default().to_owned()))
        .collect()
}

#[test]
fn the_name_of_a_value_says_its_form() {
    let forms = [
        "FILE",
        "FILTER",
        "ID",
        "IP,CIDR",
        "IP:PORT",
        "MS",
        "NAME",
        "NAME,NAME",
        "PORT",
        "SECONDS",
        "SUB",
        "URL",
    ];
    for command in COMMANDS {
        for (flag, name) in value_names(command) {
            if name == "N" {
                let ended = run(&mut bare(&[command, &[&flag, "x"]].concat()));
                assert!(ended.stderr.contains("a whole number"), "{command:?} {flag} <N>: {ended:?}");
            } else {
                assert!(name.contains('|') || forms.contains(&name.as_str()), "{command:?} {flag} <{name}>");
            }
        }
    }
    let proxies = value_names(&["serve"]).into_iter().find(|(flag, _)| flag == "--trusted-proxies");
    assert_eq!(proxies.expect("the flag").1, "IP,CIDR");
}

#[test]
fn the_short_help_of_dev_has_the_defaults_of_dev() {
    let short = help(&["dev"], "-h");
    for (flag, default) in
        [("--issuer", "[default: its own address]"), ("--store", "[default: embedded without REDIS_URL]")]
    {
        let line = short.lines().find(|line| line.contains(flag)).expect("a line");
        assert!(line.ends_with(default), "{line}");
    }
    assert!(!short.contains("[required]"), "{short}");
    assert!(help(&["serve"], "-h").contains("[required]"));
}

#[test]
fn the_flags_of_settings_stand_below_their_subjects() {
    for command in COMMANDS {
        for flag in ["-h", "--help"] {
            for (name, heading) in flags(&help(command, flag)) {
                let variable = name.trim_start_matches("--").replace('-', "_").to_uppercase();
                // Flags of `init` alone are no settings.
                let group = group_of(&variable).filter(|_| command != ["init"]);
                let expected = group.map_or("Options", |(heading, _)| heading);
                assert_eq!(heading, expected, "{command:?} {name}");
            }
        }
    }
    let order: Vec<_> =
        help(&["serve"], "-h").lines().filter_map(|line| line.strip_suffix(':').map(str::to_owned)).collect();
    let groups = GROUPS.iter().map(|group| group.heading);
    let expected: Vec<_> = std::iter::once("Options").chain(groups).collect();
    assert_eq!(order.iter().take(expected.len()).map(String::as_str).collect::<Vec<_>>(), expected);
}

/// A new setting needs a line in `GROUPS`.
#[test]
fn every_setting_that_is_a_flag_is_in_exactly_one_group() {
    let mut grouped: Vec<_> = GROUPS.iter().flat_map(|group| group.settings).map(|(name, _)| *name).collect();
    let all = token_gateway::config::catalog::settings();
    let mut declared: Vec<_> = all.iter().filter(|it| !it.is_secret).map(|it| it.name.as_str()).collect();
    grouped.sort_unstable();
    declared.sort_unstable();
    assert_eq!(grouped, declared);
}

#[test]
fn the_short_help_names_the_secrets_and_the_way_to_the_long_one() {
    for command in ["serve", "dev", "check"] {
        let short = help(&[command], "-h");
        for name in settings().iter().filter(|name| group_of(name).is_none()) {
            assert!(short.contains(name.as_str()), "{name}: {short}");
        }
        assert!(short.contains("NAME_FILE") && short.trim_end().ends_with("--help"), "{short}");
    }
    let stats = help(&["stats"], "-h");
    assert!(stats.contains("REDIS_URL") && !stats.contains("SIGNING_SECRET"), "{stats}");
}

#[test]
fn no_value_of_the_environment_is_in_the_short_help() {
    let ended = run(bare(&["serve", "-h"])
        .env("REDIS_URL", "redis://:hunter2@h")
        .env("ISSUER", "https://mine.example"));
    assert!(!ended.stdout.contains("hunter2") && !ended.stdout.contains("mine.example"), "{ended:?}");
}

/// The names of all settings, as declared. `docs/reference/settings.md` has them, too.
pub fn settings() -> Vec<String> {
    token_gateway::config::catalog::settings().into_iter().map(|setting| setting.name).collect()
}

#[test]
fn the_help_of_serve_dev_and_check_lists_every_setting_and_its_default() {
    for command in ["serve", "dev", "check"] {
        let ended = run(&mut bare(&[command, "--help"]));
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
        for name in settings() {
            assert!(ended.stdout.contains(&name), "{name} is not in the help of {command}");
        }
        for default in
            ["127.0.0.1:8080", "redis://127.0.0.1:6379", "604800", "7776000", "86400", "[default: tg]"]
        {
            assert!(ended.stdout.contains(default), "{default} is not in the help of {command}");
        }
        assert!(ended.stdout.contains("_FILE"), "{}", ended.stdout);
    }
}

#[test]
fn the_help_shows_no_value_of_the_environment_that_is_secret() {
    let secret = "a-secret-that-nobody-else-has-0123456789";
    for command in ["serve", "dev", "check"] {
        let names = ["SIGNING_SECRET", "REFRESH_SECRET", "SERVICE_KEYS", "REDIS_URL"];
        let ended = run(bare(&[command, "--help"]).envs(names.map(|name| (name, secret))));
        assert!(!ended.stdout.contains(secret), "{}", ended.stdout);
    }
}

#[test]
fn the_help_names_every_command_and_the_version_is_that_of_the_package() {
    let help = run(&mut bare(&["--help"]));
    for command in
        ["serve", "dev", "init", "check", "healthcheck", "service-key", "keys", "sessions", "stats"]
    {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{command} is missing: {help:?}");
    }
    let version = run(&mut bare(&["--version"]));
    assert_eq!(version.stdout.trim(), format!("token-gateway {}", env!("CARGO_PKG_VERSION")));
}
