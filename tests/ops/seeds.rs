//! Sessions of several users, made by the service's own scripts, on the server of a shell.

use token_gateway::store::redis::layout::Layout;
use token_gateway_core::session::{Attempt, Jti, Reason, SessionId, Subject};

use super::Shell;

const REFRESH_MS: &str = "604800000";
const TOMBSTONE_MS: &str = "86400000";

/// The device at the login, and the one at each refresh.
pub const FIRST_CLIENT: &str = r#"{"ip":"192.0.2.1"}"#;
pub const LAST_CLIENT: &str = r#"{"ip":"192.0.2.7"}"#;

/// A session, and its current refresh token.
pub struct Seed {
    pub subject: Subject,
    pub jti: Jti,
}

/// The data for a trial of a cookbook.
pub struct Seeds {
    /// Two sessions of a user with a name to break the key; the first was refreshed.
    pub hostile: [Seed; 2],
    /// Ended, by a logout, and published.
    pub told: Seed,
    /// Ended, but unpublished.
    pub untold: Seed,
    /// One session each.
    pub others: Vec<Seed>,
    /// The number of primaries that share all this.
    pub primaries: usize,
}

impl Seed {
    pub fn session(&self) -> SessionId {
        self.jti.session()
    }

    pub fn record(&self) -> String {
        Layout::new("tg").session(&self.subject, self.session())
    }

    pub fn set(&self) -> String {
        Layout::new("tg").sessions(&self.subject)
    }

    fn new(shell: &Shell, subject: &str) -> Self {
        let subject: Subject = subject.parse().expect("a valid subject");
        let seed = Self { subject, jti: Jti::first(SessionId::random()) };
        let claims = r#"{"role":"admin"}"#;
        let args = [
            seed.jti.as_str(),
            "9999999999999999",
            REFRESH_MS,
            "0",
            "100",
            TOMBSTONE_MS,
            claims,
            FIRST_CLIENT,
            "web",
            "",
            "",
        ];
        let reply = shell.script("create", &[&seed.record(), &seed.set()], &args);
        assert_eq!(reply[0], "created");
        seed
    }

    pub fn rotate(&mut self, shell: &Shell, generation: u64) {
        let successor = self.jti.successor(&Attempt::once());
        let generation = generation.to_string();
        let args = [
            self.jti.as_str(),
            &generation,
            successor.as_str(),
            "0",
            REFRESH_MS,
            "0",
            "subject",
            TOMBSTONE_MS,
            "5000",
            "0",
            LAST_CLIENT,
        ];
        let reply = shell.script("rotate", &[&self.record(), &self.set()], &args);
        assert_eq!(reply[0], "rotated");
        self.jti = successor;
    }

    fn end(&self, shell: &Shell) {
        let args = [Reason::Logout.as_str(), TOMBSTONE_MS];
        let reply = shell.script("end_session", &[&self.record(), &self.set()], &args);
        assert_eq!(reply[0], "ended");
    }

    fn publish(&self, shell: &Shell) {
        let (subject, session) = (self.subject.encoded().to_string(), self.session());
        let args = ["1800000", &subject, session.as_str(), Reason::Logout.as_str()];
        shell.script("publish", &["tg:revocations"], &args);
        shell.script("mark_published", &[&self.set()], &[session.as_str()]);
    }
}

impl Seeds {
    pub fn sow(shell: &Shell, primaries: usize) -> Self {
        shell.script("open_layout", &["tg:schema"], &["1"]);
        let mut hostile = ["a}:{b ü%"; 2].map(|subject| Seed::new(shell, subject));
        hostile[0].rotate(shell, 0);
        hostile[0].rotate(shell, 1);
        let (told, untold) = (Seed::new(shell, "carol"), Seed::new(shell, "dave"));
        told.end(shell);
        told.publish(shell);
        untold.end(shell);
        let others = (0..12).map(|n| Seed::new(shell, &format!("user-{n}@example.com"))).collect();
        Self { hostile, told, untold, others, primaries }
    }
}
