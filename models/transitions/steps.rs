//! The possible next events, and their effects.

use crate::promises;
use crate::record::{GENERATIONS, Record, SESSIONS, Stamp, Token};
use crate::table::{Answer, Dated, Doubles, Everywhere, Now, Rotation, Successor, Table};
use crate::world::{Call, History, Left, Party, Place, Server, What, World};

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A node sends a call, and takes this server for the primary.
    Send(What, Place),
    Steal,
    /// A busy node gets to a request only now, and dates it as if it had just arrived.
    Meet(Call),
    Arrive {
        call: Call,
        at: Place,
        /// Whether the answer reaches its caller.
        heard: bool,
        /// The absolute lifetime of sessions, in hours, as the calling node is set.
        max_age: Option<u8>,
    },
    /// The replica has caught up.
    Replicate,
    /// The replica is promoted. `clock` compares its clock with the former primary's.
    FailOver {
        clock: i8,
    },
    /// A node repairs a lost end, out of its denylist.
    Repeat(usize),
    /// The deadline of all logins on their way passes.
    Deadline,
    /// The tombstone expires.
    Forget(usize),
    /// An hour goes by. A grace window may close.
    Hour,
}

/// The bounds of a search, and its assumptions.
#[derive(Debug, Clone)]
pub struct Scope {
    pub name: &'static str,
    pub left: Left,
    /// The number of possible arrivals of one call.
    pub copies: u8,
    /// Hours of grace after a rotation.
    pub grace: u8,
    /// The clocks of a promoted server: 0 agrees with the former primary's, 1 is ahead, -1 is behind.
    pub clocks: &'static [i8],
    /// The absolute lifetimes in hours, as nodes are set while the setting is changed. The first one made the session.
    pub max_ages: &'static [Option<u8>],
}

impl Scope {
    pub fn steps(&self, world: &World, steps: &mut Vec<Step>) {
        self.sending(world, steps);
        for &call in &world.calls {
            self.arriving(world, call, steps);
            let is_waiting = call.copies == self.copies && !call.hung_up;
            if world.left.met_late > 0 && is_waiting && matches!(call.what, What::Refresh(..)) {
                steps.push(Step::Meet(call));
            }
        }
        if world.left.failovers > 0 {
            if world.replica != world.authority {
                steps.push(Step::Replicate);
            }
            steps.extend(self.clocks.iter().map(|&clock| Step::FailOver { clock }));
        }
        let logins = || world.calls.iter().filter(|call| call.what == What::Login);
        if logins().any(|call| !call.expired) {
            steps.push(Step::Deadline);
        }
        for session in 0..SESSIONS {
            if world.to_repeat[session] {
                steps.push(Step::Repeat(session));
            }
            let ended = world.authority.records[session] == Record::Ended;
            if ended && world.left.forgotten > 0 && logins().all(|call| call.expired) {
                steps.push(Step::Forget(session));
            }
        }
        if world.left.hours > 0 {
            steps.push(Step::Hour);
        }
    }

    fn arriving(&self, world: &World, call: Call, steps: &mut Vec<Step>) {
        for at in [Place::Authority, Place::Deposed] {
            let (first, last) = call.primaries;
            if !world.server(at).is_some_and(|server| (first..=last).contains(&server.epoch)) {
                continue;
            }
            for &max_age in self.max_ages {
                steps.push(Step::Arrive { call, at, heard: true, max_age });
                if world.waits_for(call) {
                    steps.push(Step::Arrive { call, at, heard: false, max_age });
                }
            }
        }
    }

    /// The time of a server, and the policy of the calling node.
    fn now(&self, world: &World, at: Place, max_age: Option<u8>) -> Now {
        let clock = world.server(at).map_or(0, |server| server.clock);
        let time = Stamp { clock, moment: world.moment };
        Now { time, hour: world.hour, grace: self.grace, max_age }
    }

