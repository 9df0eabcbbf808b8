//! Scaling of one 8-bit plane, row by row.

use std::array::from_fn;

/// Weights of one direction: output `i` is the sum of `taps` samples from `first[i]` on.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub first: Vec<u32>,
    pub taps: usize,
    /// `taps` per output, summing to [`Axis::ONE`].
    pub weights: Vec<u16>,
}

impl Axis {
    /// A sum of weights that, times 255, still fits 16 bits: rows are then summed in 16-bit lanes.
    pub const ONE: u16 = 256;

    /// Map `len` (of `samples` samples; half a sample may lie outside) to `out` outputs.
    pub fn new(len: f64, samples: usize, out: usize) -> Axis {
        let step = len / out as f64;
        let rows: Vec<(usize, Vec<f64>)> = (0..out)
            .map(|i| if step > 1.0 { covered(i, step, samples) } else { between(i, step, samples) })
            .collect();
        let taps = rows.iter().map(|(_, w)| w.len()).max().unwrap_or(1).min(samples);
        let mut axis = Axis { first: Vec::new(), taps, weights: Vec::new() };
        for (first, weights) in rows {
            // All outputs have the same number of taps; near the end they begin earlier.
            let begin = first.min(samples - taps);
            let mut row = vec![0.0; taps];
            row[first - begin..first - begin + weights.len()].copy_from_slice(&weights);
            axis.first.push(begin as u32);
            axis.weights.extend(fixed_point(&row));
        }
        axis
    }
}

/// Area of each sample that output `i` covers.
fn covered(i: usize, step: f64, samples: usize) -> (usize, Vec<f64>) {
    let (from, to) = (i as f64 * step, ((i + 1) as f64 * step).min(samples as f64));
    let first = (from.floor() as usize).min(samples - 1);
    let last = ((to - 1e-9).floor() as usize).clamp(first, samples - 1);
    let area = |s: usize| (to.min((s + 1) as f64) - from.max(s as f64)).max(0.0);
    (first, (first..=last).map(area).collect())
}

/// Linear interpolation between the two nearest sample centres.
fn between(i: usize, step: f64, samples: usize) -> (usize, Vec<f64>) {
    let at = ((i as f64 + 0.5) * step - 0.5).clamp(0.0, (samples - 1) as f64);
    let first = (at.floor() as usize).min(samples.saturating_sub(2));
    let part = at - first as f64;
    if samples == 1 { (0, vec![1.0]) } else { (first, vec![1.0 - part, part]) }
}

/// Weights in whole parts that sum to [`Axis::ONE`] exactly, so that a flat plane stays flat.
fn fixed_point(weights: &[f64]) -> Vec<u16> {
    let sum: f64 = weights.iter().sum();
    let (mut carried, mut given) = (0.0, 0u16);
    weights
        .iter()
        .map(|w| {
            carried += w / sum * f64::from(Axis::ONE);
            let part = (carried.round() as u16).min(Axis::ONE) - given;
            given += part;
            part
        })
        .collect()
}

/// Output rows that are computed together. Columns lie apart by as much as a picture is shrunk, so that neighbours of one
/// row cannot be computed at once, but those of several rows can.
const LANES: usize = 4;

/// Both directions of one plane, and its row buffers.
#[derive(Debug)]
pub(super) struct Band {
    across: Axis,
    /// `across.weights`, scaled so that a row comes out as 0 to 255.
    across_weights: Vec<f32>,
    down: Axis,
    /// The source rows of each output row, summed. One per column of the source.
    summed: [Vec<u16>; LANES],
    /// The same, by column.
    columns: Vec<[f32; LANES]>,
    /// The output rows, by column and by row.
    mixed: Vec<[f32; LANES]>,
    out: [Vec<f32>; LANES],
}

impl Band {
    pub fn new(across: Axis, down: Axis) -> Band {
        let unit = 1.0 / (f32::from(Axis::ONE) * f32::from(Axis::ONE));
        let across_weights = across.weights.iter().map(|w| f32::from(*w) * unit).collect();
        let columns = across.first.last().map_or(0, |f| *f as usize + across.taps);
        let wide = across.first.len();
        Band {
            across_weights,
            down,
            summed: from_fn(|_| vec![0; columns]),
            columns: vec![[0.0; LANES]; columns],
            mixed: vec![[0.0; LANES]; wide],
            out: from_fn(|_| vec![0.0; wide]),
            across,
        }
    }

    /// Output row `row` of a plane with its stride, 0 to 255. Of one plane they are asked for in their order.
    pub fn row(&mut self, plane: (&[u8], usize), row: usize) -> &[f32] {
        if row.is_multiple_of(LANES) {
            self.compute(plane, row);
        }
        &self.out[row % LANES]
    }

