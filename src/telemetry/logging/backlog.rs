//! Lines that wait to be written, and their bound.

use std::collections::VecDeque;

use jiff::Timestamp;

/// Bytes that may wait. As many may be with the writing thread besides.
const BACKLOG_LEN: usize = 1 << 20;

/// The cost of a line beside its text, in bytes.
const LINE_COST: usize = 64;

/// Where the backlog is full, the newest line of the lowest rank is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    Ordinary,
    Warning,
    /// A theft, a panic, or the last words of a process.
    Alarm,
}

#[derive(Default)]
pub struct Backlog {
    /// One for each rank.
    queues: [VecDeque<Waiting>; 3],
    /// Bytes that wait.
    len: usize,
    /// The number of the next line.
    next: u64,
    dropped: Option<Dropped>,
}

struct Waiting {
    number: u64,
    line: String,
}

/// Lines dropped and not reported yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    pub lines: u64,
    pub alarms: u64,
    pub since: Timestamp,
}

/// Lines on their way out.
pub struct Batch([VecDeque<Waiting>; 3]);

impl Backlog {
    /// Puts a line behind the others. Returns the number of lines dropped for it, or of itself.
    pub fn push(&mut self, rank: Rank, line: String) -> u64 {
        let (mut evicted, needed) = (0, line.len() + LINE_COST);
        while self.len + needed > BACKLOG_LEN {
            if needed > BACKLOG_LEN || !self.evict_below(rank) {
                self.count(evicted + 1, u64::from(rank == Rank::Alarm));
                return evicted + 1;
            }
            evicted += 1;
        }
        self.len += needed;
        self.queues[rank as usize].push_back(Waiting { number: self.next, line });
        self.next += 1;
        self.count(evicted, 0);
        evicted
    }

    fn evict_below(&mut self, rank: Rank) -> bool {
        let Some(evicted) = self.queues[..rank as usize].iter_mut().find_map(VecDeque::pop_back) else {
            return false;
        };
        self.len -= evicted.line.len() + LINE_COST;
        true
    }

    fn count(&mut self, lines: u64, alarms: u64) {
        if lines > 0 {
            let now = || Dropped { lines: 0, alarms: 0, since: Timestamp::now() };
            let dropped = self.dropped.get_or_insert_with(now);
            dropped.lines += lines;
            dropped.alarms += alarms;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes all lines out, and the count of dropped ones.
    pub fn take(&mut self) -> (Batch, Option<Dropped>) {
        self.len = 0;
        (Batch(std::mem::take(&mut self.queues)), self.dropped.take())
    }
}

impl Batch {
    /// The lines in their order.
    pub fn into_text(self) -> String {
        let mut lines: Vec<_> = self.0.into_iter().flatten().collect();
        lines.sort_by_key(|waiting| waiting.number);
        lines.into_iter().map(|waiting| waiting.line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills a backlog with lines of a rank; returns their number.
    fn fill(backlog: &mut Backlog, rank: Rank) -> u64 {
        let room = || "x".repeat(936) + "\n"; // 1001 bytes with its cost
        (0..).find(|_| backlog.push(rank, room()) > 0).expect("it is bounded")
    }

    fn taken(mut backlog: Backlog) -> (String, Option<Dropped>) {
        let (batch, dropped) = backlog.take();
        (batch.into_text(), dropped)
    }

    #[test]
    fn lines_come_out_in_their_order_whatever_their_rank() {
        let mut backlog = Backlog::default();
        for (rank, line) in
            [(Rank::Warning, "1"), (Rank::Ordinary, "2"), (Rank::Alarm, "3"), (Rank::Ordinary, "4")]
        {
            assert_eq!(backlog.push(rank, line.to_owned()), 0);
        }
        assert_eq!(taken(backlog), ("1234".to_owned(), None));
    }

    #[test]
    fn a_full_backlog_drops_the_newest_ordinary_line_and_counts_it() {
        let mut backlog = Backlog::default();
        backlog.push(Rank::Ordinary, "first\n".to_owned());
        let held = fill(&mut backlog, Rank::Ordinary);
        assert!((1000..1050).contains(&held), "a MiB: {held}");
        assert_eq!(backlog.push(Rank::Ordinary, "x".repeat(1000)), 1);
        let (text, dropped) = taken(backlog);
        assert!(text.starts_with("first\n") && text.lines().count() as u64 == held + 1);
        assert_eq!(dropped.map(|dropped| (dropped.lines, dropped.alarms)), Some((2, 0)));
    }

    #[test]
    fn a_line_of_higher_rank_takes_the_place_of_lower_ones_and_an_alarm_goes_last() {
        let mut backlog = Backlog::default();
        let ordinary = fill(&mut backlog, Rank::Ordinary);
        let warnings = (0..ordinary).map(|_| backlog.push(Rank::Warning, "w".repeat(936) + "\n"));
        assert!(warnings.into_iter().all(|dropped| dropped == 1));
        assert_eq!(backlog.push(Rank::Ordinary, "late".repeat(300)), 1);
        let alarms = (0..ordinary).map(|_| backlog.push(Rank::Alarm, "a".repeat(936) + "\n"));
        assert!(alarms.into_iter().all(|dropped| dropped == 1));
        assert_eq!(backlog.push(Rank::Alarm, "a".repeat(2000)), 1, "only alarms are left");
        let (text, dropped) = taken(backlog);
        assert!(text.lines().all(|line| line.starts_with('a')));
        assert_eq!(dropped.map(|dropped| dropped.alarms), Some(1));
    }

    #[test]
    fn a_line_too_long_for_any_backlog_is_dropped_alone() {
        let mut backlog = Backlog::default();
        backlog.push(Rank::Ordinary, "kept\n".to_owned());
        assert_eq!(backlog.push(Rank::Alarm, "x".repeat(BACKLOG_LEN)), 1);
        assert_eq!(taken(backlog).0, "kept\n");
    }
}
