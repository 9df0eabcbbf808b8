//! Gives each access unit of a raw stream its place in output order, from picture order counts.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::dts::MAX_DEPTH;
use super::headers::PictureOrder;

/// Holds back at most [`MAX_DEPTH`]+1 units: no picture is overtaken by more than that.
#[derive(Debug)]
pub struct DisplayOrder<T> {
    /// In decoding order, each with its place once that is known.
    held: VecDeque<(T, Option<i64>)>,
    /// Decoding number of the first held unit.
    first_held: u64,
    decoded: u64,
    /// (sequence, order count, decoding number) of units without a place.
    unplaced: BinaryHeap<Reverse<(u64, i64, u64)>>,
    sequence: u64,
    next_place: i64,
}

impl<T> Default for DisplayOrder<T> {
    fn default() -> Self {
        DisplayOrder {
            held: VecDeque::new(),
            first_held: 0,
            decoded: 0,
            unplaced: BinaryHeap::new(),
            sequence: 0,
            next_place: 0,
        }
    }
}

impl<T> DisplayOrder<T> {
    /// The next unit in decoding order.
    pub fn push(&mut self, unit: T, order: PictureOrder) {
        self.sequence += u64::from(order.resets);
        self.held.push_back((unit, None));
        self.unplaced.push(Reverse((self.sequence, order.count, self.decoded)));
        self.decoded += 1;
        while self.unplaced.len() > MAX_DEPTH {
            self.place_next();
        }
    }

    /// No more units follow: all get their place.
    pub fn finish(&mut self) {
        while !self.unplaced.is_empty() {
            self.place_next();
        }
    }

    /// The first unit in decoding order with its place in output order, once known.
    pub fn pop(&mut self) -> Option<(T, i64)> {
        self.held.front()?.1?;
        self.first_held += 1;
        let (unit, place) = self.held.pop_front()?;
        Some((unit, place?))
    }

    fn place_next(&mut self) {
        let Some(Reverse((_, _, number))) = self.unplaced.pop() else { return };
        let index = (number - self.first_held) as usize;
        self.held[index].1 = Some(self.next_place);
        self.next_place += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_come_out_in_decoding_order_with_their_output_places() {
        let mut d = DisplayOrder::default();
        // Two sequences I P B b b; order counts in steps of two, as x264 writes them.
        for s in 0..2 {
            for (i, count) in [0, 8, 4, 2, 6].into_iter().enumerate() {
                d.push((s, i), PictureOrder { resets: i == 0, count });
            }
        }
        d.finish();
        let places: Vec<i64> = std::iter::from_fn(|| d.pop()).map(|(_, place)| place).collect();
        assert_eq!(places, [0, 4, 2, 1, 3, 5, 9, 7, 6, 8]);
    }
}
