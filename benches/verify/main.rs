//! The cost of checking an access token in process, beside the bare check of its signature by the same crypto library.
//!
//! ```sh
//! cargo bench --bench verify               # a table
//! cargo bench --bench verify -- --json     # the same for scripts
//! ```
//!
//! The benchmark has one thread. Each round takes every case in turn, and the median of the rounds counts, so other
//! load on the machine meets every case. A *new* token was never seen by its verifier; a *seen* one was checked just
//! before.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use base64_simd::URL_SAFE_NO_PAD;
use clap::Parser;
use serde::Serialize;
use token_gateway::token::key_set::KeySet;
use token_gateway::token::keyring::Secrets;
use token_gateway::token::{Grant, Keyring, TokenSettings, Tokens};
use token_gateway_core::checker::{Checker, Outcome, Rules};
use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::{Denylist, Listener as _};
use token_gateway_core::session::{Jti, SessionId, Subject};
use token_gateway_core::token::{Alg, Secret};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ISSUER: &str = "https://auth.example";
const SECRET: &str = "a-signing-secret-of-the-benchmark-0123456789";

/// Claims as a login service of some size chooses them: about 300 bytes.
const CLAIMS: &str = r#"{"name":"Alice Example","email":"alice@example.com","roles":["admin","editor","viewer"],"tenant":"0f8fad5b-d9cb-469f-a165-70867728950e","plan":"enterprise","features":["a","b","c","d"],"locale":"en-GB","zoneinfo":"Europe/London","picture":"https://cdn.example.com/u/0f8fad5b/avatar.png","ver":3}"#;

#[derive(Debug, Parser)]
#[command(about = "Measures what checking an access token costs")]
struct Cli {
    /// Rounds; the median counts
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Tokens of each algorithm
    #[arg(long, default_value_t = 2000)]
    tokens: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// An option of `cargo bench`, without effect
    #[arg(long, hide = true)]
    bench: bool,
}

/// Microseconds per token, and their ratio.
#[derive(Debug, Serialize)]
struct Figures {
    alg: &'static str,
    bytes: usize,
    bare_us: f64,
    new_us: f64,
    new_to_bare: f64,
    seen_us: f64,
}

struct Case {
    alg: &'static str,
    keys: Arc<Tokens>,
    tokens: Vec<String>,
    bare: Bare,
    times: [Vec<f64>; 3],
}

