//! The key set file: a private JWK Set (RFC 7517 section 5), and the life of a key in it.
//!
//! A key is published as soon as the file holds it. It signs from its `signs_from` until a newer key does. It stays
//! until its last token has expired.
//!
//! So one key signs at every moment. A verifier knows each key before it meets a token of that key, if it reads the
//! published set at least once per cache time.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use token_gateway_core::token::Alg;

use super::jwk::{InvalidKey, Members, PrivateJwk, Signs};

/// A key stays so much longer than its last token lives, because clocks differ.
const RETIREMENT_MARGIN: Duration = Duration::from_secs(60);

/// The keys of a gateway, in the order of the file.
#[derive(Debug, Clone, Default, Serialize)]
pub struct KeySet {
    pub keys: Vec<PrivateJwk>,
    /// Members of other tools, kept unchanged.
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// The file as it is read, its keys not checked.
#[derive(Deserialize)]
struct Unchecked {
    keys: Vec<Members>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// Why a text is no key set. Repeats nothing of the text but a `kid`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeySet {
    #[error("is no JWK Set, at line {0} column {1}; make one with `token-gateway keys new`")]
    Json(usize, usize),
    #[error("keys[{0}]: {1}")]
    Key(usize, InvalidKey),
    #[error("keys[{0}]: its key is there already; each may stand once, and for one 'alg' only")]
    Duplicate(usize),
    #[error(
        "keys[{0}]: another key begins to sign at the same time; give each its own 'signs_from', in seconds since the epoch"
    )]
    Tie(usize),
}

/// The stage of a key's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Published. Signs from this time on, in seconds since the epoch.
    Waiting(u64),
    /// Signs now.
    Active,
    /// Signs no more. Its tokens live until this time, in seconds since the epoch.
    Retiring(u64),
    /// None of its tokens lives.
    Retired,
}

/// The lifetimes of tokens, by their kind.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    pub access: Duration,
    pub refresh: Duration,
}

impl KeySet {
    /// Reads a file's text, and checks each key.
    pub fn parse(text: &str) -> Result<Self, InvalidKeySet> {
        let Unchecked { keys, other } =
            serde_json::from_str(text).map_err(|error| InvalidKeySet::Json(error.line(), error.column()))?;
        let mut set = Self { keys: Vec::with_capacity(keys.len()), other };
        for members in keys {
            set.add(members)?;
        }
        Ok(set)
    }

    fn add(&mut self, members: Members) -> Result<(), InvalidKeySet> {
        let n = self.keys.len();
        let jwk = PrivateJwk::try_from(members).map_err(|error| InvalidKeySet::Key(n, error))?;
        if self.keys.iter().any(|other| other.thumbprint() == jwk.thumbprint()) {
            return Err(InvalidKeySet::Duplicate(n));
        }
        if self.of(jwk.signs).any(|other| other.signs_from == jwk.signs_from) {
            return Err(InvalidKeySet::Tie(n));
        }
        self.keys.push(jwk);
        Ok(())
    }

