//! A password in `REDIS_URL` is never repeated, whatever it looks like.

use proptest::prelude::*;
use token_gateway_redis_link::LinkSettings;
use token_gateway_redis_link::address::Topology;

use super::refusals::refuses;
use super::{bare, run};

/// Each form of a URL, around user and password.
const FORMS: [(&str, &str); 10] = [
    ("redis://", "@h:6379/0"),
    ("rediss://", "@h"),
    ("redis://", "@h:6379,k:6380"),
    ("redis://", "@h,redis://k"),
    ("redis://h,redis://", "@k"),
    ("redis+cluster://", "@h:6379,k/0"),
    ("redis+sentinel://", "@h:26379,k/main/0"),
    ("redis+sentinel://", "@h:26379/0"),
    ("redis://", "/0"),
    ("http://", "@h"),
];

#[test]
fn a_raw_character_that_ends_a_password_is_named_with_its_escape() {
    for (character, escape) in [("/", "%2F"), ("#", "%23"), ("?", "%3F"), (" ", "%20")] {
        for (before, after) in &FORMS[..8] {
            let url = format!("{before}user:26379{character}S3cret{after}");
            let line = refuses(&[("REDIS_URL", &url)], "REDIS_URL: the user or the password holds");
            let right = format!("'{character}'; percent-encode it, as {escape}");
            assert!(line.contains(&right) && !line.contains("S3cret"), "{url}: {line}");
            let ended = run(bare(&["sessions", "list"]).env("REDIS_URL", &url));
            assert!(ended.code == 2 && ended.stderr.contains(&right), "{url}: {ended:?}");
        }
    }
}

/// Everything that later errors may show of a URL.
fn shown(settings: &LinkSettings) -> String {
    match settings.parse() {
        Err(error) => error.to_string(),
        Ok(parsed) => match parsed.topology {
            Topology::Standalone(address) => address.to_string(),
            Topology::Cluster { seeds } => format!("{seeds:?}"),
            Topology::Sentinel { sentinels, master_name } => format!("{sentinels:?} {master_name}"),
        },
    }
}

proptest! {
    #[test]
    fn no_part_of_a_password_is_shown(
        user in prop_oneof![Just(""), Just("user"), Just("26379")],
        before in "[/#?@:%, \\[\\]0-9.]{0,6}",
        behind in "[/#?@:%, \\[\\]0-9.]{0,6}",
        form in 0..8_usize,
    ) {
        let (begin, end) = FORMS[form];
        let url = format!("{begin}{user}:{before}Zecret{behind}{end}");
        let settings = LinkSettings::new(url.clone());
        let error = settings.check().err().unwrap_or_default();
        prop_assert!(!error.contains("Zecret") && !shown(&settings).contains("Zecret"), "{} {}", url, error);
    }

    #[test]
    fn an_encoded_password_is_taken_in_every_form(
        password in "[!-~]{1,20}",
        form in 0..7_usize,
    ) {
        let encoded: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (begin, end) = FORMS[form];
        if begin.contains(',') {
            return Ok(());
        }
        let settings = LinkSettings::new(format!("{begin}user:{encoded}{end}"));
        let parsed = settings.parse().map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(parsed.redis.password(), Some(password.as_str()));
    }
}

#[test]
fn a_url_without_a_host_behind_the_password_is_refused_without_it() {
    for (before, after) in [FORMS[8], FORMS[9], ("redis://", ""), ("redis+cluster://", ""), ("", "@h")] {
        for user in ["", "user"] {
            let url = format!("{before}{user}:S3cret{after}");
            let line = refuses(&[("REDIS_URL", &url)], "REDIS_URL: ");
            assert!(!line.contains("S3cret"), "{url}: {line}");
        }
    }
}
