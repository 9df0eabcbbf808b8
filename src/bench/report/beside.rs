//! What others took to record the same.

use std::fmt;

use serde::Serialize;

use super::RecordReport;
use super::table::{number, row};

/// One process per camera, which recorded the same clips at the same time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BesideReport {
    pub name: &'static str,
    /// CPU time of all of them, milliseconds per camera and second.
    pub cpu_ms_per_camera_second: f64,
    /// Memory at the end, MiB: resident, and proportional (a page shared by n counts as 1/n).
    pub rss_mb_per_camera: f64,
    pub pss_mb_per_camera: f64,
    /// Frames in their files; they begin and end at times of their own, so none are called lost.
    pub frames_recorded: u64,
    /// Our cost divided by theirs: below 1 we are cheaper.
    pub cpu_ratio: f64,
    pub pss_ratio: f64,
}

impl BesideReport {
    /// Frames are counted later.
    pub fn new(
        name: &'static str,
        ours: &RecordReport,
        cpu_ms: f64,
        rss_mb: f64,
        pss_mb: f64,
    ) -> BesideReport {
        BesideReport {
            name,
            cpu_ms_per_camera_second: cpu_ms,
            rss_mb_per_camera: rss_mb,
            pss_mb_per_camera: pss_mb,
            frames_recorded: 0,
            cpu_ratio: ours.costs.cpu_ms_per_camera_second / cpu_ms,
            pss_ratio: ours.costs.pss_mb / ours.cameras as f64 / pss_mb,
        }
    }
}

impl fmt::Display for BesideReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        number(f, &format!("{name}: CPU, ms per camera-second"), self.cpu_ms_per_camera_second, 2)?;
        number(f, &format!("{name}: memory per camera, MiB"), self.rss_mb_per_camera, 2)?;
        number(f, &format!("{name}: proportional per camera, MiB"), self.pss_mb_per_camera, 2)?;
        row(f, &format!("{name}: frames recorded"), self.frames_recorded)?;
        number(f, &format!("server CPU / {name} CPU"), self.cpu_ratio, 3)?;
        number(f, &format!("server memory / {name} memory, proportional"), self.pss_ratio, 3)
    }
}
