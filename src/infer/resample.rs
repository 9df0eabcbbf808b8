//! Scaling of one 8-bit plane, row by row.

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

/// Both directions of one plane, and its row buffers.
#[derive(Debug)]
pub(super) struct Band {
    across: Axis,
    /// `across.weights`, scaled so that a row comes out as 0 to 255.
    across_weights: Vec<f32>,
    down: Axis,
    /// The source rows of one output row, summed. One per column of the source.
    summed: Vec<u16>,
    out: Vec<f32>,
}

impl Band {
    pub fn new(across: Axis, down: Axis) -> Band {
        let unit = 1.0 / (f32::from(Axis::ONE) * f32::from(Axis::ONE));
        let across_weights = across.weights.iter().map(|w| f32::from(*w) * unit).collect();
        let columns = across.first.last().map_or(0, |f| *f as usize + across.taps);
        let out = vec![0.0; across.first.len()];
        Band { across_weights, down, summed: vec![0; columns], out, across }
    }

    /// Output row `row` of a plane with its stride, 0 to 255.
    pub fn row(&mut self, (plane, stride): (&[u8], usize), row: usize) -> &[f32] {
        let taps = self.down.taps;
        let weights = &self.down.weights[row * taps..(row + 1) * taps];
        let first = self.down.first[row] as usize;
        let columns = self.summed.len();
        let mut begun = false;
        for (k, &weight) in weights.iter().enumerate() {
            if weight == 0 {
                continue;
            }
            let source = &plane[(first + k) * stride..][..columns];
            if begun {
                add(&mut self.summed, source, weight);
            } else {
                set(&mut self.summed, source, weight);
                begun = true;
            }
        }
        self.columns();
        &self.out
    }

    fn columns(&mut self) {
        match self.across.taps {
            1 => self.columns_of::<1>(),
            2 => self.columns_of::<2>(),
            3 => self.columns_of::<3>(),
            4 => self.columns_of::<4>(),
            5 => self.columns_of::<5>(),
            6 => self.columns_of::<6>(),
            7 => self.columns_of::<7>(),
            8 => self.columns_of::<8>(),
            taps => {
                let weights = self.across_weights.chunks_exact(taps);
                for ((out, first), weights) in self.out.iter_mut().zip(&self.across.first).zip(weights) {
                    let samples = &self.summed[*first as usize..][..taps];
                    *out = samples.iter().zip(weights).map(|(s, w)| f32::from(*s) * w).sum();
                }
            }
        }
    }

    /// With the number of taps known, the compiler unrolls the inner loop.
    fn columns_of<const TAPS: usize>(&mut self) {
        let (weights, _) = self.across_weights.as_chunks::<TAPS>();
        for ((out, first), weights) in self.out.iter_mut().zip(&self.across.first).zip(weights) {
            let samples = &self.summed[*first as usize..][..TAPS];
            let mut sum = 0.0;
            for k in 0..TAPS {
                sum += f32::from(samples[k]) * weights[k];
            }
            *out = sum;
        }
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
    fn halving_takes_the_mean_of_four() {
        let mut band = Band::new(Axis::new(4.0, 4, 2), Axis::new(2.0, 2, 1));
        assert_eq!(band.row((&[0, 100, 10, 20, 50, 50, 30, 40], 4), 0), [50.0, 25.0]);
    }
}
