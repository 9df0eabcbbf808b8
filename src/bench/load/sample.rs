//! What the server costs at moments of a run, and what follows from a row of them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::base::Mono;
use crate::bench::report::{Costs, median, percentile};
use crate::bench::usage;

pub const MIB: f64 = 1024.0 * 1024.0;

/// Costs at one moment; times since the begin of the processes.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    pub at: Mono,
    /// CPU time of the server in user and kernel mode.
    pub user: Duration,
    pub system: Duration,
    /// CPU time of the generator: this process.
    pub own: Duration,
    /// CPU time of the whole machine.
    pub machine: Duration,
    /// Resident memory of the server, MiB.
    pub rss: f64,
    /// CPU time of the server's threads by name; empty where it was not asked for.
    pub threads: BTreeMap<String, Duration>,
}

impl Sample {
    pub fn take(at: Mono, pid: u32, with_threads: bool) -> std::io::Result<Sample> {
        let (user, system) = usage::modes_of(pid)?;
        Ok(Sample {
            at,
            user,
            system,
            own: usage::own_cpu(),
            machine: usage::machine_cpu()?,
            rss: usage::rss(pid)? as f64 / MIB,
            threads: if with_threads { usage::threads_cpu(pid)? } else { BTreeMap::new() },
        })
    }

    fn cpu(&self) -> Duration {
        self.user + self.system
    }
}

/// One stretch of the run, for plots.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Moment {
    /// Its end, seconds since the begin of the measured part.
    pub second: f64,
    /// Share of one core.
    pub server_cores: f64,
    pub generator_cores: f64,
    pub rss_mb: f64,
    /// Share of one core by the names of the server's threads.
    pub threads: BTreeMap<String, f64>,
}

/// A measured stretch. Invariant: at least two samples, in the order of time; the first and the last
/// with threads.
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

    pub fn costs(&self) -> Costs {
        let (first, last) = (&self.samples[0], self.last());
        let grown = |of: fn(&Sample) -> Duration| of(last).saturating_sub(of(first));
        let cores: Vec<f64> = self
            .samples
            .windows(2)
            .map(|w| {
                w[1].cpu().saturating_sub(w[0].cpu()).as_secs_f64() / w[1].at.since(w[0].at).as_secs_f64()
            })
            .collect();
        Costs {
            cpu_ms_per_camera_second: self.per(grown(Sample::cpu)),
            cpu_ms_system_per_camera_second: self.per(grown(|s| s.system)),
            cores_median: median(&cores).unwrap_or(0.0),
            cores_peak: percentile(&cores, 1.0).unwrap_or(0.0),
            generator_cores: grown(|s| s.own).as_secs_f64() / self.seconds(),
            machine_cores: grown(|s| s.machine).as_secs_f64() / self.seconds(),
            rss_mb_begin: first.rss,
            rss_mb_middle: self.samples[self.samples.len() / 2].rss,
            rss_mb: last.rss,
            rss_mb_peak: self.samples.iter().map(|s| s.rss).fold(0.0, f64::max),
            rss_mb_growth: last.rss - first.rss,
            rss_mb_per_camera: last.rss / self.cameras as f64,
            threads: threads(first, last, |cpu| self.per(cpu)),
            ..Costs::default()
        }
    }

    /// From each sample with threads to the next.
    pub fn timeline(&self) -> Vec<Moment> {
        let with: Vec<&Sample> = self.samples.iter().filter(|s| !s.threads.is_empty()).collect();
        let moment = |w: &[&Sample]| {
            let length = w[1].at.since(w[0].at).as_secs_f64();
            let cores = |a: Duration, b: Duration| b.saturating_sub(a).as_secs_f64() / length;
            Moment {
                second: w[1].at.since(self.samples[0].at).as_secs_f64(),
                server_cores: cores(w[0].cpu(), w[1].cpu()),
                generator_cores: cores(w[0].own, w[1].own),
                rss_mb: w[1].rss,
                threads: threads(w[0], w[1], |cpu| cpu.as_secs_f64() / length),
            }
        };
        with.windows(2).map(moment).collect()
    }
}

/// What each thread took from one sample to another; those that ended meanwhile are left out.
fn threads(from: &Sample, to: &Sample, as_number: impl Fn(Duration) -> f64) -> BTreeMap<String, f64> {
    let before = |name: &String| from.threads.get(name).copied().unwrap_or_default();
    to.threads.iter().map(|(name, cpu)| (name.clone(), as_number(cpu.saturating_sub(before(name))))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(s: u64, cpu_ms: u64, rss: f64, decode_ms: Option<u64>) -> Sample {
        let time = |ms: u64| Duration::from_millis(ms);
        let threads = decode_ms.map(|ms| ("decode".to_owned(), time(ms)));
        Sample {
            at: Mono(Duration::from_secs(s)),
            user: time(cpu_ms / 2),
            system: time(cpu_ms - cpu_ms / 2),
            own: time(cpu_ms / 10),
            machine: time(cpu_ms * 2),
            rss,
            threads: threads.into_iter().collect(),
        }
    }

    fn span() -> Span {
        let samples = vec![
            sample(10, 1000, 40.0, Some(500)),
            sample(11, 1100, 44.0, None),
            sample(12, 1300, 50.0, Some(600)),
            sample(13, 1400, 46.0, None),
            sample(14, 1480, 42.0, Some(740)),
        ];
        Span { cameras: 4, samples }
    }

    #[test]
    fn costs_are_per_camera_and_second_and_memory_is_told_along_the_way() {
        let costs = span().costs();
        assert_eq!((costs.cpu_ms_per_camera_second, costs.cpu_ms_system_per_camera_second), (30.0, 15.0));
        assert_eq!((costs.rss_mb_begin, costs.rss_mb_middle, costs.rss_mb), (40.0, 50.0, 42.0));
        assert_eq!((costs.rss_mb_peak, costs.rss_mb_growth), (50.0, 2.0));
        assert_eq!((costs.rss_mb_per_camera, costs.threads["decode"]), (10.5, 15.0));
        assert!((costs.cores_peak - 0.2).abs() < 1e-9 && (costs.cores_median - 0.1).abs() < 1e-9);
        assert!((costs.generator_cores - 0.012).abs() < 1e-9 && (costs.machine_cores - 0.24).abs() < 1e-9);
    }

    #[test]
    fn plots_have_a_point_for_each_sample_with_threads() {
        let timeline = span().timeline();
        assert_eq!(timeline.iter().map(|m| m.second).collect::<Vec<_>>(), [2.0, 4.0]);
        assert_eq!((timeline[0].threads["decode"], timeline[1].threads["decode"]), (0.05, 0.07));
        assert_eq!((timeline[0].rss_mb, timeline[0].server_cores), (50.0, 0.15));
    }
}
