//! The contents of a server: tokens, times and records, reduced to the fields of the table.

/// The number of sessions of the subject: the refreshed one, and a later login.
pub const SESSIONS: usize = 2;

/// The highest generation within any scope.
pub const GENERATIONS: usize = 7;

/// A moment by the clock of one server. Moments are in their true order. Clocks agree, or differ by more than any two
/// moments lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    pub clock: i8,
    pub moment: u8,
}

/// A refresh token. Its `jti` spells the attempts that led to it, because a successor is a function of the presented
/// token and of the attempt.
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
    /// The first hour of the grace window.
    pub anchor: u8,
    /// The hour of `created_at`.
    pub created_hour: u8,
    /// The first hour after the absolute lifetime, as stored.
    pub end: Option<u8>,
}

/// The records of the subject, one place for each session.
pub type Records = [Record; SESSIONS];

impl Record {
    pub fn live(&self) -> Option<&Live> {
        if let Self::Live(live) = self { Some(live) } else { None }
    }

    /// Redis drops a record when its stored end comes.
    pub fn expire(&mut self, hour: u8) {
        if self.live().is_some_and(|live| live.end.is_some_and(|end| hour >= end)) {
            *self = Self::Missing;
        }
    }
}
