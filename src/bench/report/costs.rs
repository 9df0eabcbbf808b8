//! What the server took: processor and memory.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::table::{maybe, number};

/// Threads that take less are left out of the table, milliseconds per camera and second.
const TOLD: f64 = 0.005;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Costs {
    /// CPU time of the server, milliseconds per camera and second; and the part in kernel mode.
    pub cpu_ms_per_camera_second: f64,
    pub cpu_ms_system_per_camera_second: f64,
    /// The server's share of one core over the measured seconds: median and highest second.
    pub cores_median: f64,
    pub cores_peak: f64,
    /// CPU time of the generator, milliseconds per stream that it sends and second; and its share of
    /// one core. What watches the server is part of it.
    pub generator_cpu_ms_per_camera_second: f64,
    pub generator_cores: f64,
    /// Share of one core that all of the machine took, whoever it was.
    pub machine_cores: f64,
    /// Resident memory at the begin, the middle and the end of the measured part, MiB.
    pub rss_mb_begin: f64,
    pub rss_mb_middle: f64,
    pub rss_mb: f64,
    /// At its highest, and growth over the measured part, MiB.
    pub rss_mb_peak: f64,
    pub rss_mb_growth: f64,
    pub rss_mb_per_camera: f64,
    /// Proportional memory at the end, MiB.
    pub pss_mb: f64,
    /// The same server without a camera, MiB; absent where it was not measured.
    pub empty_rss_mb: Option<f64>,
    pub empty_pss_mb: Option<f64>,
    /// What a camera adds to it, at the end, MiB.
    pub rss_mb_per_camera_above_empty: Option<f64>,
    pub pss_mb_per_camera_above_empty: Option<f64>,
    /// CPU milliseconds per camera and second by the names of the server's threads.
    pub threads: BTreeMap<String, f64>,
}

impl Costs {
    /// Takes in what the server took without a camera, MiB.
    pub fn above(&mut self, (rss, pss): (f64, f64), cameras: usize) {
        (self.empty_rss_mb, self.empty_pss_mb) = (Some(rss), Some(pss));
        self.rss_mb_per_camera_above_empty = Some((self.rss_mb - rss) / cameras as f64);
        self.pss_mb_per_camera_above_empty = Some((self.pss_mb - pss) / cameras as f64);
    }
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        number(f, "server CPU, ms per camera-second", self.cpu_ms_per_camera_second, 3)?;
        number(f, "  of it in the kernel", self.cpu_ms_system_per_camera_second, 3)?;
        for (name, ms) in self.threads.iter().filter(|(_, ms)| **ms >= TOLD) {
            number(f, &format!("  thread {name}, ms per camera-second"), *ms, 3)?;
        }
        number(f, "server cores, median", self.cores_median, 2)?;
        number(f, "server cores, highest second", self.cores_peak, 2)?;
        number(f, "generator CPU, ms per stream-second", self.generator_cpu_ms_per_camera_second, 3)?;
        number(f, "generator cores", self.generator_cores, 2)?;
        number(f, "machine cores, all processes", self.machine_cores, 2)?;
        let memory = [self.rss_mb_begin, self.rss_mb_middle, self.rss_mb, self.rss_mb_peak];
        for (when, mb) in ["at the begin", "in the middle", "at the end", "at its highest"].iter().zip(memory)
        {
            number(f, &format!("memory {when}, MiB"), mb, 1)?;
        }
        number(f, "memory per camera, MiB", self.rss_mb_per_camera, 2)?;
        number(f, "proportional memory at the end, MiB", self.pss_mb, 1)?;
        maybe(f, "memory without a camera, MiB", self.empty_rss_mb, 1)?;
        maybe(f, "memory per camera above that, MiB", self.rss_mb_per_camera_above_empty, 2)?;
        maybe(f, "  proportional", self.pss_mb_per_camera_above_empty, 2)
    }
}
