//! The conditions after each arrival, judged with a view of the whole world.

use crate::record::{SESSIONS, Token};
use crate::table::{Answer, Now};
use crate::world::{Broken, Call, History, Party, Server, What, World};

/// Where clocks disagree, a superseded token may pass for a late one if it is at most this many generations behind.
const EXCUSED: u8 = 4;

/// Returns the promise broken by an arrival. `before` and `after` are the answering server; its history in `after`
/// notes the arrival.
pub fn broken(
    world: &World,
    call: Call,
    answer: Option<Answer>,
    before: &Server,
    after: &mut Server,
    now: Now,
) -> Option<Broken> {
    let refreshed = match (call.what, answer) {
        (What::Refresh(party, presented), Some(answer)) => {
            let accusing = answer == Answer::Reused && !world.thief_was_active;
            accusing
                .then_some(Broken::FalseAlarm)
                .or_else(|| refreshed(call, (party, presented), answer, before, after, now))
        }
        _ => None,
    };
    refreshed.or_else(|| (0..SESSIONS).find_map(|session| lived(call, answer, before, after, now, session)))
}

fn refreshed(
    call: Call,
    (party, presented): (Party, Token),
    answer: Answer,
    before: &Server,
    after: &mut Server,
    now: Now,
) -> Option<Broken> {
    let session = usize::from(presented.session);
    let was = before.history[session];
    // A client gets nothing after it hung up, and is not accused.
    let refused = matches!(answer, Answer::Reused | Answer::Ended | Answer::Unknown | Answer::Suspect);
    if !refused && must_alarm(call, party, presented, before, now) {
        return Some(Broken::MissedReuse);
    }
    let told = before.records[session].live().and_then(|live| now.max_age.map(|age| live.created_hour + age));
    let is_over = |end: Option<u8>| end.is_some_and(|end| now.hour >= end);
    if answer == Answer::Unknown && is_over(told) {
        after.history[session].end = was.end.into_iter().chain(told).min();
    }
    let successor = answer.successor()?;
    if is_over(was.end) || is_over(told) {
        return Some(Broken::Outlived);
    }
    let history = &mut after.history[session];
    if !matches!(answer, Answer::Replayed(_)) {
        (history.moved_moment, history.moved_hour) = (now.time.moment, now.hour);
        history.end = history.end.into_iter().chain(told).min();
    }
    let continues = history.accepted(presented, successor);
    (!continues && !was.ended).then_some(Broken::SingleUse)
}

/// The token was superseded when it was sent, and the server can tell.
fn must_alarm(call: Call, party: Party, presented: Token, before: &Server, now: Now) -> bool {
    let session = usize::from(presented.session);
    let (history, record) = (before.history[session], before.records[session]);
    let Some(live) = record.live() else { return false };
    let comparable = (live.rotated_at.clock == before.clock && call.epoch >= before.epoch)
        || presented.generation + EXCUSED < live.current.generation;
    history.supersedes(presented)
        && !history.is_answer_of(presented, party)
        && !history.is_in_grace(presented, now)
        && call.sent.moment > history.moved_moment
        && comparable
}

/// Judges the effect of a call on a session's life.
fn lived(
    call: Call,
    answer: Option<Answer>,
    before: &Server,
    after: &mut Server,
    now: Now,
    session: usize,
) -> Option<Broken> {
    let (was, is) = (before.records[session].live(), after.records[session].live().copied());
    if was.is_none() && is.is_some() {
        let ended = before.history[session].ended;
        if call.what == What::Login {
            after.begin(session, now);
        }
        return ended.then_some(Broken::Revived);
    }
    let was = was?;
    let own = matches!(call.what, What::Refresh(_, token) if usize::from(token.session) == session);
    let ends_many = call.what == What::EndSubject || answer == Some(Answer::Reused);
    if is.is_some() {
        let older = was.created_at.moment < call.sent.moment;
        return (ends_many && older).then_some(Broken::Spared);
    }
    after.history[session].ended = true;
    let newer = was.created_at.moment > call.sent.moment;
    (ends_many && newer && !own).then_some(Broken::KilledLogin)
}

impl History {
    fn supersedes(&self, token: Token) -> bool {
        let known = self.line[usize::from(token.generation)];
        token.generation < self.newest || known.is_some_and(|known| known != token.jti)
    }

    /// The newest token is the answer to this party's attempt with the presented one.
    fn is_answer_of(&self, presented: Token, party: Party) -> bool {
        let successor = presented.successor(party.attempt());
        successor.generation == self.newest && self.line[usize::from(self.newest)] == Some(successor.jti)
    }

    fn is_in_grace(&self, presented: Token, now: Now) -> bool {
        presented.generation + 1 == self.newest
            && self.line[usize::from(presented.generation)] == Some(presented.jti)
            && now.hour - self.moved_hour < now.grace
    }
}

/// An end was acknowledged and lost, and no node is going to repair it.
pub fn end_is_lost(world: &World) -> bool {
    (0..SESSIONS).any(|session| {
        let live = world.authority.records[session].live().is_some();
        world.over[session] && live && !world.to_repeat[session]
    })
}
