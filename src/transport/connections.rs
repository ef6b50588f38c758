//! The connections of one worker: their number is bounded, and each is looked at once per tick.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};

use actix_server::GracefulShutdownSignal;
use tokio::time::sleep;

use super::connection::{Connection, Place};
use super::ticks::{TICK, Ticks};
use crate::telemetry::metrics::{Closed, ConnectionMetrics};

/// All connections of one worker.
pub struct Connections {
    limit: usize,
    open: RefCell<HashMap<u64, Rc<Connection>>>,
    last_key: Cell<u64>,
    now: Cell<Ticks>,
    stops: Cell<Option<Ticks>>,
    candidates: RefCell<Candidates>,
    pub metrics: ConnectionMetrics,
}

/// Connections that can be closed for room, the next one at the end. Listing takes a look at each connection, so a list must
/// pay: see `may_be_listed`.
#[derive(Default)]
struct Candidates {
    places: VecDeque<(Place, u64)>,
    listed: Option<Ticks>,
    /// Places that the list has given.
    used: usize,
}

impl Candidates {
    /// Once per tick, or after a list that has given a place for every eighth connection.
    fn may_be_listed(&self, now: Ticks, open: usize) -> bool {
        self.listed != Some(now) || self.used * 8 > open
    }
}

impl Connections {
    /// Starts to look at them, on the current worker.
    pub fn start(limit: usize, metrics: ConnectionMetrics, stop: GracefulShutdownSignal) -> Rc<Self> {
        let connections = Rc::new(Self::new(limit, metrics));
        actix_web::rt::spawn(keep_looking(Rc::downgrade(&connections)));
        let stopped = Rc::downgrade(&connections);
        actix_web::rt::spawn(async move {
            stop.notified().await;
            if let Some(connections) = stopped.upgrade() {
                connections.stops.set(Some(connections.now()));
            }
        });
        connections
    }

    pub(super) fn new(limit: usize, metrics: ConnectionMetrics) -> Self {
        Self {
            limit,
            open: RefCell::default(),
            last_key: Cell::new(0),
            now: Cell::default(),
            stops: Cell::default(),
            candidates: RefCell::default(),
            metrics,
        }
    }

    pub fn now(&self) -> Ticks {
        self.now.get()
    }

    /// A place for a new connection, with its key. `None` where all others have complete requests.
    pub fn admit(&self) -> Option<(u64, Rc<Connection>)> {
        if self.open.borrow().len() >= self.limit && !self.make_room() {
            self.metrics.closed(Closed::Refused);
            return None;
        }
        let key = self.last_key.get() + 1;
        self.last_key.set(key);
        let connection = Rc::new(Connection::new(self.now()));
        self.open.borrow_mut().insert(key, connection.clone());
        self.metrics.opened();
        Some((key, connection))
    }

    /// The connection with this key has ended.
    pub fn ended(&self, key: u64) {
        self.open.borrow_mut().remove(&key);
        self.metrics.ended();
    }

    fn make_room(&self) -> bool {
        let mut candidates = self.candidates.borrow_mut();
        loop {
            while let Some((listed, key)) = candidates.places.pop_back() {
                match self.place(key) {
                    Some(place) if place == listed => {
                        candidates.used += 1;
                        self.close_for_room(key);
                        return true;
                    }
                    Some(moved) => candidates.places.push_front((moved, key)), // it is closed where no other is left
                    None => {}
                }
            }
            if !candidates.may_be_listed(self.now(), self.limit) {
                return false;
            }
            *candidates = Candidates { places: self.closable(), listed: Some(self.now()), used: 0 };
        }
    }

    fn place(&self, key: u64) -> Option<Place> {
        self.open.borrow().get(&key)?.place()
    }

    /// Its place is free at once.
    fn close_for_room(&self, key: u64) {
        if let Some(connection) = self.open.borrow_mut().remove(&key) {
            self.close(&connection, Closed::Room);
        }
    }

    /// The next one to close is at the end.
    fn closable(&self) -> VecDeque<(Place, u64)> {
        let open = self.open.borrow();
        let mut places: Vec<_> =
            open.iter().filter_map(|(key, connection)| Some((connection.place()?, *key))).collect();
        places.sort_unstable_by(|one, other| other.cmp(one));
        places.into()
    }

    fn close(&self, connection: &Connection, cause: Closed) {
        self.metrics.closed(cause);
        connection.close(cause);
    }

    /// Closes what is overdue.
    fn look(&self) {
        self.now.set(Ticks(self.now().0 + 1));
        for connection in self.open.borrow().values().filter(|connection| connection.closed().is_none()) {
            if let Some(cause) = connection.overdue(self.now(), self.stops.get()) {
                self.close(connection, cause);
            }
        }
    }
}

async fn keep_looking(connections: Weak<Connections>) {
    loop {
        sleep(TICK).await;
        let Some(connections) = connections.upgrade() else { return };
        connections.look();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;
    use crate::transport::exchange::BodyLength;

    fn full(limit: usize) -> (Connections, Vec<Rc<Connection>>) {
        let connections = Connections::new(limit, Metrics::new().connections.clone());
        let open = (0..limit).map(|_| connections.admit().expect("room").1).collect();
        (connections, open)
    }

    #[test]
    fn a_new_connection_takes_the_place_of_the_oldest_that_is_idle() {
        let (connections, open) = full(3);
        open[0].pass(b"GET / HTTP/1.1\r\n\r\n", Ticks(0));
        open[0].begin(BodyLength::None, Ticks(0));
        connections.look();
        assert!(connections.admit().is_some() && connections.admit().is_some());
        let closed: Vec<_> = open.iter().map(|connection| connection.closed()).collect();
        assert_eq!(closed, [None, Some(Closed::Room), Some(Closed::Room)]);
    }

    #[test]
    fn a_burst_of_new_connections_finds_room() {
        let (connections, _) = full(20);
        assert!((0..1000).all(|_| connections.admit().is_some()));
    }

    #[test]
    fn where_all_are_busy_a_new_connection_is_refused() {
        let (connections, open) = full(2);
        for connection in &open {
            connection.pass(b"GET / HTTP/1.1\r\n\r\n", Ticks(0));
            connection.begin(BodyLength::None, Ticks(0));
        }
        assert!(connections.admit().is_none());
        connections.ended(1);
        assert!(connections.admit().is_some());
    }

    /// Otherwise a flood of new connections would keep a full worker busy.
    #[test]
    fn where_all_are_busy_they_are_looked_at_once_per_tick() {
        let (connections, open) = full(1);
        open[0].pass(b"GET / HTTP/1.1\r\n\r\n", Ticks(0));
        open[0].begin(BodyLength::None, Ticks(0));
        assert!(connections.admit().is_none());
        open[0].answer(false, Ticks(0));
        open[0].answered();
        open[0].flushed(Ticks(0));
        assert!(connections.admit().is_none(), "nobody looks again in this tick");
        connections.look();
        assert!(connections.admit().is_some());
    }

    #[test]
    fn what_is_overdue_is_closed_once() {
        let (connections, open) = full(1);
        (0..200).for_each(|_| connections.look());
        assert_eq!(open[0].closed(), Some(Closed::Idle));
        assert_eq!(connections.metrics.count(Closed::Idle), 1);
    }
}
