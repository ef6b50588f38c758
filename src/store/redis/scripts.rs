//! The Lua scripts, each beside its call and its decoder: `rotate.rs` belongs to `rotate.lua`.
//!
//! A script is atomic and takes one round trip. Its header names KEYS, ARGV and the words it returns; the test at the
//! end holds header, body and decoder together. Calls and decoders are pure: the store sends.

pub mod create;
pub mod end_session;
pub mod end_subject;
pub mod get_session;
pub mod list_sessions;
pub mod list_unpublished;
pub mod mark_published;
pub mod open_layout;
pub mod publish;
pub mod rotate;
pub mod set_claims;
mod store_script;

pub use self::store_script::StoreScript;

/// All scripts, in reading order.
pub static ALL: [&StoreScript; 11] = [
    &rotate::SCRIPT,
    &create::SCRIPT,
    &end_session::SCRIPT,
    &end_subject::SCRIPT,
    &get_session::SCRIPT,
    &list_sessions::SCRIPT,
    &list_unpublished::SCRIPT,
    &set_claims::SCRIPT,
    &publish::SCRIPT,
    &mark_published::SCRIPT,
    &open_layout::SCRIPT,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn header(script: &StoreScript) -> Vec<&str> {
        script.lua.source().lines().skip(1).take_while(|line| line.starts_with("--")).collect()
    }

    fn body(script: &StoreScript) -> String {
        let code = script.lua.source().lines().filter(|line| !line.trim_start().starts_with("--"));
        code.collect::<Vec<_>>().join("\n")
    }

    /// Numbers in `NAME[n]` within `text`.
    fn indices(text: &str, name: &str) -> BTreeSet<usize> {
        let opener = format!("{name}[");
        let parts = text.split(opener.as_str()).skip(1);
        parts.filter_map(|rest| rest.split(']').next()?.parse().ok()).collect()
    }

    /// The first words of replies: `{'word', now` or `move_on('word')`.
    fn returned(body: &str) -> BTreeSet<String> {
        let openers = ["{'", "move_on('"];
        let found = openers.iter().flat_map(|opener| {
            body.split(opener).skip(1).filter_map(move |rest| {
                let (word, after) = rest.split_once('\'')?;
                (after.starts_with(", now") || after.starts_with(')')).then(|| word.to_owned())
            })
        });
        found.collect()
    }

    #[test]
    fn header_body_and_decoder_of_each_script_agree() {
        for script in ALL {
            let (header, body, name) = (header(script).join("\n"), body(script), script.name);
            assert!(script.lua.source().starts_with("#!lua"), "{name}: line 1 is the engine's");
            assert!(header.starts_with(&format!("-- {name}: ")), "{name}: purpose, under its own name");
            assert_eq!(indices(&header, "KEYS"), indices(&body, "KEYS"), "{name}: KEYS");
            let (documented, used) = (indices(&header, "ARGV"), indices(&body, "ARGV"));
            if !body.contains("#ARGV") && !body.contains("ipairs(ARGV)") {
                assert_eq!(documented, used, "{name}: ARGV");
            }
            let words: BTreeSet<_> = script.words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(returned(&body), words, "{name}: words");
            let (_, documented) = header.split_once("Returns").expect("a header says what is returned");
            for word in script.words {
                assert!(documented.contains(word), "{name}: '{word}' is not in the header");
            }
        }
    }

    #[test]
    fn sessions_go_on_and_end_when_redis_is_out_of_memory_and_none_begins_or_grows() {
        let allowed = ALL.iter().filter(|script| script.lua.source().starts_with("#!lua flags=allow-oom\n"));
        let allowed: Vec<_> = allowed.map(|script| script.name).collect();
        let expected = [
            "rotate",
            "end_session",
            "end_subject",
            "get_session",
            "list_sessions",
            "list_unpublished",
            "publish",
            "mark_published",
            "open_layout",
        ];
        assert_eq!(allowed, expected);
    }

    #[test]
    fn no_script_claims_to_be_read_only_because_a_deposed_primary_would_run_it() {
        assert!(ALL.iter().all(|script| !script.lua.source().contains("no-writes")));
    }
}
