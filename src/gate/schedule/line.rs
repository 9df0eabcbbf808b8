//! Who waits for their time, and who for a worker.

use std::collections::BTreeSet;

use super::pace::Paced;

/// Where a camera stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Nothing to look at.
    Nowhere,
    /// There is something to look at, and until then it can wait.
    Held { until: Paced },
    /// A worker may take it; should be taken before `deadline`.
    Ready { deadline: Paced },
    /// A worker has it.
    Busy,
}

/// Cameras by index, each at its place; all steps O(log n).
#[derive(Debug, Default)]
pub(super) struct Line {
    held: BTreeSet<(Paced, u32)>,
    ready: BTreeSet<(Paced, u32)>,
}

impl Line {
    /// Take the camera from the place it stood at to another.
    pub fn shift(&mut self, index: u32, from: Place, to: Place) {
        if from == to {
            return;
        }
        match from {
            Place::Held { until } => drop(self.held.remove(&(until, index))),
            Place::Ready { deadline } => drop(self.ready.remove(&(deadline, index))),
            Place::Nowhere | Place::Busy => {}
        }
        match to {
            Place::Held { until } => drop(self.held.insert((until, index))),
            Place::Ready { deadline } => drop(self.ready.insert((deadline, index))),
            Place::Nowhere | Place::Busy => {}
        }
    }

    /// A camera whose time has come.
    pub fn released(&self, now: Paced) -> Option<u32> {
        self.held.first().filter(|(until, _)| *until <= now).map(|(_, index)| *index)
    }

    /// The camera with the earliest deadline.
    pub fn first(&self) -> Option<u32> {
        self.ready.first().map(|(_, index)| *index)
    }

    /// When the next camera's time comes; only if nobody is ready.
    pub fn next_release(&self) -> Option<Paced> {
        self.held.first().map(|(until, _)| *until)
    }

    pub fn ready(&self) -> usize {
        self.ready.len()
    }
}
