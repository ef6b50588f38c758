//! Foreign text at an operator's terminal: nothing in it moves the cursor, hides, or turns the text around.

use serde_json::json;
use token_gateway_testkit::redis::Redis;

use super::{bare, operator, run};
use crate::GATEWAY;

/// CSI of 8 bits, DEL, a colour, an end of a line for some, and a mark that turns the direction.
const TRICKS: &str = "a\u{9b}2J\u{7f}b\u{1b}[31m\u{2028}c\u{202e}d\u{85}";

/// Characters that a terminal obeys, line ends apart.
fn is_obeyed(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c != '\n' && (c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

#[tokio::test]
async fn stored_text_is_spelled_out_in_tables_and_ascii_in_json() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let client = json!({"user_agent": TRICKS, "label": TRICKS});
    let login = json!({"sub": "alice", "client": client, "claims": {"name": TRICKS}});
    let tokens = gateway.api().issue(&login).await.tokens();
    redis.ask::<()>(&["SET", &format!("tg:{TRICKS}"), "a key without a TTL"]);
    for args in [
        &["sessions", "list"][..],
        &["sessions", "list", "alice", "--ended"],
        &["sessions", "show", &tokens.session],
        &["stats"],
        &["sessions", "end", "alice", "--all"],
    ] {
        let json = run(&mut operator(&redis, &[args, &["--json"]].concat()));
        assert!(json.code == 0 && json.stdout.bytes().all(|b| matches!(b, b' '..=b'~' | b'\n')), "{json:?}");
        let text = run(&mut operator(&redis, args));
        assert!(text.code == 0 && !(text.stdout + &text.stderr).contains(is_obeyed), "{args:?}");
    }
}

#[test]
fn a_check_and_an_error_spell_out_the_text_of_others() {
    let path = "/nowhere/\u{2028}keys.json";
    let error = run(bare(&["keys", "list"]).env("SIGNING_KEYS", path));
    assert!(error.code == 2 && error.stderr.contains(r"\u{2028}keys"), "{error:?}");
    let check = run(GATEWAY.command("check", &[("STORE", "embedded")]).env("SIGNING_KEYS", path));
    assert!(check.code == 1 && check.stdout.contains(r"\u{2028}keys"), "{check:?}");
    for ended in [error, check] {
        assert!(!(ended.stdout + &ended.stderr).contains(is_obeyed));
    }
}
