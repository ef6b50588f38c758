//! What a server holds: tokens, times and records, reduced to what the table looks at.

/// How many sessions the subject may have: the one that is refreshed, and a later login.
pub const SESSIONS: usize = 2;

/// The highest generation that a scope may reach.
pub const GENERATIONS: usize = 7;

/// A moment as some server's clock shows it. Moments are in their true order; clocks differ by more than any of them
/// lie apart, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    pub clock: i8,
    pub moment: u8,
}

/// A refresh token. Its `jti` is spelled by the attempts that led to it, as a successor is a function of what was
/// presented and of the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    pub session: u8,
    pub generation: u8,
    pub jti: u32,
}

impl Token {
    pub fn first(session: usize) -> Self {
        Self { session: session as u8, generation: 0, jti: 1 }
    }

    pub fn successor(self, attempt: u8) -> Self {
        Self { generation: self.generation + 1, jti: self.jti * 8 + u32::from(attempt), ..self }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Record {
    Missing,
    Ended,
    Live(Live),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Live {
    pub current: Token,
    pub prev: Option<Token>,
    pub created_at: Stamp,
    pub rotated_at: Stamp,
    /// The hour from which the grace window counts.
    pub anchor: u8,
}

/// The records of the subject, one place for each session.
pub type Records = [Record; SESSIONS];

impl Record {
    pub fn live(&self) -> Option<&Live> {
        if let Self::Live(live) = self { Some(live) } else { None }
    }
}