    fn sending(&self, world: &World, steps: &mut Vec<Step>) {
        let left = &world.left;
        let within = |token: Option<Token>| token.filter(|token| usize::from(token.generation) < GENERATIONS);
        if let Some(token) = within(world.honest) {
            if left.refreshes > 0 {
                steps.push(Step::Send(What::Refresh(Party::Honest, token), Place::Authority));
            }
            if left.thefts > 0 && world.thief.is_none() {
                steps.push(Step::Steal);
            }
        }
        if let Some(token) = within(world.thief)
            && left.thefts > 0
        {
            steps.push(Step::Send(What::Refresh(Party::Thief, token), Place::Authority));
        }
        if left.logins > 0 {
            steps.push(Step::Send(What::Login, Place::Authority));
        }
        if left.logouts > 0 {
            steps.push(Step::Send(What::Logout(0), Place::Authority));
            if world.logged_in {
                steps.push(Step::Send(What::Logout(1), Place::Authority));
            }
        }
        if left.end_subjects > 0 {
            steps.push(Step::Send(What::EndSubject, Place::Authority));
            if world.deposed.is_some() {
                steps.push(Step::Send(What::EndSubject, Place::Deposed));
            }
        }
    }
}

/// The world after a step, and the answer to a refresh that arrives in it.
pub fn take(table: &Table, scope: &Scope, before: &World, step: Step) -> (World, Option<Answer>) {
    let mut world = before.clone();
    let answer = match step {
        Step::Send(what, to) => {
            send(table, scope, &mut world, what, to);
            None
        }
        Step::Arrive { call, at, heard, max_age } => {
            arrive(table, &mut world, (call, at, heard), scope.now(before, at, max_age))
        }
        other => {
            happen(table, &mut world, other);
            None
        }
    };
    world.normalize();
    (world, answer)
}

fn happen(table: &Table, world: &mut World, step: Step) {
    match step {
        Step::Steal => world.thief = world.honest,
        Step::Meet(call) => meet(world, call),
        Step::Replicate => world.replica = world.authority.clone(),
        Step::FailOver { clock } => fail_over(table, world, clock),
        Step::Repeat(session) => {
            world.to_repeat[session] = false;
            end_session(&mut world.authority, session);
        }
        Step::Deadline => expire_logins(world),
        Step::Forget(session) => forget(world, session),
        Step::Hour => {
            world.left.hours -= 1;
            world.pass_an_hour();
        }
        Step::Send(..) | Step::Arrive { .. } => {}
    }
}

fn send(table: &Table, scope: &Scope, world: &mut World, what: What, to: Place) {
    let left = match what {
        What::Refresh(Party::Honest, _) => &mut world.left.refreshes,
        What::Refresh(Party::Thief, _) => &mut world.left.thefts,
        What::Login => &mut world.left.logins,
        What::Logout(_) => &mut world.left.logouts,
        What::EndSubject => &mut world.left.end_subjects,
    };
    *left -= 1;
    world.thief_was_active |= matches!(what, What::Refresh(Party::Thief, _));
    let asked = world.server(to).expect("only a server that is there is asked");
    let (epoch, sent) = (world.authority.epoch, Stamp { clock: asked.clock, moment: world.moment });
    let primaries = match (what, table.everywhere) {
        (What::EndSubject, Everywhere::AskedOnce) => (asked.epoch, u8::MAX),
        (What::EndSubject, Everywhere::AskedAnew) => (asked.epoch, asked.epoch),
        _ => (0, u8::MAX),
    };
    world.calls.push(Call {
        what,
        sent,
        epoch,
        primaries,
        copies: scope.copies,
        expired: false,
        hung_up: false,
    });
}

fn meet(world: &mut World, call: Call) {
    world.left.met_late -= 1;
    let Server { clock, epoch, .. } = world.authority;
    let sent = Stamp { clock, moment: world.moment };
    let met = Call { sent, epoch, hung_up: !world.waits_for(call), ..call };
    if let Some(waiting) = world.calls.iter_mut().find(|waiting| **waiting == call) {
        *waiting = met;
    }
}

fn fail_over(table: &Table, world: &mut World, clock: i8) {
    world.left.failovers -= 1;
    let Server { clock: former, epoch, .. } = world.authority;
    let promoted = Server { clock: former + clock, epoch: epoch + 1, ..world.replica.clone() };
    world.deposed = Some(std::mem::replace(&mut world.authority, promoted));
    world.replica = world.authority.clone();
    if table.repeats_lost_ends {
        world.to_repeat = world.over;
    }
}