    /// A set with one fresh key, for signing access tokens at once.
    pub fn generate(alg: Alg) -> Self {
        Self { keys: vec![PrivateJwk::generate(alg, Signs::Access, 0)], other: Map::new() }
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).expect("maps with string keys serialize") + "\n"
    }

    /// The signing key of this kind at `now`.
    pub fn active(&self, signs: Signs, now: u64) -> Option<&PrivateJwk> {
        let due = self.of(signs).filter(|jwk| jwk.signs_from <= now);
        due.max_by_key(|jwk| jwk.signs_from)
    }

    /// Whether no key of its kind is due, and this one is the first to become due. It signs already if no secret does.
    pub fn is_next(&self, jwk: &PrivateJwk, now: u64) -> bool {
        let first = self.of(jwk.signs).map(|it| it.signs_from).min();
        self.active(jwk.signs, now).is_none() && first == Some(jwk.signs_from)
    }

    /// The latest `signs_from` of this kind's keys.
    pub fn last_change(&self, signs: Signs) -> Option<u64> {
        self.of(signs).map(|jwk| jwk.signs_from).max()
    }

    /// The number of keys of this kind.
    pub fn count(&self, signs: Signs) -> usize {
        self.of(signs).count()
    }

    fn of(&self, signs: Signs) -> impl Iterator<Item = &PrivateJwk> {
        self.keys.iter().filter(move |jwk| jwk.signs == signs)
    }

    pub fn state(&self, jwk: &PrivateJwk, now: u64, lifetimes: Lifetimes) -> KeyState {
        if jwk.signs_from > now {
            return KeyState::Waiting(jwk.signs_from);
        }
        let is_active = self.active(jwk.signs, now).is_some_and(|it| it.thumbprint() == jwk.thumbprint());
        if is_active {
            return KeyState::Active;
        }
        let later = self
            .of(jwk.signs)
            .map(|it| it.signs_from)
            .filter(|from| (jwk.signs_from + 1..=now).contains(from));
        let stopped = later.min().unwrap_or(jwk.signs_from);
        let lifetime = match jwk.signs {
            Signs::Access => lifetimes.access,
            Signs::Refresh => lifetimes.refresh,
        };
        let until = stopped + (lifetime + RETIREMENT_MARGIN).as_secs();
        if until > now { KeyState::Retiring(until) } else { KeyState::Retired }
    }

    /// Takes out the keys whose tokens have all expired; returns their `kid`s.
    pub fn retire(&mut self, now: u64, lifetimes: Lifetimes) -> Vec<String> {
        let retired = |jwk: &&PrivateJwk| self.state(jwk, now, lifetimes) == KeyState::Retired;
        let kids: Vec<String> = self.keys.iter().filter(retired).map(PrivateJwk::thumbprint).collect();
        kids.iter().for_each(|kid| self.remove(kid));
        kids
    }

    pub fn remove(&mut self, kid: &str) {
        self.keys.retain(|jwk| jwk.thumbprint() != kid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIMES: Lifetimes =
        Lifetimes { access: Duration::from_secs(900), refresh: Duration::from_secs(604_800) };

    fn set(starts: &[u64]) -> KeySet {
        let keys = starts.iter().map(|from| PrivateJwk::generate(Alg::EdDsa, Signs::Access, *from)).collect();
        KeySet { keys, other: Map::new() }
    }

    fn states(set: &KeySet, now: u64) -> Vec<KeyState> {
        set.keys.iter().map(|jwk| set.state(jwk, now, LIFETIMES)).collect()
    }

    #[test]
    fn a_key_waits_then_signs_then_stays_until_its_last_token_has_expired() {
        let mut set = set(&[100, 500]);
        assert_eq!(states(&set, 99), [KeyState::Waiting(100), KeyState::Waiting(500)]);
        assert_eq!(states(&set, 499), [KeyState::Active, KeyState::Waiting(500)]);
        assert_eq!(states(&set, 500), [KeyState::Retiring(1460), KeyState::Active]);
        assert_eq!(set.retire(1459, LIFETIMES), [""; 0]);
        assert_eq!(states(&set, 1460), [KeyState::Retired, KeyState::Active]);
        let first = set.keys[0].thumbprint();
        assert_eq!(set.retire(1460, LIFETIMES), [first]);
        assert_eq!(set.keys.len(), 1);
    }

    #[test]
    fn kinds_do_not_replace_each_other() {
        let mut set = set(&[100]);
        set.keys.push(PrivateJwk::generate(Alg::Hs256, Signs::Refresh, 500));
        assert_eq!(states(&set, 1000), [KeyState::Active, KeyState::Active]);
        set.keys.push(PrivateJwk::generate(Alg::Hs256, Signs::Refresh, 900));
        assert_eq!(
            states(&set, 1000),
            [KeyState::Active, KeyState::Retiring(900 + 604_860), KeyState::Active]
        );
    }

    #[test]
    fn a_file_is_read_back_as_it_was_written_members_of_others_included() {
        for alg in Alg::ALL {
            let mut json = serde_json::to_value(KeySet::generate(alg)).unwrap();
            json["keys"][0]["x5t"] = "abc".into();
            json["comment"] = "ours".into();
            let text = json.to_string();
            let read: Value = serde_json::from_str(&KeySet::parse(&text).unwrap().to_text()).unwrap();
            assert_eq!(read, json, "{alg:?}");
        }
    }

    #[test]
    fn a_member_of_another_type_of_key_is_kept() {
        let mut json = serde_json::to_value(KeySet::generate(Alg::EdDsa)).unwrap();
        json["keys"][0]["n"] = "AQAB".into();
        let read: Value = serde_json::from_str(&KeySet::parse(&json.to_string()).unwrap().to_text()).unwrap();
        assert_eq!(read, json);
    }

    #[test]
    fn a_member_that_is_no_text_or_stands_twice_is_refused_with_its_place() {
        let good = KeySet::generate(Alg::EdDsa).to_text();
        let [number, twice] = [r#""d": 5,"#, r#""d": "AQAB", "d": "AQAB","#]
            .map(|member| KeySet::parse(&good.replacen(r#""x""#, &format!(r#"{member} "x""#), 1)));
        let line = good.lines().position(|line| line.contains(r#""x""#)).unwrap() + 1;
        for refused in [number, twice] {
            assert!(matches!(refused, Err(InvalidKeySet::Json(at, _)) if at == line), "{refused:?}");
        }
    }

    #[test]
    fn broken_sets_are_refused_with_the_member_and_without_the_key() {
        let good = |alg| serde_json::to_value(KeySet::generate(alg)).unwrap();
        let refusal = |json: &Value| KeySet::parse(&json.to_string()).unwrap_err().to_string();
        type Change = fn(&mut Value);
        let cases: [(Alg, Change, &str); 15] = [
            (Alg::Es256, |k| k["alg"] = "none".into(), "'alg' must be"),
            (Alg::Es256, |k| k["alg"] = "EdDSA".into(), "'kty' must be OKP"),
            (Alg::Es256, |k| k["crv"] = "P-384".into(), "'crv' must be P-256"),
            (Alg::Es256, |k| k["use"] = "enc".into(), "'use' must be sig"),
            (Alg::Es256, |k| k["kid"] = "one".into(), "'kid' must be its RFC 7638 thumbprint"),
            (Alg::Es256, |k| k["d"] = k["x"].clone(), "do not belong together"),
            (Alg::Es256, |k| k["x"] = "AAAA".into(), "'x' must have 32 bytes"),
            (Alg::Es256, |k| k["signs"] = "refresh".into(), "must have the 'alg' HS256"),
            (Alg::EdDsa, |k| k["d"] = Value::Null, "'d' is missing"),
            (Alg::EdDsa, |k| k["d"] = k["x"].clone(), "do not belong together"),
            (Alg::EdDsa, |k| k["x"] = "!".into(), "'x' is missing or no base64url"),
            (Alg::Hs256, |k| k["k"] = "c2hvcnQ".into(), "'k' needs at least 32 bytes"),
            (Alg::Rs256, |k| k["n"] = "AQAB".into(), "at least 2048"),
            (Alg::Rs256, |k| k["d"] = k["p"].clone(), "do not belong together"),
            (Alg::Ps256, |k| k["qi"] = Value::Null, "'qi' is missing"),
        ];
        for (alg, change, expected) in cases {
            let mut json = good(alg);
            change(&mut json["keys"][0]);
            let message = refusal(&json);
            assert!(message.starts_with("keys[0]: ") && message.contains(expected), "{message}");
        }
        for (alg, other) in [(Alg::Rs256, "PS256"), (Alg::EdDsa, "Ed25519"), (Alg::Ed25519, "EdDSA")] {
            let mut twice = good(alg);
            let mut second = twice["keys"][0].clone();
            (second["alg"], second["signs_from"]) = (other.into(), 1.into());
            twice["keys"].as_array_mut().unwrap().push(second);
            assert!(
                refusal(&twice).starts_with("keys[1]: its key is there already"),
                "one key, two algorithms"
            );
        }
        let mut tie = good(Alg::Es256);
        tie["keys"].as_array_mut().unwrap().push(good(Alg::EdDsa)["keys"][0].clone());
        assert!(refusal(&tie).contains("'signs_from'"), "who signs is never left to chance");
        tie["keys"][1]["signs_from"] = 1.into();
        assert!(KeySet::parse(&tie.to_string()).is_ok());
        assert!(KeySet::parse("{").unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn nothing_private_is_shown() {
        for alg in Alg::ALL {
            let set = KeySet::generate(alg);
            let json = serde_json::to_value(&set).unwrap();
            let shown = format!("{set:?} {}", serde_json::to_string(&set.keys[0].public()).unwrap());
            for name in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                if let Some(secret) = json["keys"][0][name].as_str() {
                    assert!(!shown.contains(secret), "{alg:?} {name}");
                }
            }
        }
    }
}