    /// This row and those after it, as far as there are any.
    fn compute(&mut self, (plane, stride): (&[u8], usize), row: usize) {
        let taps = self.down.taps;
        let weights = self.down.weights.chunks_exact(taps).skip(row);
        let rows = weights.zip(&self.down.first[row..]);
        for (summed, (weights, first)) in self.summed.iter_mut().zip(rows) {
            let mut begun = false;
            for (k, &weight) in weights.iter().enumerate() {
                if weight == 0 {
                    continue;
                }
                let source = &plane[(*first as usize + k) * stride..][..summed.len()];
                if begun {
                    add(summed, source, weight);
                } else {
                    set(summed, source, weight);
                    begun = true;
                }
            }
        }
        let [a, b, c, d] = &self.summed;
        for ((((column, a), b), c), d) in self.columns.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *column = [*a, *b, *c, *d].map(f32::from);
        }
        self.across();
        let [a, b, c, d] = &mut self.out;
        for ((((mixed, a), b), c), d) in self.mixed.iter().zip(a).zip(b).zip(c).zip(d) {
            [*a, *b, *c, *d] = *mixed;
        }
    }

    /// With the number of taps known, the compiler unrolls the inner loop.
    fn across(&mut self) {
        match self.across.taps {
            1 => self.across_by::<1>(),
            2 => self.across_by::<2>(),
            3 => self.across_by::<3>(),
            4 => self.across_by::<4>(),
            5 => self.across_by::<5>(),
            6 => self.across_by::<6>(),
            7 => self.across_by::<7>(),
            8 => self.across_by::<8>(),
            taps => {
                let weights = self.across_weights.chunks_exact(taps);
                weigh(&self.columns, &self.across.first, weights, &mut self.mixed);
            }
        }
    }

    fn across_by<const TAPS: usize>(&mut self) {
        let weights = self.across_weights.as_chunks::<TAPS>().0.iter().map(<[f32; TAPS]>::as_slice);
        weigh(&self.columns, &self.across.first, weights, &mut self.mixed);
    }
}

/// Each output is the sum of the columns from its first on, by weight.
#[inline(always)]
fn weigh<'w>(
    columns: &[[f32; LANES]],
    first: &[u32],
    weights: impl Iterator<Item = &'w [f32]>,
    out: &mut [[f32; LANES]],
) {
    for ((first, weights), out) in first.iter().zip(weights).zip(out) {
        let mut sums = [0.0; LANES];
        for (column, weight) in columns[*first as usize..][..weights.len()].iter().zip(weights) {
            for lane in 0..LANES {
                sums[lane] += column[lane] * weight;
            }
        }
        *out = sums;
    }
}

fn set(sums: &mut [u16], source: &[u8], weight: u16) {
    for (sum, s) in sums.iter_mut().zip(source) {
        *sum = u16::from(*s) * weight;
    }
}

/// Cannot overflow: the weights of a row sum to [`Axis::ONE`].
fn add(sums: &mut [u16], source: &[u8], weight: u16) {
    for (sum, s) in sums.iter_mut().zip(source) {
        *sum += u16::from(*s) * weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn weights_sum_to_one_and_stay_inside(samples in 1usize..300, out in 1usize..300, odd: bool) {
            let len = samples as f64 - if odd { 0.5 } else { 0.0 };
            let axis = Axis::new(len, samples, out);
            for (i, weights) in axis.weights.chunks(axis.taps).enumerate() {
                proptest::prop_assert_eq!(weights.iter().sum::<u16>(), Axis::ONE);
                proptest::prop_assert!(axis.first[i] as usize + axis.taps <= samples);
            }
        }
    }

    #[test]
    fn each_row_is_what_its_samples_and_weights_say() {
        let (wide, high) = (23, 19);
        let plane: Vec<u8> = (0..wide * high).map(|i| (i * 37 % 251) as u8).collect();
        // Sizes with one to eight taps and more, rows that fill the last lanes and rows that do not.
        for (across, down) in [(23, 19), (40, 31), (11, 9), (7, 6), (5, 8), (2, 1), (1, 5)] {
            let axes = || (Axis::new(wide as f64, wide, across), Axis::new(high as f64, high, down));
            let (x, y) = axes();
            let mut band = Band::new(axes().0, axes().1);
            for row in 0..down {
                for (column, value) in band.row((&plane, wide), row).iter().enumerate() {
                    let mut sum = 0.0;
                    for (j, i) in (0..y.taps).flat_map(|j| (0..x.taps).map(move |i| (j, i))) {
                        let sample = plane[(y.first[row] as usize + j) * wide + x.first[column] as usize + i];
                        let weight = |axis: &Axis, at: usize| f64::from(axis.weights[at]) / 256.0;
                        sum += f64::from(sample)
                            * weight(&y, row * y.taps + j)
                            * weight(&x, column * x.taps + i);
                    }
                    assert!((f64::from(*value) - sum).abs() < 0.01, "{across}x{down}: {value} {sum}");
                }
            }
        }
    }

    #[test]
    fn halving_takes_the_mean_of_four() {
        let mut band = Band::new(Axis::new(4.0, 4, 2), Axis::new(2.0, 2, 1));
        assert_eq!(band.row((&[0, 100, 10, 20, 50, 50, 30, 40], 4), 0), [50.0, 25.0]);
    }
}
