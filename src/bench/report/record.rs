//! Result of a run that records.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::table::{number, row};
use super::{BesideReport, Costs};
use crate::bench::load::sample::Moment;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RecordReport {
    pub cameras: usize,
    /// Streams that were sent: of each camera the main stream, and its sub stream if it has one.
    pub streams: u64,
    /// Length of the measured part; frames are counted over the whole run.
    pub seconds: f64,
    /// From the server's start until all streams played.
    pub seconds_to_connect: f64,
    pub mbit_per_camera: f64,
    pub fps: f64,
    #[serde(flatten)]
    pub costs: Costs,
    /// Frames of the recorded streams.
    pub frames_sent: u64,
    /// Frames that were due and that the server read too slowly to be sent.
    pub frames_unsent: u64,
    /// Frames that the server says it received; absent where it was not asked or a clip has sound,
    /// which it counts as well.
    pub frames_received: Option<u64>,
    /// Frames found in its files by walking them, those that retention deleted since included.
    pub frames_recorded: u64,
    /// `frames_sent + frames_unsent - frames_recorded`; negative would mean frames recorded twice.
    pub frames_lost: i64,
    /// What the server entered into its ledger while it recorded, by cause.
    pub gaps: BTreeMap<String, u64>,
    /// Connections that were begun anew while it recorded.
    pub reconnects: u64,
    /// Files that were recorded, and the most bytes that lay on the disk at a time.
    pub files: u64,
    pub disk_mb_highest: f64,
    /// Length of a segment and what retention kept, where the disk budget asked for that.
    pub segment_seconds: Option<f64>,
    pub archive_max_mb: Option<f64>,
    /// Warnings and errors in the server's log.
    pub log_warnings: usize,
    /// Others in the same run, where they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<BesideReport>,
    pub timeline: Vec<Moment>,
}

impl fmt::Display for RecordReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        row(f, "cameras", self.cameras)?;
        row(f, "streams", self.streams)?;
        number(f, "seconds", self.seconds, 1)?;
        number(f, "seconds until all streams played", self.seconds_to_connect, 1)?;
        number(f, "recorded stream, Mbit/s", self.mbit_per_camera, 2)?;
        number(f, "recorded stream, frames/s", self.fps, 1)?;
        self.costs.fmt(f)?;
        row(f, "frames sent", self.frames_sent)?;
        row(f, "frames not sent (server too slow)", self.frames_unsent)?;
        if let Some(received) = self.frames_received {
            row(f, "frames received, as the server says", received)?;
        }
        row(f, "frames recorded, counted in the files", self.frames_recorded)?;
        row(f, "frames lost", self.frames_lost)?;
        for (cause, gaps) in &self.gaps {
            row(f, &format!("gaps in the ledger, {cause}"), gaps)?;
        }
        row(f, "reconnects", self.reconnects)?;
        row(f, "files recorded", self.files)?;
        number(f, "disk taken at the most, MB", self.disk_mb_highest, 0)?;
        if let (Some(segment), Some(max)) = (self.segment_seconds, self.archive_max_mb) {
            number(f, "  segments of, s", segment, 0)?;
            number(f, "  retention keeps, MB", max, 0)?;
        }
        row(f, "warnings in the server's log", self.log_warnings)?;
        self.beside.iter().try_for_each(|beside| beside.fmt(f))
    }
}
