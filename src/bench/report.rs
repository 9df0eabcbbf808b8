//! Results of load runs, as a table for people and as JSON for machines.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Result of `pingan bench record`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecordReport {
    pub cameras: usize,
    /// Length of the measured part; frames are counted over the whole run.
    pub seconds: f64,
    pub mbit_per_camera: f64,
    pub fps: f64,
    /// CPU time of the server, milliseconds per camera and second.
    pub cpu_ms_per_camera_second: f64,
    /// CPU time of the generator, likewise.
    pub generator_cpu_ms_per_camera_second: f64,
    pub frames_sent: u64,
    /// Frames that were due and that the server read too slowly to be sent.
    pub frames_unsent: u64,
    pub frames_recorded: u64,
    /// `frames_sent + frames_unsent - frames_recorded`; negative would mean frames recorded twice.
    pub frames_lost: i64,
    /// Resident memory at the end and at its highest, and growth over the measured part, in MiB.
    pub rss_mb: f64,
    pub rss_mb_peak: f64,
    pub rss_mb_growth: f64,
    pub rss_mb_per_camera: f64,
    /// Proportional memory at the end, MiB.
    pub pss_mb: f64,
    /// Share of one core over the measured seconds: median and highest second.
    pub cores_median: f64,
    pub cores_peak: f64,
    /// CPU milliseconds per camera and second by the names of the server's threads.
    pub threads: BTreeMap<String, f64>,
}

impl fmt::Display for RecordReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row =
            |f: &mut fmt::Formatter<'_>, name: &str, value: String| writeln!(f, "{name:<38}{value:>14}");
        row(f, "cameras", self.cameras.to_string())?;
        row(f, "seconds", format!("{:.1}", self.seconds))?;
        row(f, "stream, Mbit/s", format!("{:.2}", self.mbit_per_camera))?;
        row(f, "stream, frames/s", format!("{:.1}", self.fps))?;
        row(f, "server CPU, ms per camera-second", format!("{:.2}", self.cpu_ms_per_camera_second))?;
        let generator = format!("{:.2}", self.generator_cpu_ms_per_camera_second);
        row(f, "generator CPU, ms per camera-second", generator)?;
        row(f, "server cores, median", format!("{:.2}", self.cores_median))?;
        row(f, "server cores, highest second", format!("{:.2}", self.cores_peak))?;
        row(f, "frames sent", self.frames_sent.to_string())?;
        row(f, "frames not sent (server too slow)", self.frames_unsent.to_string())?;
        row(f, "frames recorded", self.frames_recorded.to_string())?;
        row(f, "frames lost", self.frames_lost.to_string())?;
        row(f, "memory, MiB", format!("{:.1}", self.rss_mb))?;
        row(f, "memory, highest, MiB", format!("{:.1}", self.rss_mb_peak))?;
        row(f, "memory, growth while measured, MiB", format!("{:+.1}", self.rss_mb_growth))?;
        row(f, "memory per camera, MiB", format!("{:.2}", self.rss_mb_per_camera))?;
        for (name, ms) in self.threads.iter().filter(|(_, ms)| **ms >= 0.005) {
            row(f, &format!("  thread {name}, ms per camera-second"), format!("{ms:.2}"))?;
        }
        Ok(())
    }
}

/// The value below which a `share` (0 to 1) of the values lies, by the nearest rank; `None` of none.
pub fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

pub fn median(values: &[f64]) -> Option<f64> {
    percentile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert_eq!((median(&values), percentile(&values, 0.99)), (Some(3.0), Some(5.0)));
        assert_eq!((percentile(&values, 0.0), percentile(&values, 0.2)), (Some(1.0), Some(1.0)));
        assert_eq!(median(&[]), None);
    }
}
