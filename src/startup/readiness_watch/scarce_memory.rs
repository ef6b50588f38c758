//! The log lines of scarce memory: one when it becomes scarce, and one when it is not any more.

/// Memory is scarce until so many looks in a row have found enough: its share wavers about the limit.
const PLENTY_LOOKS: u32 = 6;

/// The primaries whose memory is scarce, as the log knows them.
#[derive(Default)]
pub struct ScarceMemory {
    /// Their number at the last look that found any.
    scarce: usize,
    /// The looks in a row that found none.
    plenty_looks: u32,
}

/// A reason for a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supply {
    /// One primary more than at the last look has little left.
    Scarce,
    /// Every primary has enough again.
    Plenty,
}

impl ScarceMemory {
    /// Notes the number of primaries whose memory is scarce. Returns the reason for a line, where there is one.
    pub fn note(&mut self, found: usize) -> Option<Supply> {
        let before = self.scarce;
        self.plenty_looks = if found > 0 { 0 } else { self.plenty_looks.saturating_add(1) };
        if found > 0 || self.plenty_looks >= PLENTY_LOOKS {
            self.scarce = found;
        }
        match before {
            before if found > before => Some(Supply::Scarce),
            before if before > 0 && self.scarce == 0 => Some(Supply::Plenty),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_becomes_scarce_has_a_line_and_another_one_after_a_minute_of_plenty() {
        let mut memory = ScarceMemory::default();
        let mut noted = |all: &[usize]| all.iter().map(|found| memory.note(*found)).collect::<Vec<_>>();
        let (none, scarce) = (None, Some(Supply::Scarce));
        assert_eq!(noted(&[0, 1, 1, 2, 1, 2]), [none, scarce, none, scarce, none, scarce]);
        assert_eq!(noted(&[0, 0, 2, 0, 0, 0, 0, 0]), [none; 8], "it wavers");
        assert_eq!(noted(&[0, 0, 1]), [Some(Supply::Plenty), none, scarce]);
    }
}
