//! What the server costs at moments of a run, and what follows from a row of them.

use std::time::Duration;

use super::report::{RecordReport, median, percentile};
use super::usage;
use crate::base::Mono;

pub(super) const MIB: f64 = 1024.0 * 1024.0;

/// Costs of a process at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub at: Mono,
    /// CPU time since the process began.
    pub cpu: Duration,
    /// Resident memory, MiB.
    pub rss: f64,
}

impl Sample {
    pub fn take(at: Mono, pid: u32) -> std::io::Result<Sample> {
        Ok(Sample { at, cpu: usage::cpu_of(pid)?, rss: usage::rss(pid)? as f64 / MIB })
    }
}

/// A measured stretch. Invariant: at least two samples, in the order of time.
pub struct Span {
    pub cameras: usize,
    pub samples: Vec<Sample>,
}

impl Span {
    pub fn seconds(&self) -> f64 {
        self.last().at.since(self.samples[0].at).as_secs_f64()
    }

    fn last(&self) -> &Sample {
        &self.samples[self.samples.len() - 1]
    }

    /// CPU milliseconds per camera and second.
    pub fn per(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1000.0 / (self.cameras as f64 * self.seconds())
    }

    /// The part of the report that follows from the samples; the rest stands at 0.
    pub fn report(&self) -> RecordReport {
        let (first, last) = (&self.samples[0], self.last());
        let middle = &self.samples[self.samples.len() / 2];
        let cores: Vec<f64> = self
            .samples
            .windows(2)
            .map(|w| w[1].cpu.saturating_sub(w[0].cpu).as_secs_f64() / w[1].at.since(w[0].at).as_secs_f64())
            .collect();
        RecordReport {
            cameras: self.cameras,
            seconds: self.seconds(),
            cpu_ms_per_camera_second: self.per(last.cpu.saturating_sub(first.cpu)),
            rss_mb_begin: first.rss,
            rss_mb_middle: middle.rss,
            rss_mb: last.rss,
            rss_mb_peak: self.samples.iter().map(|s| s.rss).fold(0.0, f64::max),
            rss_mb_growth: last.rss - first.rss,
            rss_mb_per_camera: last.rss / self.cameras as f64,
            cores_median: median(&cores).unwrap_or(0.0),
            cores_peak: percentile(&cores, 1.0).unwrap_or(0.0),
            ..RecordReport::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_per_camera_and_second_and_memory_is_told_along_the_way() {
        let sample = |s: u64, cpu_ms: u64, rss: f64| Sample {
            at: Mono(Duration::from_secs(s)),
            cpu: Duration::from_millis(cpu_ms),
            rss,
        };
        let samples = vec![
            sample(10, 1000, 40.0),
            sample(11, 1100, 44.0),
            sample(12, 1300, 50.0),
            sample(13, 1400, 46.0),
            sample(14, 1480, 42.0),
        ];
        let report = Span { cameras: 4, samples }.report();
        assert_eq!((report.cameras, report.seconds), (4, 4.0));
        assert_eq!(report.cpu_ms_per_camera_second, 30.0);
        assert_eq!((report.rss_mb_begin, report.rss_mb_middle, report.rss_mb), (40.0, 50.0, 42.0));
        assert_eq!((report.rss_mb_peak, report.rss_mb_growth), (50.0, 2.0));
        assert_eq!(report.rss_mb_per_camera, 10.5);
        assert!((report.cores_peak - 0.2).abs() < 1e-9 && (report.cores_median - 0.1).abs() < 1e-9);
    }
}
