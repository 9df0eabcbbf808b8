//! Bytes put together for one write: at an address, and of a length, that O_DIRECT takes.

use crate::archive::fmp4::{BLOCK, free_box, padding_behind};

/// One per disk, reused from fragment to fragment.
#[derive(Debug, Default)]
pub struct Blocks {
    /// One block longer than it has room, so that an aligned part of it does.
    memory: Vec<u8>,
    /// Where the aligned part begins.
    front: usize,
    len: usize,
}

impl Blocks {
    pub fn clear(&mut self) {
        self.len = 0;
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.front..self.front + self.len]
    }

    pub fn extend(&mut self, bytes: &[u8]) {
        self.more(bytes.len()).copy_from_slice(bytes);
    }

    /// Fill the last block up with a `free` box.
    pub fn pad(&mut self) {
        let pad = padding_behind(self.len);
        if pad > 0 {
            let room = self.more(pad);
            // The memory was used before: nothing of another camera may end up in the file.
            room.fill(0);
            room[..8].copy_from_slice(&free_box(pad));
        }
    }

    fn more(&mut self, len: usize) -> &mut [u8] {
        let end = self.len + len;
        if self.front + end > self.memory.len() {
            self.grow(end);
        }
        let at = self.front + self.len;
        self.len = end;
        &mut self.memory[at..at + len]
    }

    fn grow(&mut self, least: usize) {
        let room = least.next_power_of_two().max(1 << 20);
        let mut memory = vec![0; room + BLOCK];
        // A `usize` address: `align_offset` may say `usize::MAX` where it cannot tell, at compile time only.
        let front = (memory.as_ptr() as usize).wrapping_neg() % BLOCK;
        memory[front..front + self.len].copy_from_slice(self.bytes());
        (self.memory, self.front) = (memory, front);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_aligned_and_whole_while_they_grow() {
        let mut blocks = Blocks::default();
        let mut all = Vec::new();
        for i in 0..300u32 {
            let part = vec![i as u8; 7919];
            blocks.extend(&part);
            all.extend(part);
            assert_eq!(blocks.bytes().as_ptr() as usize % BLOCK, 0);
        }
        assert!(blocks.bytes() == all);
        blocks.pad();
        assert!(blocks.len().is_multiple_of(BLOCK) && blocks.bytes()[..all.len()] == all);
        assert_eq!(&blocks.bytes()[all.len() + 4..all.len() + 8], b"free");
        // Used again, nothing of what it held shows.
        blocks.clear();
        blocks.extend(&[1]);
        blocks.pad();
        assert!(blocks.bytes()[9..].iter().all(|b| *b == 0));
    }
}
