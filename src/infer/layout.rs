//! How the values of a network's input lie in memory.

use std::array::from_fn;

use super::preprocess::Placement;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// `[3, height, width]`, 32-bit floats.
    Planes,
    /// `[height / 2, width / 2, 12]`, 8 bits: of each block of 2x2 pixels first the upper row, of a row both values of
    /// each colour. A first convolution that halves the picture finds side by side what it sees together (ADR 16).
    Blocks,
}

impl Layout {
    /// Of `count` inputs of this size, which is even for blocks.
    pub fn shape(self, count: usize, net: (usize, usize)) -> [usize; 4] {
        match self {
            Layout::Planes => [count, 3, net.1, net.0],
            Layout::Blocks => [count, net.1 / 2, net.0 / 2, BLOCK],
        }
    }
}

/// Values of 2x2 pixels, and of their upper or lower row.
const BLOCK: usize = 12;
const ROW: usize = BLOCK / 2;

/// An input's values, in its layout.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Tensor<'a> {
    Planes(&'a [f32]),
    Blocks(&'a [u8]),
}

/// The buffer of an input.
#[derive(Debug)]
pub(super) enum Values {
    Planes(Vec<f32>),
    Blocks(Blocks),
}

impl Values {
    /// All of it `pad`.
    pub fn filled(layout: Layout, place: Placement, pad: f32) -> Values {
        let (wide, high) = place.net;
        match layout {
            Layout::Planes => Values::Planes(vec![pad; 3 * wide * high]),
            Layout::Blocks => Values::Blocks(Blocks {
                left: place.at.0,
                row: from_fn(|_| vec![0.0; place.drawn.0]),
                bytes: from_fn(|_| vec![byte(pad); wide]),
                blocks: vec![byte(pad); 3 * wide * high],
            }),
        }
    }
}

#[derive(Debug)]
pub(super) struct Blocks {
    /// Pixels before the picture in each row.
    left: usize,
    /// A row of the picture, by colour.
    row: [Vec<f32>; 3],
    /// That in 8 bits, with what lies beside the picture.
    bytes: [Vec<u8>; 3],
    blocks: Vec<u8>,
}

impl Blocks {
    /// Where the next row of the picture is to be written, values of 0 to 255.
    pub fn colours(&mut self) -> [&mut [f32]; 3] {
        self.row.each_mut().map(Vec::as_mut_slice)
    }

    /// What was written is this row of the input.
    pub fn put(&mut self, row: usize, mirrored: bool) {
        for (floats, bytes) in self.row.iter().zip(&mut self.bytes) {
            let picture = &mut bytes[self.left..self.left + floats.len()];
            for (b, value) in picture.iter_mut().zip(floats) {
                *b = byte(*value);
            }
            if mirrored {
                picture.reverse();
            }
        }
        let [first, second, third] = self.bytes.each_ref().map(|bytes| bytes.as_chunks::<2>().0);
        let line = first.len() * BLOCK;
        let line = &mut self.blocks[row / 2 * line..][..line];
        let blocks = line.as_chunks_mut::<BLOCK>().0.iter_mut();
        let from = row % 2 * ROW;
        for (((block, a), b), c) in blocks.zip(first).zip(second).zip(third) {
            block[from..from + ROW].copy_from_slice(&[a[0], a[1], b[0], b[1], c[0], c[1]]);
        }
    }

    pub fn values(&self) -> &[u8] {
        &self.blocks
    }
}

/// The nearest whole number of a value from 0 to 255. From 2^23 on floats are whole numbers, and their lowest bits count
/// up with them; a cast would not be done several at a time.
fn byte(value: f32) -> u8 {
    (value + 8_388_608.0).to_bits() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::preprocess::{Fit, InputForm, Order, Preprocessor};
    use crate::media::I420;

    #[test]
    fn blocks_hold_what_planes_hold_to_the_nearest_of_8_bits() {
        let fit = Fit::Letterbox { pad: 114.0 };
        let form = InputForm { order: Order::Bgr, mean: 0.0, scale: 1.0, fit };
        // Odd sides and edges: a block that the picture covers in part.
        let bytes = (0..37 * 23u32).chain(0..2 * 19 * 12).map(|i| (40 + i * 7 % 150) as u8).collect();
        let picture = I420::packed(37, 23, bytes).unwrap();
        for (at, drawn) in [((0, 0), (32, 15)), ((5, 9), (21, 18)), ((1, 0), (31, 28))] {
            let place = Placement { net: (32, 28), at, drawn };
            let [mut p, mut q] = [Layout::Planes, Layout::Blocks]
                .map(|layout| Preprocessor::new(&picture, place, form, layout));
            for mirrored in [false, true, false] {
                let (Tensor::Planes(wanted), Tensor::Blocks(values)) =
                    (p.run(&picture, mirrored), q.run(&picture, mirrored))
                else {
                    panic!("neither is what was asked for")
                };
                assert_eq!(values.len(), Layout::Blocks.shape(1, place.net).iter().product::<usize>());
                for (i, value) in values.iter().enumerate() {
                    let (block, row, colour, column) = (i / 12, i / 6 % 2, i / 2 % 3, i % 2);
                    let (x, y) = (block % 16 * 2 + column, block / 16 * 2 + row);
                    let want = wanted[(colour * 28 + y) * 32 + x];
                    assert!(
                        (f32::from(*value) - want).abs() <= 0.501,
                        "{at:?} {x} {y} {colour}: {value} {want}"
                    );
                }
            }
        }
    }
}
