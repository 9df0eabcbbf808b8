//! Result of a run that records and analyses.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::RecordReport;
use super::table::{maybe, number, row};
use crate::bench::load::events::Agreement;

/// Result of `pingan bench analyse`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AnalyseReport {
    pub profile: String,
    #[serde(flatten)]
    pub record: RecordReport,
    #[serde(flatten)]
    pub analysis: AnalysisReport,
}

/// What the analysis did in the measured part.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AnalysisReport {
    pub cameras_active: usize,
    pub cameras_idle: usize,
    pub frames_decoded_per_camera_second: f64,
    /// Mean over the cameras of the rate that the server tells.
    pub frames_analysed_per_camera_second: f64,
    /// Frames that were picked for a model and that none looked at.
    pub frames_skipped_per_camera_second: f64,
    pub frames_skipped: BTreeMap<String, u64>,
    /// By model.
    pub model_runs_per_camera_second: BTreeMap<String, f64>,
    /// What watching took, milliseconds per camera and second, by stages that the server tells apart.
    pub stage_cpu_ms_per_camera_second: BTreeMap<String, f64>,
    /// By how much the server shrank all rates: mean of the polls, and at the most; 1: not at all.
    /// Absent where it does not say.
    pub stretch: Option<f64>,
    pub stretch_most: Option<f64>,
    /// Frames analysed per second, of the camera that gets least.
    pub analysis_fps_lowest: f64,
    /// The same of active cameras while somebody was in the picture: mean, and the camera that gets
    /// least. Absent where it is not known when that was.
    pub active_fps_mean: Option<f64>,
    pub active_fps_lowest: Option<f64>,
    /// The longest time between two frames that were looked at: the worst idle camera and the median
    /// of the idle ones; and the worst active camera. Seconds.
    pub idle_longest_s: Option<f64>,
    pub idle_longest_median_s: Option<f64>,
    pub active_longest_s: Option<f64>,
    /// Effective over needed rate, as the server says: mean over the cameras, and the lowest that any
    /// had at any poll. Absent where it does not say.
    pub watch_ratio_mean: Option<f64>,
    pub watch_ratio_lowest: Option<f64>,
    pub alerts: usize,
    pub alerts_by_kind: BTreeMap<String, u64>,
    /// From the time of the picture that shows the event to the alert's arrival at a reader of the
    /// event stream; absent without alerts.
    pub alert_latency_ms_p50: Option<f64>,
    pub alert_latency_ms_p95: Option<f64>,
    pub alert_latency_ms_max: Option<f64>,
    /// Events of active cameras against the same clips analysed alone; absent where that was not
    /// asked for. `extra` holds what idle cameras told as well.
    pub events_expected: Option<usize>,
    pub events_found: Option<usize>,
    pub events_extra: Option<usize>,
    pub events_found_share: Option<f64>,
    /// Of `events_extra`, what idle cameras told: nothing happens there.
    pub alerts_of_idle_cameras: usize,
    /// What the clips showed when they were analysed alone: events of one round of all clips.
    pub events_alone: Option<usize>,
    pub by_camera: BTreeMap<String, CameraReport>,
    pub alert_latencies_ms: Vec<f64>,
}

/// How one camera was watched.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CameraReport {
    pub role: &'static str,
    /// Mean of the rate that the server tells; and while somebody was in the picture.
    pub fps: f64,
    pub fps_busy: Option<f64>,
    /// The longest time between two frames that were looked at.
    pub longest_s: f64,
    /// Effective over needed rate, as the server says: mean, and at its lowest.
    pub ratio: Option<f64>,
    pub ratio_lowest: Option<f64>,
    pub alerts: usize,
    pub agreement: Option<Agreement>,
}

impl AnalysisReport {
    /// Takes in how alerts agree with what was expected.
    pub fn agrees(&mut self, sum: Agreement, alone: usize) {
        self.events_expected = Some(sum.expected);
        self.events_found = Some(sum.found);
        self.events_extra = Some(sum.extra);
        self.events_found_share = (sum.expected > 0).then(|| sum.found as f64 / sum.expected as f64);
        self.events_alone = Some(alone);
    }
}

impl fmt::Display for AnalyseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        row(f, "profile", &self.profile)?;
        self.record.fmt(f)?;
        self.analysis.fmt(f)
    }
}

impl fmt::Display for AnalysisReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        row(f, "cameras where things happen", self.cameras_active)?;
        row(f, "cameras where nothing happens", self.cameras_idle)?;
        number(f, "decoded, frames per camera-second", self.frames_decoded_per_camera_second, 2)?;
        number(f, "analysed, frames per camera-second", self.frames_analysed_per_camera_second, 2)?;
        number(f, "skipped, frames per camera-second", self.frames_skipped_per_camera_second, 2)?;
        for (reason, frames) in &self.frames_skipped {
            row(f, &format!("  skipped, {reason}, frames"), frames)?;
        }
        for (model, runs) in &self.model_runs_per_camera_second {
            number(f, &format!("  {model}, runs per camera-second"), *runs, 2)?;
        }
        for (stage, ms) in &self.stage_cpu_ms_per_camera_second {
            number(f, &format!("  stage {stage}, CPU-ms per camera-second"), *ms, 3)?;
        }
        maybe(f, "all rates are shrunk by", self.stretch, 2)?;
        maybe(f, "  at the most", self.stretch_most, 2)?;
        number(f, "analysed, camera that gets least, frames/s", self.analysis_fps_lowest, 2)?;
        maybe(f, "analysed while somebody is there, frames/s", self.active_fps_mean, 2)?;
        maybe(f, "  camera that gets least", self.active_fps_lowest, 2)?;
        maybe(f, "longest without a look, idle cameras, s", self.idle_longest_s, 2)?;
        maybe(f, "  median of the idle cameras", self.idle_longest_median_s, 2)?;
        maybe(f, "longest without a look, active cameras, s", self.active_longest_s, 2)?;
        maybe(f, "effective over needed rate, as the server says", self.watch_ratio_mean, 3)?;
        maybe(f, "  lowest of any camera at any time", self.watch_ratio_lowest, 3)?;
        row(f, "alerts", self.alerts)?;
        for (kind, alerts) in &self.alerts_by_kind {
            row(f, &format!("  {kind}"), alerts)?;
        }
        maybe(f, "alert latency, median, ms", self.alert_latency_ms_p50, 0)?;
        maybe(f, "alert latency, 95 of 100, ms", self.alert_latency_ms_p95, 0)?;
        maybe(f, "alert latency, highest, ms", self.alert_latency_ms_max, 0)?;
        let count = |value: Option<usize>| value.map_or("-".to_owned(), |n| n.to_string());
        row(f, "events of a round, clips analysed alone", count(self.events_alone))?;
        row(f, "events expected under load", count(self.events_expected))?;
        row(f, "events found", count(self.events_found))?;
        maybe(f, "  share, %", self.events_found_share.map(|s| s * 100.0), 2)?;
        row(f, "alerts beside them", count(self.events_extra))?;
        row(f, "  of idle cameras", self.alerts_of_idle_cameras)
    }
}
