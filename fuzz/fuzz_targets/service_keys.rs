//! `SERVICE_KEYS`: an entry is found by its key alone, and no error repeats the input.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_gateway::gateway::service_keys::{CONFIDENTIAL, InvalidServiceKeys, Role, ServiceKeys, check_name};

/// A key, and its hash.
const KEY: &str = "a made-up+key";
const HASH: &str = "7a967acb9457ba45722577f543751456a944351b203a4ef3f3e395bcd03f0bcd";

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<ServiceKeys>() {
        Ok(keys) => check(text, &keys),
        Err(InvalidServiceKeys::Name(_) | InvalidServiceKeys::Role(_)) => panic!("says what was there"),
        Err(_) => {}
    }
});

fn check(text: &str, keys: &ServiceKeys) {
    let hashes: Vec<_> = text.split(',').filter_map(|entry| entry.trim().split_once('=')).collect();
    assert!(!hashes.is_empty());
    for (service, hash) in &hashes {
        let mut parts = service.split('+');
        assert!(check_name(parts.next().unwrap_or_default()).is_ok());
        assert!(parts.all(|word| word == CONFIDENTIAL || word.parse::<Role>().is_ok()));
        assert!(hash.len() == 64 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
    let is_listed = hashes.iter().any(|(_, hash)| hash.eq_ignore_ascii_case(HASH));
    assert_eq!(keys.find(KEY).is_some(), is_listed);
    assert!(keys.find("").is_none());

    let one_more: ServiceKeys = format!("{text},one-more+feed={HASH}").parse().expect("one entry more");
    let service = one_more.find_named("one-more", KEY).expect("the entry that was added");
    assert!(is_listed || (service.may(Role::Feed) && !service.may(Role::Issue)));
}
