//! The world around the table: servers, calls on their way, and who sends them.

use std::fmt;

use crate::record::{GENERATIONS, Live, Record, Records, SESSIONS, Stamp, Token};

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub authority: Server,
    /// Behind the authority by some writes. What a failover promotes.
    pub replica: Server,
    /// The former authority, which goes on answering those who have not heard.
    pub deposed: Option<Server>,
    /// On their way, in no order. A call that is lost just never arrives.
    pub calls: Vec<Call>,
    /// The token that each of them would present next; nothing for one who was refused, or has stolen nothing yet.
    pub honest: Option<Token>,
    pub thief: Option<Token>,
    /// The thief has presented something: from now on an accusation may be just.
    pub thief_was_active: bool,
    /// Sessions whose end was acknowledged, whatever a failover did to it.
    pub over: [bool; SESSIONS],
    /// The login was answered, so that its session may be logged out.
    pub logged_in: bool,
    /// Ends that nodes remember and have yet to repeat.
    pub to_repeat: [bool; SESSIONS],
    pub left: Left,
    /// The next moment. Only the order of moments matters, so they are numbered anew after each step.
    pub moment: u8,
    pub hour: u8,
    /// How many successors were drawn at random.
    pub draws: u8,
    /// The promise that the last step broke.
    pub broken: Option<Broken>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Server {
    pub records: Records,
    /// How its clock stands against the others'.
    pub clock: i8,
    /// How many masters there were before it.
    pub epoch: u8,
    pub history: [History; SESSIONS],
}

/// What has happened to a session as far as a server knows, seen by somebody who sees all. It is replicated, and lost, with
/// the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct History {
    /// The token of each generation: handed out, or accepted. Nothing for those that a rollback has swallowed.
    pub line: [Option<u32>; GENERATIONS + 1],
    pub newest: u8,
    pub moved_moment: u8,
    pub moved_hour: u8,
    pub ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    pub what: What,
    /// When it arrived at its node; for a logout everywhere, which asks for the time first, by the clock of whom it asked.
    pub sent: Stamp,
    /// Who was master when it was sent.
    pub epoch: u8,
    /// The masters at which it may arrive. A node that has gone on to the next never goes back.
    pub masters: (u8, u8),
    /// How often it may still arrive.
    pub copies: u8,
    /// Past its deadline.
    pub expired: bool,
    /// Its client had hung up before the node got to it, which is seen there. What hangs up later, or is held up on its
    /// way together with its hanging up, may look as if it were still there.
    pub hung_up: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    Refresh(Party, Token),
    Login,
    Logout(usize),
    EndSubject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Authority,
    Deposed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    Honest,
    Thief,
}

impl Party {
    /// Each uses one key for each token that it presents; nobody knows the other's.
    pub fn attempt(self) -> u8 {
        match self {
            Self::Honest => 1,
            Self::Thief => 2,
        }
    }
}

/// How much of everything may still happen; at the beginning, the bounds of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Left {
    pub refreshes: u8,
    pub thefts: u8,
    pub logouts: u8,
    pub end_subjects: u8,
    pub logins: u8,
    pub failovers: u8,
    pub hours: u8,
    pub forgotten: u8,
    /// Requests that a busy node gets to only after a while.
    pub met_late: u8,
}

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    SingleUse,
    FalseAlarm,
    MissedReuse,
    Revived,
    LostEnd,
    KilledLogin,
    Spared,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SingleUse => "two successors of one token, or one of a token that was superseded",
            Self::FalseAlarm => {
                "an honest client was accused although nobody else had presented a token of its"
            }
            Self::MissedReuse => {
                "a superseded token was presented after the record had moved, without an alarm"
            }
            Self::Revived => "a session lives after its end",
            Self::LostEnd => "an end was acknowledged, a failover lost it, and nobody will repeat it",
            Self::KilledLogin => "a call ended a session that began after it was sent",
            Self::Spared => "a call that ends many spared a session that began before it was sent",
        })
    }
}

impl World {
    pub fn new(left: Left) -> Self {
        let start = Stamp { clock: 0, moment: 0 };
        let live =
            Live { current: Token::first(0), prev: None, created_at: start, rotated_at: start, anchor: 0 };
        let authority = Server {
            records: [Record::Live(live), Record::Missing],
            clock: 0,
            epoch: 0,
            history: [History::begun(Token::first(0), 0, 0), History::default()],
        };
        Self {
            replica: authority.clone(),
            authority,
            deposed: None,
            calls: Vec::new(),
            honest: Some(Token::first(0)),
            thief: None,
            thief_was_active: false,
            over: [false; SESSIONS],
            logged_in: false,
            to_repeat: [false; SESSIONS],
            left,
            moment: 1,
            hour: 0,
            draws: 0,
            broken: None,
        }
    }

    pub fn holder(&self, party: Party) -> Option<Token> {
        match party {
            Party::Honest => self.honest,
            Party::Thief => self.thief,
        }
    }

    /// Whether who sent this call still waits for its answer. Who has got one elsewhere has hung up.
    pub fn waits_for(&self, call: Call) -> bool {
        match call.what {
            What::Refresh(party, token) => self.holder(party) == Some(token),
            What::Login | What::Logout(_) | What::EndSubject => true,
        }
    }

    pub fn server(&self, place: Place) -> Option<&Server> {
        match place {
            Place::Authority => Some(&self.authority),
            Place::Deposed => self.deposed.as_ref(),
        }
    }

    /// Numbers the moments anew, in their order, and forgets what cannot matter any more.
    pub fn settle(&mut self) {
        let oldest = self.deposed.as_ref().unwrap_or(&self.authority).epoch;
        self.calls.retain(|call| call.copies > 0 && call.masters.1 >= oldest);
        if self.left.failovers == 0 {
            self.replica = self.authority.clone();
            for call in &mut self.calls {
                call.masters.1 = call.masters.1.min(self.authority.epoch);
            }
        }
        let mut used = 0_u64;
        self.moments(&mut |moment| used |= 1 << *moment);
        self.moments(&mut |moment| *moment = (used & ((1 << *moment) - 1)).count_ones() as u8);
        self.moment = used.count_ones() as u8;
        self.calls.sort_unstable();
    }

    fn moments(&mut self, each: &mut impl FnMut(&mut u8)) {
        for call in &mut self.calls {
            each(&mut call.sent.moment);
        }
        let servers = [Some(&mut self.authority), Some(&mut self.replica), self.deposed.as_mut()];
        for server in servers.into_iter().flatten() {
            for record in &mut server.records {
                if let Record::Live(live) = record {
                    each(&mut live.created_at.moment);
                    each(&mut live.rotated_at.moment);
                }
            }
            for history in &mut server.history {
                each(&mut history.moved_moment);
            }
        }
    }
}

impl History {
    pub fn begun(first: Token, moment: u8, hour: u8) -> Self {
        let mut history = Self { moved_moment: moment, moved_hour: hour, ..Self::default() };
        history.line[0] = Some(first.jti);
        history
    }

    /// Notes that `presented` was accepted, and `successor` handed out for it; whether both continue the one line.
    pub fn accepted(&mut self, presented: Token, successor: Token) -> bool {
        let continues = successor.generation >= self.newest
            && [presented, successor]
                .iter()
                .all(|token| self.line[usize::from(token.generation)].is_none_or(|known| known == token.jti));
        self.line[usize::from(presented.generation)] = Some(presented.jti);
        self.line[usize::from(successor.generation)] = Some(successor.jti);
        self.newest = successor.generation;
        continues
    }
}
