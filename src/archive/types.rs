//! What the index knows.

use std::fmt;
use std::path::PathBuf;

use crate::base::{CameraId, StreamKind, Wall, WallSpan};
use crate::camera::GapCause;
use crate::media::Pts;

/// Row number of a segment; grows, never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SegmentId(pub i64);

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A run is an unbroken stretch of recording: its segments share one media time line and the same
/// codec parameters. A gap, a reconnect or changed parameters begin a new run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunId(pub uuid::Uuid);

/// One segment file: fMP4, `ftyp moov (prft moof mdat)*`, first picture a key. A `free` box may stand behind
/// `moov` and behind each `mdat`; it belongs to what is before it.
#[derive(Clone, PartialEq, Debug)]
pub struct SegmentRow {
    pub id: SegmentId,
    pub camera: CameraId,
    pub stream: StreamKind,
    pub run: RunId,
    /// Place within the run, from 0.
    pub seq_in_run: u32,
    /// Server time of the first picture, to the end of the last whole fragment.
    pub span: WallSpan,
    pub path: PathBuf,
    /// Bytes of whole fragments and the header.
    pub bytes: u64,
    /// Bytes of `ftyp moov` and their padding: the initialisation section of HLS (`EXT-X-MAP`).
    pub header_bytes: u64,
    pub width: u16,
    pub height: u16,
    /// RFC 6381 codecs of all tracks, joined by commas.
    pub codecs: String,
    /// Oldest first; never empty in a listed segment.
    pub fragments: Vec<FragmentRef>,
    /// Still being written: more fragments may follow.
    pub open: bool,
}

impl SegmentRow {
    /// Fragments that hold anything of `span`, from a key on.
    pub fn wanted(&self, span: WallSpan) -> &[FragmentRef] {
        let all = &self.fragments;
        let meets = |f: &FragmentRef| f.span().intersect(span).is_some();
        let Some(first) = all.iter().position(meets) else { return &[] };
        let end = all.iter().rposition(meets).map_or(first, |i| i + 1);
        let from = all[..=first].iter().rposition(|f| f.key).unwrap_or(0);
        &all[from..end]
    }
}

/// One fragment (one GOP) within a segment file: `prft moof mdat` and their padding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FragmentRef {
    /// Byte range in the file.
    pub offset: u64,
    pub bytes: u32,
    /// Server time of its first picture.
    pub start: Wall,
    /// Media duration of its video in 90 kHz ticks.
    pub duration_90k: u32,
    /// Media decode time (`tfdt`) of its video on the run's time line, 90 kHz.
    pub media_start_90k: u64,
    /// Pictures in it.
    pub frames: u32,
    /// Its first picture is a key. Not so where a long GOP was written early; the first fragment
    /// of a segment always begins with a key.
    pub key: bool,
}

impl FragmentRef {
    /// Server time from its first picture to the end of its last.
    pub fn span(&self) -> WallSpan {
        WallSpan::new(self.start, self.start + Pts(self.duration_90k as i64).since(Pts(0)))
    }
}

/// A stretch of time in which nothing is recorded although it should be.
#[derive(Clone, PartialEq, Debug)]
pub struct Gap {
    pub span: WallSpan,
    pub cause: GapCause,
    /// For people, such as "connection refused".
    pub note: String,
    /// It has not ended yet; `span.end` is the time of asking.
    pub open: bool,
}

/// Expected against recorded time of one camera in `span`.
#[derive(Clone, PartialEq, Debug)]
pub struct Coverage {
    pub span: WallSpan,
    pub recorded: Vec<WallSpan>,
    pub gaps: Vec<Gap>,
    pub expected_seconds: f64,
    pub recorded_seconds: f64,
}
