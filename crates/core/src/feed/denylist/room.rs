//! The room for the ends of a denylist: a number of places. An end takes one, and with a long subject up to four.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::limits::PLACE_BYTES;

#[derive(Debug)]
pub(super) struct Room {
    ends: AtomicUsize,
    bytes: AtomicUsize,
    /// The number of all places.
    most: usize,
}

impl Room {
    pub fn new(most: usize) -> Self {
        Self { ends: AtomicUsize::new(0), bytes: AtomicUsize::new(0), most }
    }

    pub fn ends(&self) -> usize {
        self.ends.load(Ordering::Relaxed)
    }

    /// The places that are taken: as many as there are ends, or more where their bytes need more.
    pub fn places(&self) -> usize {
        self.ends().max(self.bytes.load(Ordering::Relaxed).div_ceil(PLACE_BYTES))
    }

    /// Takes room for one end, if there is so much.
    pub fn take(&self, bytes: usize) -> bool {
        self.ends.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let is_taken = self.places() <= self.most;
        if !is_taken {
            self.give_back(1, bytes);
        }
        is_taken
    }

    pub fn give_back(&self, ends: usize, bytes: usize) {
        self.ends.fetch_sub(ends, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_subjects_take_the_places_of_several_ends_and_give_them_back() {
        let room = Room::new(1000);
        let taken = (0..2000).filter(|_| room.take(346)).count();
        assert_eq!((taken, room.ends(), room.places()), (289, 289, 1000));
        room.give_back(289, 289 * 346);
        assert_eq!((0..2000).filter(|_| room.take(65)).count(), 1000);
    }
}
