//! Cameras under small numbers.

/// A camera's number with the scheduler. Not used again after the camera is removed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Slot {
    index: u32,
    /// Tells apart those that had the same index one after the other.
    generation: u32,
}

impl Slot {
    pub(super) fn index(self) -> u32 {
        self.index
    }
}

/// Values by [`Slot`]; indices are used again, slots are not.
#[derive(Debug)]
pub(super) struct Slots<T> {
    all: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Slots<T> {
    pub fn new() -> Self {
        Slots { all: Vec::new(), free: Vec::new() }
    }

    pub fn insert(&mut self, value: T) -> Slot {
        let index = self.free.pop().unwrap_or_else(|| {
            self.all.push((0, None));
            u32::try_from(self.all.len() - 1).expect("fewer than 2^32 cameras")
        });
        let (generation, place) = &mut self.all[index as usize];
        *place = Some(value);
        Slot { index, generation: *generation }
    }

    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        self.get(slot)?;
        let (generation, place) = &mut self.all[slot.index as usize];
        *generation = generation.wrapping_add(1);
        self.free.push(slot.index);
        place.take()
    }

    pub fn get(&self, slot: Slot) -> Option<&T> {
        let (generation, value) = self.all.get(slot.index as usize)?;
        value.as_ref().filter(|_| *generation == slot.generation)
    }

    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let (generation, value) = self.all.get_mut(slot.index as usize)?;
        value.as_mut().filter(|_| *generation == slot.generation)
    }

    /// The one that has this index now.
    pub fn slot(&self, index: u32) -> Option<Slot> {
        let (generation, value) = self.all.get(index as usize)?;
        value.as_ref().map(|_| Slot { index, generation: *generation })
    }

    /// The index that the next value will get.
    pub fn next_index(&self) -> u32 {
        self.free.last().copied().unwrap_or(self.all.len() as u32)
    }

    /// Indices ever used: `0..bound()`.
    pub fn bound(&self) -> u32 {
        self.all.len() as u32
    }

    pub fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }
}
