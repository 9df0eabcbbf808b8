//! Results of load runs, as a table for people and as JSON for machines.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Result of `pingan bench record`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RecordReport {
    pub cameras: usize,
    /// Length of the measured part; frames are counted over the whole run.
    pub seconds: f64,
    pub mbit_per_camera: f64,
    pub fps: f64,
    /// CPU time of the server, milliseconds per camera and second.
    pub cpu_ms_per_camera_second: f64,
    /// CPU time of the generator, milliseconds per stream that it sends and second.
    pub generator_cpu_ms_per_camera_second: f64,
    pub frames_sent: u64,
    /// Frames that were due and that the server read too slowly to be sent.
    pub frames_unsent: u64,
    pub frames_recorded: u64,
    /// `frames_sent + frames_unsent - frames_recorded`; negative would mean frames recorded twice.
    pub frames_lost: i64,
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
    /// Share of one core over the measured seconds: median and highest second.
    pub cores_median: f64,
    pub cores_peak: f64,
    /// CPU milliseconds per camera and second by the names of the server's threads.
    pub threads: BTreeMap<String, f64>,
    /// `ffmpeg -c copy` in the same run, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<BesideReport>,
}

/// One `ffmpeg -c copy` per camera, which recorded the same clips at the same time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BesideReport {
    /// CPU time of all ffmpegs, milliseconds per camera and second.
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
    pub fn new(ours: &RecordReport, cpu_ms: f64, rss_mb: f64, pss_mb: f64) -> BesideReport {
        BesideReport {
            cpu_ms_per_camera_second: cpu_ms,
            rss_mb_per_camera: rss_mb,
            pss_mb_per_camera: pss_mb,
            frames_recorded: 0,
            cpu_ratio: ours.cpu_ms_per_camera_second / cpu_ms,
            pss_ratio: ours.pss_mb / ours.cameras as f64 / pss_mb,
        }
    }
}

/// Result of `pingan bench analyse`.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    pub frames_decoded_per_camera_second: f64,
    /// Mean over the cameras of the rate that the server tells.
    pub frames_analysed_per_camera_second: f64,
    /// Frames that were picked for a model and that none looked at.
    pub frames_skipped_per_camera_second: f64,
    pub frames_skipped: BTreeMap<String, u64>,
    /// By model.
    pub model_runs_per_camera_second: BTreeMap<String, f64>,
    /// Frames analysed per second: of the camera that gets least, and by camera.
    pub analysis_fps_lowest: f64,
    pub analysis_fps: BTreeMap<String, f64>,
    pub alerts: usize,
    pub alerts_by_kind: BTreeMap<String, u64>,
    /// From the arrival of the picture to the alert's arrival at a reader of the event stream;
    /// absent without alerts.
    pub alert_latency_ms_p50: Option<f64>,
    pub alert_latency_ms_p95: Option<f64>,
    pub alert_latency_ms_max: Option<f64>,
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, value: String) -> fmt::Result {
    writeln!(f, "{name:<44}{value:>14}")
}

impl fmt::Display for RecordReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        row(f, "cameras", self.cameras.to_string())?;
        row(f, "seconds", format!("{:.1}", self.seconds))?;
        row(f, "stream, Mbit/s", format!("{:.2}", self.mbit_per_camera))?;
        row(f, "stream, frames/s", format!("{:.1}", self.fps))?;
        row(f, "server CPU, ms per camera-second", format!("{:.2}", self.cpu_ms_per_camera_second))?;
        let generator = format!("{:.2}", self.generator_cpu_ms_per_camera_second);
        row(f, "generator CPU, ms per stream-second", generator)?;
        row(f, "server cores, median", format!("{:.2}", self.cores_median))?;
        row(f, "server cores, highest second", format!("{:.2}", self.cores_peak))?;
        row(f, "frames sent", self.frames_sent.to_string())?;
        row(f, "frames not sent (server too slow)", self.frames_unsent.to_string())?;
        row(f, "frames recorded", self.frames_recorded.to_string())?;
        row(f, "frames lost", self.frames_lost.to_string())?;
        let memory = [self.rss_mb_begin, self.rss_mb_middle, self.rss_mb, self.rss_mb_peak];
        for (when, mb) in ["at the begin", "in the middle", "at the end", "at its highest"].iter().zip(memory)
        {
            row(f, &format!("memory {when}, MiB"), format!("{mb:.1}"))?;
        }
        row(f, "memory per camera, MiB", format!("{:.2}", self.rss_mb_per_camera))?;
        row(f, "proportional memory at the end, MiB", format!("{:.1}", self.pss_mb))?;
        for (name, ms) in self.threads.iter().filter(|(_, ms)| **ms >= 0.005) {
            row(f, &format!("  thread {name}, ms per camera-second"), format!("{ms:.2}"))?;
        }
        self.beside.as_ref().map_or(Ok(()), |beside| beside.fmt(f))
    }
}

