//! The world around the table: servers, calls on their way, and their senders.

use std::fmt;

use crate::record::{GENERATIONS, Live, Record, Records, SESSIONS, Stamp, Token};

/// The whole world at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub authority: Server,
    /// Behind the authority by some writes. A failover promotes it.
    pub replica: Server,
    /// The former authority. It goes on answering nodes without knowledge of the failover.
    pub deposed: Option<Server>,
    /// Calls on their way, in no order. A lost call just never arrives.
    pub calls: Vec<Call>,
    /// The next token of client and thief. `None` for a refused party, and for a thief before the theft.
    pub honest: Option<Token>,
    pub thief: Option<Token>,
    /// The thief has presented a token. From now on an accusation may be just.
    pub thief_was_active: bool,
    /// Sessions with an acknowledged end, whatever a failover did to it.
    pub over: [bool; SESSIONS],
    /// The login was answered, so its session may be logged out.
    pub logged_in: bool,
    /// Ends still to be repaired by the nodes.
    pub to_repeat: [bool; SESSIONS],
    pub left: Left,
    /// The next moment. Moments are numbered anew after each step, because only their order matters.
    pub moment: u8,
    pub hour: u8,
    /// Successors drawn at random so far, modulo 5.
    pub draws: u8,
    /// The promise broken by the last step.
    pub broken: Option<Broken>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Server {
    pub records: Records,
    /// The position of its clock against the others.
    pub clock: i8,
    /// The number of primaries before it.
    pub epoch: u8,
    pub history: [History; SESSIONS],
}

/// The true history of a session, as far as it has reached a server. A history is replicated, and lost, with the
/// records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct History {
    /// The token of each generation, granted or accepted. `None` for generations that a rollback has swallowed.
    pub line: [Option<u32>; GENERATIONS + 1],
    pub newest: u8,
    pub moved_moment: u8,
    pub moved_hour: u8,
    pub ended: bool,
    /// The earliest end that a rotation has told, or for which a refresh was refused.
    pub end: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    pub what: What,
    /// The moment of arrival at its node. A logout everywhere asks a server for the time first, and is dated by its
    /// clock.
    pub sent: Stamp,
    /// The number of the primary when the call was sent.
    pub epoch: u8,
    /// The first and the last primary at which the call may arrive. A node never goes back to a former primary.
    pub primaries: (u8, u8),
    /// The number of arrivals still possible.
    pub copies: u8,
    /// Past its deadline.
    pub expired: bool,
    /// The client had hung up before the node got to the call, and the node noticed. A client may still seem present if
    /// it hangs up later, or if its hanging up is held up together with the call.
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
    /// Each party uses one key per presented token, and does not know the other's.
    pub fn attempt(self) -> u8 {
        match self {
            Self::Honest => 1,
            Self::Thief => 2,
        }
    }
}

/// The number of events of each kind still possible. At the beginning, the bounds of a scope.
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
    /// Requests that wait for a busy node.
    pub met_late: u8,
}

/// A broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    SingleUse,
    FalseAlarm,
    MissedReuse,
    Revived,
    LostEnd,
    KilledLogin,
    Spared,
    Outlived,
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
            Self::Outlived => "a session was refreshed after its end",
        })
    }
}

impl World {
    /// The session was created by a node with this absolute lifetime, in hours.
    pub fn new(left: Left, max_age: Option<u8>) -> Self {
        let start = Stamp { clock: 0, moment: 0 };
        let live = Live {
            current: Token::first(0),
            prev: None,
            created_at: start,
            rotated_at: start,
            anchor: 0,
            created_hour: 0,
            end: max_age,
        };
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

    /// Whether the sender of this call still waits for the answer. A sender with an answer from elsewhere has hung up.
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

    /// Numbers the moments anew, in their order, and drops calls that cannot arrive any more. Without failovers left,
    /// the replica equals the authority.
    pub fn normalize(&mut self) {
        let oldest = self.deposed.as_ref().unwrap_or(&self.authority).epoch;
        self.calls.retain(|call| call.copies > 0 && call.primaries.1 >= oldest);
        if self.left.failovers == 0 {
            self.replica = self.authority.clone();
            for call in &mut self.calls {
                call.primaries.1 = call.primaries.1.min(self.authority.epoch);
            }
        }
        let mut used = 0_u64;
        self.moments(&mut |moment| used |= 1 << *moment);
        self.moments(&mut |moment| *moment = (used & ((1 << *moment) - 1)).count_ones() as u8);
        self.moment = used.count_ones() as u8;
        self.calls.sort_unstable();
    }

    pub fn pass_an_hour(&mut self) {
        self.hour += 1;
        let servers = [Some(&mut self.authority), Some(&mut self.replica), self.deposed.as_mut()];
        for server in servers.into_iter().flatten() {
            server.records.iter_mut().for_each(|record| record.expire(self.hour));
        }
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

    /// Notes `presented` as accepted, and `successor` as granted for it. Returns whether both continue the one line.
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
