//! The map of a Cluster: the primary of each slot.

use std::sync::Arc;

use crate::primary::Primary;
use crate::slots::SLOT_COUNT;

/// The primaries with slots, and for each slot the place of its primary among them.
pub(crate) struct SlotMap {
    primaries: Vec<Arc<Primary>>,
    owners: Vec<Option<u16>>,
}

impl SlotMap {
    /// The map before any answer.
    pub fn empty() -> Self {
        Self { primaries: Vec::new(), owners: vec![None; SLOT_COUNT] }
    }

    pub fn new(primaries: Vec<Arc<Primary>>, owners: Vec<Option<u16>>) -> Self {
        Self { primaries, owners }
    }

    pub fn primaries(&self) -> &[Arc<Primary>] {
        &self.primaries
    }

    pub fn owner(&self, slot: u16) -> Option<&Arc<Primary>> {
        self.owners[usize::from(slot)].map(|index| &self.primaries[usize::from(index)])
    }

    /// The same map, but `owner` serves the slot.
    pub fn with_owner(&self, slot: u16, owner: Arc<Primary>) -> Self {
        let (mut primaries, mut owners) = (self.primaries.clone(), self.owners.clone());
        let known = primaries.iter().position(|primary| Arc::ptr_eq(primary, &owner));
        let index = known.unwrap_or_else(|| {
            primaries.push(owner);
            primaries.len() - 1
        });
        owners[usize::from(slot)] = Some(index as u16);
        Self { primaries, owners }
    }

    /// Whether every slot has a primary, and every primary a connection.
    pub fn is_served(&self) -> bool {
        self.owners.iter().all(Option::is_some) && self.primaries.iter().all(|primary| primary.link.is_up())
    }
}