fn expire_logins(world: &mut World) {
    for call in world.calls.iter_mut().filter(|call| call.what == What::Login) {
        call.expired = true;
    }
}

fn forget(world: &mut World, session: usize) {
    world.left.forgotten -= 1;
    for server in
        [Some(&mut world.authority), Some(&mut world.replica), world.deposed.as_mut()].into_iter().flatten()
    {
        if server.records[session] == Record::Ended {
            server.records[session] = Record::Missing;
        }
    }
}

fn arrive(
    table: &Table,
    world: &mut World,
    (call, at, heard): (Call, Place, bool),
    now: Now,
) -> Option<Answer> {
    let before = world.server(at)?.clone();
    let mut after = before.clone();
    let answer = carry_out(table, world, &mut after, call, now);
    world.broken = promises::broken(world, call, answer, &before, &mut after, now);
    if let Some(sent) = world.calls.iter_mut().find(|sent| **sent == call) {
        sent.copies -= 1;
        if heard && table.doubles == Doubles::BeforeTheAnswer {
            sent.primaries.1 = sent.primaries.1.min(before.epoch);
        }
    }
    if heard {
        hear(world, call, answer, &after);
        let ended = (0..SESSIONS).filter(|&session| {
            before.records[session].live().is_some() && after.records[session] == Record::Ended
        });
        for session in ended {
            world.over[session] = true;
            world.to_repeat[session] = at == Place::Deposed && table.repeats_lost_ends;
        }
    }
    match at {
        Place::Authority => world.authority = after,
        Place::Deposed => world.deposed = Some(after),
    }
    answer
}

fn carry_out(table: &Table, world: &mut World, server: &mut Server, call: Call, now: Now) -> Option<Answer> {
    match call.what {
        What::Refresh(party, presented) => {
            let successor = presented.successor(match table.successor {
                Successor::Derived => party.attempt(),
                Successor::Drawn => draw(world),
            });
            let sent_at = match table.dated {
                Dated::OnItsConnection if call.epoch < server.epoch => Stamp { clock: i8::MIN, moment: 0 },
                _ => Stamp { clock: server.clock, ..call.sent },
            };
            let rotation = Rotation { presented, successor, sent_at, accuse: false };
            let answer = table.rotate(&mut server.records, rotation, now);
            if answer != Answer::Suspect || call.hung_up {
                return Some(answer);
            }
            // The first ask has written nothing. So a later second ask is the same as a later call.
            return Some(table.rotate(&mut server.records, Rotation { accuse: true, ..rotation }, now));
        }
        What::Login => {
            table.create(&mut server.records[1], call.expired, Token::first(1), now);
        }
        What::Logout(session) => end_session(server, session),
        What::EndSubject => table.end_subject(&mut server.records, call.sent, now),
    }
    None
}

fn draw(world: &mut World) -> u8 {
    world.draws = (world.draws + 1) % 5;
    3 + world.draws
}

fn end_session(server: &mut Server, session: usize) {
    if server.records[session].live().is_some() {
        server.history[session].ended = true;
    }
    Table::end_session(&mut server.records[session]);
}

/// The caller acts on the answer.
fn hear(world: &mut World, call: Call, answer: Option<Answer>, after: &Server) {
    world.logged_in |= call.what == What::Login && after.records[1].live().is_some();
    let (What::Refresh(party, presented), Some(answer)) = (call.what, answer) else { return };
    if world.holder(party) != Some(presented) {
        return;
    }
    let next = match answer {
        Answer::Late | Answer::Suspect => Some(presented),
        other => other.successor(),
    };
    match party {
        Party::Honest => world.honest = next,
        Party::Thief => world.thief = next,
    }
}

impl Server {
    /// Begins the history of a session just made by this server.
    pub fn begin(&mut self, session: usize, now: Now) {
        self.history[session] = History::begun(Token::first(session), now.time.moment, now.hour);
    }
}
