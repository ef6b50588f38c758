//! The table of transitions, line by line, with the alternatives of each line.
//!
//! ARCHITECTURE.md, `rotate.lua` and `src/store/memory/transitions.rs` have the same lines. `embedded` compares the table
//! with the embedded store.

use crate::record::{Live, Record, Records, Stamp, Token};

/// The table as it is, or with one line changed.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub missing: Missing,
    pub age: Age,
    pub ended: Ended,
    /// The attempt behind the last rotation gets its answer again.
    pub replays_the_attempt: bool,
    pub successor: Successor,
    /// The current token gets a successor.
    pub rotates: bool,
    pub grace: Grace,
    pub ahead: Ahead,
    pub late: Late,
    /// No client is accused on the first ask.
    pub suspects: bool,
    pub reuse: Reuse,
    pub create: Create,
    pub end_subject: EndSubject,
    /// A session from the future counts as older than any call.
    pub ends_the_future: bool,
    /// Nodes keep ended sessions in their denylists, and repair an end after a failover has lost it.
    pub repeats_lost_ends: bool,
    pub dated: Dated,
    pub everywhere: Everywhere,
    pub doubles: Doubles,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    Unknown,
    /// The signed token is believed, and the record is written anew.
    Believed,
}

/// The end of a session's absolute lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// The least of the stored end, and of the node's setting counted from the creation. A rotation writes it.
    Least,
    /// The stored end, whatever the setting is now.
    Stored,
    /// The node's setting counted from the creation, whatever is stored.
    Own,
    /// The least, but a rotation does not write it.
    Unwritten,
    /// The least, but a record that is over stays when its refresh is refused.
    Kept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Refused,
    Reuse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Successor {
    Derived,
    Drawn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// The same successor, in a window anchored at the rotation.
    Anchored,
    Forks,
    Reanchors,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    Healed,
    /// A token is healed if its generation is not behind, whatever its `jti`.
    HealedWithoutJti,
    LeftOut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// At most so many generations behind. A call held up for more than a few milliseconds is late at any generation,
    /// but moments have no length here, so the model leaves such calls out.
    Within(u8),
    Unlimited,
    /// Every call, whenever it was sent.
    Always,
    LeftOut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    EndsOlder,
    EndsAll,
    EndsOwn,
    OnlyRefuses,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Create {
    Checked,
    WithoutTombstone,
    WithoutDeadline,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndSubject {
    EndsOlder,
    EndsAll,
}

/// The way in which a node dates a call by the clock of its primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dated {
    /// By the moment of arrival, whenever it was.
    AnyMoment,
    /// Not at all if the call arrived before the node knew that primary.
    OnItsConnection,
}

/// The clock for a logout everywhere on its second way, to the next primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Everywhere {
    /// The clock of the first primary.
    AskedOnce,
    /// The clock of the next primary, asked anew.
    AskedAnew,
}

/// The moment at which the doubles of a call have set out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubles {
    /// Only the primary asked last is believed.
    BeforeTheAnswer,
    AtAnyTime,
}

/// A refresh, as the script sees it.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    pub presented: Token,
    pub successor: Token,
    /// By the clock of the server that runs the script.
    pub sent_at: Stamp,
    /// A second ask, by a node with its client still there.
    pub accuse: bool,
}

/// The server's time, and its policy.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub time: Stamp,
    pub hour: u8,
    /// Hours of grace after a rotation.
    pub grace: u8,
    /// Hours of absolute lifetime, as the node is set.
    pub max_age: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Unknown,
    Ended,
    Replayed(Token),
    Rotated(Token),
    RolledBack(Token),
    Late,
    Suspect,
    Reused,
}

impl Answer {
    /// The successor, if the token was accepted.
    pub fn successor(self) -> Option<Token> {
        match self {
            Self::Replayed(token) | Self::Rotated(token) | Self::RolledBack(token) => Some(token),
            Self::Unknown | Self::Ended | Self::Late | Self::Suspect | Self::Reused => None,
        }
    }
}

impl Table {
    /// The lines as they are.
    pub const FULL: Self = Self {
        missing: Missing::Unknown,
        age: Age::Least,
        ended: Ended::Refused,
        replays_the_attempt: true,
        successor: Successor::Derived,
        rotates: true,
        grace: Grace::Anchored,
        ahead: Ahead::Healed,
        late: Late::Within(4),
        suspects: true,
        reuse: Reuse::EndsOlder,
        create: Create::Checked,
        end_subject: EndSubject::EndsOlder,
        ends_the_future: true,
        repeats_lost_ends: true,
        dated: Dated::OnItsConnection,
        everywhere: Everywhere::AskedAnew,
        doubles: Doubles::BeforeTheAnswer,
    };

