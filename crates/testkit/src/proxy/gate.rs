//! Holds back by hand the calls of gateways, or makes them vanish.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

/// Connections are numbered in the order of their arrival.
#[derive(Default)]
pub struct Gate {
    accepted: AtomicUsize,
    /// Connections below this number are held.
    held: Mutex<usize>,
    opened: Condvar,
    /// Connections below this number are black holes.
    swallowed: AtomicUsize,
    /// Replicas, present and future, are behind a black hole.
    parted: AtomicBool,
}

impl Gate {
    pub fn accept(&self) -> usize {
        self.accepted.fetch_add(1, Ordering::SeqCst)
    }

    /// Returns when nothing is held on this connection.
    pub fn pass(&self, number: usize) {
        let held = self.held.lock().unwrap();
        drop(self.opened.wait_while(held, |held| number < *held).unwrap());
    }

    pub fn swallows(&self, number: usize) -> bool {
        number < self.swallowed.load(Ordering::SeqCst)
    }

    pub fn is_parted(&self) -> bool {
        self.parted.load(Ordering::SeqCst)
    }

    pub fn part(&self) {
        self.parted.store(true, Ordering::SeqCst);
    }

    pub fn hold_all(&self) {
        self.hold_below(usize::MAX);
    }

    pub fn hold_existing(&self) {
        self.hold_below(self.accepted.load(Ordering::SeqCst));
    }

    pub fn swallow_existing(&self) {
        self.swallowed.store(self.accepted.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    pub fn release(&self) {
        self.hold_below(0);
    }

    fn hold_below(&self, number: usize) {
        *self.held.lock().unwrap() = number;
        self.opened.notify_all();
    }
}