impl fmt::Display for BesideReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        row(f, "ffmpeg -c copy: CPU, ms per camera-second", format!("{:.2}", self.cpu_ms_per_camera_second))?;
        row(f, "ffmpeg -c copy: memory per camera, MiB", format!("{:.2}", self.rss_mb_per_camera))?;
        let pss = format!("{:.2}", self.pss_mb_per_camera);
        row(f, "ffmpeg -c copy: proportional per camera, MiB", pss)?;
        row(f, "ffmpeg -c copy: frames recorded", self.frames_recorded.to_string())?;
        row(f, "server CPU / ffmpeg CPU", format!("{:.2}", self.cpu_ratio))?;
        row(f, "server memory / ffmpeg memory, proportional", format!("{:.2}", self.pss_ratio))
    }
}

impl fmt::Display for AnalyseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        row(f, "profile", self.profile.clone())?;
        self.record.fmt(f)?;
        self.analysis.fmt(f)
    }
}

impl fmt::Display for AnalysisReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = |value: f64| format!("{value:.2}");
        row(f, "decoded, frames per camera-second", rate(self.frames_decoded_per_camera_second))?;
        row(f, "analysed, frames per camera-second", rate(self.frames_analysed_per_camera_second))?;
        row(f, "skipped, frames per camera-second", rate(self.frames_skipped_per_camera_second))?;
        for (reason, frames) in &self.frames_skipped {
            row(f, &format!("  skipped, {reason}, frames"), frames.to_string())?;
        }
        for (model, runs) in &self.model_runs_per_camera_second {
            row(f, &format!("  {model}, runs per camera-second"), rate(*runs))?;
        }
        row(f, "analysed, camera that gets least, frames/s", rate(self.analysis_fps_lowest))?;
        row(f, "alerts", self.alerts.to_string())?;
        for (kind, alerts) in &self.alerts_by_kind {
            row(f, &format!("  {kind}"), alerts.to_string())?;
        }
        let latency = |value: Option<f64>| value.map_or("-".into(), |ms| format!("{ms:.0}"));
        row(f, "alert latency, median, ms", latency(self.alert_latency_ms_p50))?;
        row(f, "alert latency, 95 of 100, ms", latency(self.alert_latency_ms_p95))?;
        row(f, "alert latency, highest, ms", latency(self.alert_latency_ms_max))
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
    fn ffmpeg_is_compared_per_camera() {
        let ours =
            RecordReport { cameras: 8, cpu_ms_per_camera_second: 3.0, pss_mb: 80.0, ..Default::default() };
        let beside = BesideReport::new(&ours, 6.0, 60.0, 40.0);
        assert_eq!((beside.cpu_ratio, beside.pss_ratio), (0.5, 0.25));
        let report = AnalyseReport {
            profile: "people".into(),
            record: RecordReport { beside: Some(beside), ..ours },
            analysis: AnalysisReport::default(),
        };
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((&json["cameras"], &json["beside"]["cpu_ratio"]), (&8.into(), &0.5.into()));
        assert!(json["alert_latency_ms_p50"].is_null() && json["alerts"] == 0);
        let table = report.to_string();
        assert!(table.contains("ffmpeg -c copy") && table.contains("alert latency"), "{table}");
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert_eq!((median(&values), percentile(&values, 0.99)), (Some(3.0), Some(5.0)));
        assert_eq!((percentile(&values, 0.0), percentile(&values, 0.2)), (Some(1.0), Some(1.0)));
        assert_eq!(median(&[]), None);
    }
}