    pub fn rotate(&self, records: &mut Records, call: Rotation, now: Now) -> Answer {
        let Rotation { presented, successor, sent_at, accuse } = call;
        let live = match &mut records[usize::from(presented.session)] {
            Record::Missing if self.missing == Missing::Unknown => return Answer::Unknown,
            record @ Record::Missing => {
                *record = Record::Live(moved(self.begun(presented, now), call, now));
                return Answer::Rotated(successor);
            }
            Record::Ended if self.ended == Ended::Refused => return Answer::Ended,
            Record::Ended => return self.reuse(records, call, now),
            Record::Live(live) => live,
        };
        let end = self.end(live, now);
        if end.is_some_and(|end| now.hour >= end) {
            if self.age != Age::Kept {
                records[usize::from(presented.session)] = Record::Missing;
            }
            return Answer::Unknown;
        }
        let is_prev = live.prev == Some(presented);
        if is_prev && live.current == successor && self.replays_the_attempt {
            return Answer::Replayed(live.current);
        }
        if presented == live.current && self.rotates {
            *live = moved(self.until(end, *live), call, now);
            return Answer::Rotated(successor);
        }
        if is_prev && now.hour - live.anchor < now.grace {
            return self.in_grace(live, call, now);
        }
        if self.is_ahead(presented, live.current) {
            *live = moved(self.until(end, *live), call, now);
            return Answer::RolledBack(successor);
        }
        let was_before = sent_at <= live.rotated_at || self.late == Late::Always;
        if was_before && self.may_be_late(presented, live.current) {
            return Answer::Late;
        }
        if self.suspects && !accuse {
            return Answer::Suspect;
        }
        self.reuse(records, call, now)
    }

    /// The end of the session, as this node knows it.
    fn end(&self, live: &Live, now: Now) -> Option<u8> {
        let own = now.max_age.map(|hours| live.created_hour + hours);
        match self.age {
            Age::Least | Age::Unwritten | Age::Kept => live.end.into_iter().chain(own).min(),
            Age::Stored => live.end,
            Age::Own => own,
        }
    }

    /// The record with the end that a rotation writes.
    fn until(&self, end: Option<u8>, live: Live) -> Live {
        if self.age == Age::Unwritten { live } else { Live { end, ..live } }
    }

    /// The record of a new session.
    fn begun(&self, first: Token, now: Now) -> Live {
        Live {
            current: first,
            prev: None,
            created_at: now.time,
            rotated_at: now.time,
            anchor: now.hour,
            created_hour: now.hour,
            end: now.max_age.map(|hours| now.hour + hours),
        }
    }

    fn in_grace(&self, live: &mut Live, call: Rotation, now: Now) -> Answer {
        match self.grace {
            Grace::Anchored => {}
            Grace::Forks => *live = moved(*live, call, now),
            Grace::Reanchors => live.anchor = now.hour,
        }
        Answer::Replayed(live.current)
    }

    fn is_ahead(&self, presented: Token, current: Token) -> bool {
        match self.ahead {
            Ahead::Healed => presented.generation > current.generation,
            Ahead::HealedWithoutJti => presented.generation >= current.generation,
            Ahead::LeftOut => false,
        }
    }

    fn may_be_late(&self, presented: Token, current: Token) -> bool {
        match self.late {
            Late::Within(generations) => presented.generation + generations >= current.generation,
            Late::Unlimited | Late::Always => true,
            Late::LeftOut => false,
        }
    }

    fn reuse(&self, records: &mut Records, call: Rotation, now: Now) -> Answer {
        let own = usize::from(call.presented.session);
        if self.reuse == Reuse::OnlyRefuses {
            return Answer::Reused;
        }
        records[own] = Record::Ended;
        match self.reuse {
            Reuse::EndsOlder => self.end_older(records, call.sent_at, now),
            Reuse::EndsAll => end_all(records),
            Reuse::EndsOwn | Reuse::OnlyRefuses => {}
        }
        Answer::Reused
    }

    /// Whether the session now exists, made by this call or by its double.
    pub fn create(&self, record: &mut Record, expired: bool, first: Token, now: Now) -> bool {
        match record {
            Record::Live(live) => return live.current == first,
            Record::Ended if self.create != Create::WithoutTombstone => return false,
            Record::Ended | Record::Missing => {}
        }
        if expired && self.create != Create::WithoutDeadline {
            return false;
        }
        *record = Record::Live(self.begun(first, now));
        true
    }

    /// Ends a session and leaves a tombstone. A missing session stays missing.
    pub fn end_session(record: &mut Record) {
        if record.live().is_some() {
            *record = Record::Ended;
        }
    }

    pub fn end_subject(&self, records: &mut Records, sent_at: Stamp, now: Now) {
        match self.end_subject {
            EndSubject::EndsOlder => self.end_older(records, sent_at, now),
            EndSubject::EndsAll => end_all(records),
        }
    }

    fn end_older(&self, records: &mut Records, sent_at: Stamp, now: Now) {
        let from_the_future = |created_at| self.ends_the_future && created_at > now.time;
        for record in records {
            if record
                .live()
                .is_some_and(|live| live.created_at <= sent_at || from_the_future(live.created_at))
            {
                *record = Record::Ended;
            }
        }
    }
}

fn end_all(records: &mut Records) {
    records.iter_mut().for_each(Table::end_session);
}

fn moved(live: Live, call: Rotation, now: Now) -> Live {
    let (current, prev) = (call.successor, Some(call.presented));
    Live { current, prev, rotated_at: now.time, anchor: now.hour, ..live }
}