/// The signature check alone, with a key prepared once.
enum Bare {
    Hmac(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

fn main() {
    let cli = Cli::parse();
    let mut cases: Vec<Case> =
        [Alg::Hs256, Alg::Es256, Alg::EdDsa].into_iter().map(|alg| Case::new(alg, cli.tokens)).collect();
    for _ in 0..cli.rounds {
        cases.iter_mut().for_each(Case::measure);
    }
    let figures: Vec<Figures> = cases.into_iter().map(Case::figures).collect();
    if cli.json {
        println!("{}", serde_json::to_string_pretty(&figures).expect("plain data"));
        return;
    }
    println!("| | token, bytes | bare signature, µs | new token, µs | of the bare | seen before, µs |");
    println!("|---|---|---|---|---|---|");
    for Figures { alg, bytes, bare_us, new_us, new_to_bare, seen_us } in figures {
        println!("| {alg} | {bytes} | {bare_us:.2} | {new_us:.2} | {new_to_bare:.2} | {seen_us:.2} |");
    }
}

impl Case {
    fn new(alg: Alg, count: usize) -> Self {
        let (set, signing) = match alg {
            Alg::Hs256 => (KeySet::default(), Some(Secret::parse(SECRET).expect("long enough"))),
            alg => (KeySet::generate(alg), None),
        };
        let refresh = Secret::parse("a-refresh-secret-of-the-benchmark-0123456789").ok();
        let secrets = Secrets { signing, refresh, refresh_previous: None };
        let keyring = Arc::new(Keyring::new(&secrets, &set).expect("sound keys"));
        let settings = TokenSettings {
            issuer: ISSUER.to_owned(),
            access_ttl: Duration::from_secs(900),
            refresh_ttl: Duration::from_secs(604_800),
            jwt_audiences: Default::default(),
        };
        let bare = Bare::of(alg, keyring.jwks());
        let keys = Arc::new(Tokens::new(&settings, keyring));
        let tokens = (0..count).map(|n| mint(&keys, n)).collect();
        Self { alg: alg.as_str(), keys, tokens, bare, times: Default::default() }
    }

    fn measure(&mut self) {
        let checker = checker(self.keys.clone());
        let check = |token: &String| {
            let outcome = checker.check(black_box(token), |_| Timestamp::from_system_clock());
            assert!(matches!(black_box(outcome), Outcome::Accepted(_)), "a good token");
        };
        let bare = per_token(&self.tokens, |token| self.bare.check(black_box(token)));
        let new = per_token(&self.tokens, check);
        let seen = per_token(&self.tokens, check);
        for (times, time) in self.times.iter_mut().zip([bare, new, seen]) {
            times.push(time);
        }
    }

    fn figures(self) -> Figures {
        let [bare_us, new_us, seen_us] = self.times.map(median);
        let bytes = self.tokens.iter().map(String::len).sum::<usize>() / self.tokens.len();
        Figures { alg: self.alg, bytes, bare_us, new_us, new_to_bare: new_us / bare_us, seen_us }
    }
}

impl Bare {
    fn of(alg: Alg, jwks: &str) -> Self {
        let jwks: serde_json::Value = serde_json::from_str(jwks).expect("JSON");
        let part = |name: &str| {
            let text = jwks["keys"][0][name].as_str().expect("a coordinate");
            URL_SAFE_NO_PAD.decode_to_vec(text).expect("base64url")
        };
        match alg {
            Alg::Es256 => {
                let point = [vec![4], part("x"), part("y")].concat();
                Self::Public(ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).expect("a key"))
            }
            Alg::EdDsa => Self::Public(ParsedPublicKey::new(&ED25519, part("x")).expect("a key")),
            _ => Self::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()))),
        }
    }

    fn check(&self, token: &str) {
        let (message, signature) = token.rsplit_once('.').expect("a JWT");
        let signature = URL_SAFE_NO_PAD.decode_to_vec(signature).expect("base64url");
        match self {
            Self::Hmac(key) => hmac::verify(key, message.as_bytes(), &signature).expect("a good one"),
            Self::Public(key) => key.verify_sig(message.as_bytes(), &signature).expect("a good one"),
        }
    }
}

fn checker(keys: Arc<Tokens>) -> Checker {
    let denylist = Arc::new(Denylist::new(Duration::from_secs(1800)));
    denylist.opened(1);
    denylist.events(0, Vec::new(), Some(Instant::now()));
    let rules = Rules {
        issuer: ISSUER.to_owned(),
        audiences: vec!["api".to_owned()],
        takes_typ_jwt: false,
        max_stale: Duration::from_secs(3600),
        goes_on_when_stale: false,
    };
    Checker::new(keys, rules, denylist)
}

fn mint(keys: &Tokens, n: usize) -> String {
    let (subject, now): (Subject, _) =
        (format!("user-{n}").parse().expect("a subject"), Timestamp::from_system_clock());
    let grant = Grant {
        subject: &subject,
        jti: &Jti::first(SessionId::random()),
        generation: 1,
        issued_at: now,
        now,
        absolute_expires_at: None,
        client_id: "app",
        audience: "api",
        scope: Some("orders:read orders:write"),
        narrowed: None,
        claims: CLAIMS,
    };
    keys.mint(&grant).expect("sound claims").access_token
}

/// Microseconds.
fn per_token(tokens: &[String], mut check: impl FnMut(&String)) -> f64 {
    let began = Instant::now();
    tokens.iter().for_each(&mut check);
    began.elapsed().as_secs_f64() * 1e6 / tokens.len() as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
