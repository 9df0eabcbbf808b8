//! A network's outputs by name.

use ort::session::SessionOutputs;

/// Names and shapes of the outputs that an adapter reads.
pub(super) type Contract = Vec<(String, Vec<usize>)>;

/// Outputs of one run.
pub(super) struct Outputs<'s>(pub SessionOutputs<'s>);

impl Outputs<'_> {
    /// Values of an output, which must be `len`. The reason stands in the error.
    pub fn get(&self, name: &str, len: usize) -> Result<&[f32], String> {
        let value = self.0.get(name).ok_or_else(|| format!("it gave no output '{name}'"))?;
        let (shape, values) = value.try_extract_tensor::<f32>().map_err(|e| e.to_string())?;
        if values.len() == len {
            Ok(values)
        } else {
            Err(format!("output '{name}' is {shape}, expected {len} values"))
        }
    }
}

/// Position and value of the largest score; `(0, 0.0)` when there is none above zero.
pub(super) fn strongest(scores: impl Iterator<Item = f32>) -> (usize, f32) {
    scores.enumerate().fold((0, 0.0), |best, (i, s)| if s > best.1 { (i, s) } else { best })
}

/// A damaged model must not put NaN or infinite boxes into the tracker.
pub(super) fn finite(values: &[f32]) -> bool {
    values.iter().all(|v| v.is_finite() && v.abs() < 1e6)
}
