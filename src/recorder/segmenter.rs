//! Where fragments, segments and runs begin and end. No I/O and no clock: units in, steps out.

use std::sync::Arc;
use std::time::Duration;

use super::settings::Settings;
use crate::archive::coverage::JITTER;
use crate::archive::fmp4::{Sample, Track};
use crate::base::Wall;
use crate::camera::GapCause;
use crate::media::{EncodedUnit, Params, Pts};

/// What to do next, in this order.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// Begin a segment. Comes before its first fragment.
    Open(Start),
    Fragment(Fragment),
    /// The open segment is complete.
    Close,
    /// Nothing is recorded from `at` on.
    Gap {
        at: Wall,
        cause: GapCause,
        note: String,
    },
}

/// A segment that begins.
#[derive(Clone, PartialEq, Debug)]
pub struct Start {
    /// It continues nothing: a new run, with its own time line.
    pub new_run: bool,
    pub at: Wall,
    pub video: Arc<Params>,
    pub audio: Option<Arc<Params>>,
}

/// One fragment, ready to be written.
#[derive(Clone, PartialEq, Debug)]
pub struct Fragment {
    pub start: Wall,
    pub video: Track,
    pub audio: Track,
}

impl Fragment {
    pub fn duration_90k(&self) -> u64 {
        self.video.samples.iter().map(|s| s.duration as u64).sum()
    }

    fn end(&self) -> Wall {
        self.start + Pts(self.duration_90k() as i64).since(Pts(0))
    }
}

/// Pictures further apart than this and than 4 times the step before are no slow camera.
const MAX_STEP: Duration = Duration::from_secs(2);
/// A picture's duration when nothing tells it: 1/25 s.
const DEFAULT_STEP: u32 = 3600;
/// Media time may leave server time so far, as a camera's clock drifts, before a new run is anchored.
const MAX_DRIFT_US: i64 = 1_000_000;

/// The segmenter of one stream.
#[derive(Debug)]
pub struct Segmenter {
    segment: Duration,
    max_fragment: Duration,
    max_fragment_bytes: usize,
    run: Option<Run>,
    /// Audio parameters seen on the connection, which the next run declares.
    audio: Option<(u32, Arc<Params>)>,
    /// End of the last fragment handed out.
    end: Option<Wall>,
    /// A gap has been told and goes on until the next key.
    gap_told: bool,
}

/// Invariant: `pending` holds at least one unit.
#[derive(Debug)]
struct Run {
    connection: u32,
    video: Arc<Params>,
    audio: Option<Arc<Params>>,
    /// Decoding time that is 0 on the run's time line, and its server time.
    base: Pts,
    base_wall: Wall,
    /// Decoding time of the segment's first picture.
    segment_start: Pts,
    /// What the next fragment opens first.
    opens: Option<Start>,
    pending: Vec<EncodedUnit>,
    pending_audio: Vec<EncodedUnit>,
    pending_bytes: usize,
    step: u32,
}

/// Why a run ends.
struct Break {
    cause: GapCause,
    note: String,
    /// Something is missing for certain, however short.
    declared: bool,
}

impl Segmenter {
    pub fn new(settings: &Settings) -> Self {
        Segmenter {
            segment: settings.segment,
            max_fragment: settings.max_fragment,
            max_fragment_bytes: settings.max_fragment_bytes,
            run: None,
            audio: None,
            end: None,
            // Since recording was switched on the ledger has an open gap.
            gap_told: true,
        }
    }

    /// The next unit in order of arrival.
    pub fn push(&mut self, unit: EncodedUnit) -> Vec<Step> {
        if !unit.is_video() {
            self.push_audio(unit);
            return vec![];
        }
        let mut steps = Vec::new();
        if let Some(b) = self.run.as_ref().and_then(|run| run.broken_by(&unit, self.audio.as_ref())) {
            // The picture before the break lasted until it, unless something is missing.
            self.end_run(&mut steps);
            self.begin_gap(&mut steps, b, Some(&unit));
        }
        match &mut self.run {
            None => self.begin_run(unit),
            Some(run) => {
                let full = run.pending_bytes + unit.data.len() > self.max_fragment_bytes
                    || unit.dts.since(run.pending[0].dts) >= self.max_fragment;
                if unit.key || full {
                    let fragment = run.take_fragment(Some(unit.dts));
                    self.end = Some(fragment.end());
                    steps.extend(run.opens.take().map(Step::Open));
                    steps.push(Step::Fragment(fragment));
                }
                if unit.key && unit.dts.since(run.segment_start) >= self.segment {
                    steps.push(Step::Close);
                    run.segment_start = unit.dts;
                    run.opens = Some(run.start_at(&unit, false));
                }
                run.add(unit);
            }
        }
        steps
    }

    fn push_audio(&mut self, unit: EncodedUnit) {
        match &self.audio {
            Some((c, p)) if *c == unit.connection && same(p, &unit.params) => {}
            _ => self.audio = Some((unit.connection, unit.params.clone())),
        }
        if let Some(run) = &mut self.run {
            // The header goes out with the run's first fragment: until then it can still declare it.
            if let Some(start) = run.opens.as_mut().filter(|s| s.new_run && s.audio.is_none())
                && unit.connection == run.connection
            {
                start.audio = Some(unit.params.clone());
                run.audio = start.audio.clone();
            }
            // Audio that the header does not declare waits for the next run; audio from before the
            // run's first picture has no place on its time line.
            let declared = run.audio.as_ref().is_some_and(|p| same(p, &unit.params));
            let in_order = run.pending_audio.last().is_none_or(|last| last.pts < unit.pts);
            if declared && in_order && unit.connection == run.connection && unit.pts >= run.base {
                run.pending_bytes += unit.data.len();
                run.pending_audio.push(unit);
            }
        }
    }

    /// The stream is gone, was switched off, or a unit of it could not be taken in. `at`: when, for a
    /// stream of which nothing was recorded yet.
    pub fn interrupt(&mut self, at: Wall, cause: GapCause, note: &str) -> Vec<Step> {
        let mut steps = Vec::new();
        self.end_run(&mut steps);
        let from = if self.gap_told { at } else { self.end.unwrap_or(at) };
        self.gap_told = true;
        steps.push(Step::Gap { at: from, cause, note: note.into() });
        steps
    }

    /// The server stops: all that has come is handed out.
    pub fn finish(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        self.end_run(&mut steps);
        steps
    }

    /// The fragment handed out last could not be written. Recording goes on with a new run at the
    /// next key, which may have come already.
    pub fn failed(&mut self) {
        self.gap_told = true;
        if let Some(mut run) = self.run.take()
            && run.pending[0].key
        {
            run.base = run.pending[0].dts;
            run.base_wall = run.pending[0].received;
            run.segment_start = run.base;
            run.opens = Some(run.start_at(&run.pending[0], true));
            self.run = Some(run);
        }
    }

    /// What is pending will not be written; recording goes on with a new run at a key yet to come.
    pub fn abandon(&mut self) {
        self.gap_told = true;
        self.run = None;
    }

    fn end_run(&mut self, steps: &mut Vec<Step>) {
        if let Some(mut run) = self.run.take() {
            let fragment = run.take_fragment(None);
            self.end = Some(fragment.end());
            steps.extend(run.opens.take().map(Step::Open));
            steps.push(Step::Fragment(fragment));
            steps.push(Step::Close);
            self.gap_told = false;
        }
    }

    /// Enter the gap that `b` makes, if there is one. `unit` is the first behind it.
    fn begin_gap(&mut self, steps: &mut Vec<Step>, b: Break, unit: Option<&EncodedUnit>) {
        let Some(end) = self.end else { return };
        let jitter = unit.is_some_and(|u| u.key && u.received.since(end) <= JITTER);
        if b.declared || !jitter {
            self.gap_told = true;
            steps.push(Step::Gap { at: end, cause: b.cause, note: b.note });
        }
    }

    fn begin_run(&mut self, unit: EncodedUnit) {
        if !unit.key {
            return;
        }
        self.gap_told = false;
        let audio = self.audio.as_ref().filter(|(c, _)| *c == unit.connection).map(|(_, p)| p.clone());
        let mut run = Run {
            connection: unit.connection,
            video: unit.params.clone(),
            audio,
            base: unit.dts,
            base_wall: unit.received,
            segment_start: unit.dts,
            opens: None,
            pending: vec![],
            pending_audio: vec![],
            pending_bytes: 0,
            step: DEFAULT_STEP,
        };
        run.opens = Some(run.start_at(&unit, true));
        run.add(unit);
        self.run = Some(run);
    }
}

impl Run {
    fn broken_by(&self, unit: &EncodedUnit, audio: Option<&(u32, Arc<Params>)>) -> Option<Break> {
        let last = self.pending.last()?;
        let why = |cause, note: &str| Some(Break { cause, note: note.into(), declared: false });
        if unit.connection != self.connection {
            return why(GapCause::CameraLost, "connected anew");
        }
        if !same(&self.video, &unit.params) {
            return why(GapCause::CameraLost, "the camera changed its picture format");
        }
        let step = unit.dts.since(last.dts);
        let slow = Pts(self.step as i64 * 4).since(Pts(0));
        if unit.dts < last.dts || step > MAX_STEP.max(slow) {
            let (cause, note) = match unit.lost_before {
                0 => (GapCause::CameraLost, "the camera sent no pictures".to_owned()),
                n => (GapCause::Network, format!("{n} packets were lost")),
            };
            return Some(Break { cause, note, declared: step > MAX_STEP.max(slow) });
        }
        if unit.key {
            let declared = audio.filter(|(c, _)| *c == self.connection).map(|(_, p)| p);
            if declared.is_some_and(|p| !self.audio.as_ref().is_some_and(|a| same(a, p))) {
                return why(GapCause::CameraLost, "the camera changed its sound format");
            }
            let media = Pts(unit.dts.0 - self.base.0).micros();
            let wall = unit.received.micros() - self.base_wall.micros();
            if (media - wall).abs() > MAX_DRIFT_US {
                return why(GapCause::Unknown, "the camera's clock left the server's");
            }
        }
        None
    }

    fn start_at(&self, unit: &EncodedUnit, new_run: bool) -> Start {
        Start { new_run, at: unit.received, video: self.video.clone(), audio: self.audio.clone() }
    }

    fn add(&mut self, unit: EncodedUnit) {
        if let Some(last) = self.pending.last() {
            self.step = ticks(unit.dts.0 - last.dts.0).max(1);
        }
        self.pending_bytes += unit.data.len();
        self.pending.push(unit);
    }

    /// All that is pending. `next` is the decoding time of the unit behind it, if it is known.
    fn take_fragment(&mut self, next: Option<Pts>) -> Fragment {
        let units = std::mem::take(&mut self.pending);
        let audio = std::mem::take(&mut self.pending_audio);
        self.pending_bytes = 0;
        let start = units[0].received;
        if let (Some(next), Some(last)) = (next, units.last()) {
            self.step = ticks(next.0 - last.dts.0).max(1);
        }
        Fragment { start, video: self.track(units, |u| u.dts, self.step), audio: self.audio_track(audio) }
    }

    fn audio_track(&self, units: Vec<EncodedUnit>) -> Track {
        let step = match units.as_slice() {
            [.., a, b] => ticks(b.pts.0 - a.pts.0),
            // One AAC frame is 1024 samples (ISO 14496-3 §4.5.1.1).
            _ => match self.audio.as_deref() {
                Some(Params::Audio(a)) => (1024 * Pts::HZ as u64 / a.sample_rate.max(1) as u64) as u32,
                _ => DEFAULT_STEP,
            },
        };
        self.track(units, |u| u.pts, step)
    }

    /// Units as samples; the last one lasts `last_step`.
    fn track(&self, units: Vec<EncodedUnit>, time: impl Fn(&EncodedUnit) -> Pts, last_step: u32) -> Track {
        let times: Vec<i64> = units.iter().map(|u| time(u).0 - self.base.0).collect();
        let nexts = times.iter().skip(1).copied().map(Some).chain([None]);
        let sample = |((unit, at), next): ((EncodedUnit, &i64), Option<i64>)| Sample {
            duration: next.map_or(last_step, |n| ticks(n - at)),
            offset: (unit.pts.0 - time(&unit).0).clamp(i32::MIN as i64, i32::MAX as i64) as i32,
            key: unit.key,
            data: unit.data,
        };
        Track {
            start: times.first().map_or(0, |t| *t as u64),
            samples: units.into_iter().zip(&times).zip(nexts).map(sample).collect(),
        }
    }
}

fn same(a: &Arc<Params>, b: &Arc<Params>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

fn ticks(d: i64) -> u32 {
    d.clamp(0, u32::MAX as i64) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{CameraId, StreamKind};
    use crate::media::{AudioParams, Codec, VideoParams};

    fn video(width: u16) -> Arc<Params> {
        let config = bytes::Bytes::new();
        Arc::new(Params::Video(VideoParams {
            codec: Codec::H264,
            width,
            height: 1,
            config,
            rfc6381: "".into(),
        }))
    }

    fn sound() -> Arc<Params> {
        let config = bytes::Bytes::new();
        Arc::new(Params::Audio(AudioParams { sample_rate: 1, channels: 1, config, rfc6381: "".into() }))
    }

    /// Plays a script, one token a second, and compares what is recorded.
    /// `K` key, `P` other picture, `A` sound (takes no time), `!3s` the stream is lost and back after
    /// 3 s, `~3s` no unit for 3 s, `C` a new connection, `V` new parameters, `D` the camera's clock
    /// jumps back, `L` packets were lost before the next unit, `X` a picture is refused.
    /// Out: fragments as `from..to` in seconds; `+` joins those of a segment, `/` segments of a run,
    /// a blank separates runs; `a2` two sounds; `gap:3s`, with its cause where it is not camera_lost.
    fn check(script: &str, expected: &str) {
        let settings = Settings {
            segment: Duration::from_secs(4),
            max_fragment: Duration::from_secs(5),
            max_fragment_bytes: 1000,
            ..Settings::default()
        };
        let mut s = Segmenter::new(&settings);
        let (mut now, mut connection, mut width, mut shift, mut lost) = (0i64, 1, 1, 0i64, 0);
        let (mut params, audio) = (video(1), sound());
        let mut steps: Vec<(i64, Step)> = vec![];
        let wall = |s: i64| Wall(s * 1_000_000);
        for token in script.split_whitespace() {
            let secs = || token[1..].trim_end_matches('s').parse::<i64>().unwrap();
            let mut unit = |params: &Arc<Params>, key| EncodedUnit {
                camera: CameraId::new("c").unwrap(),
                stream: StreamKind::Main,
                connection,
                pts: Pts((now + shift) * Pts::HZ),
                dts: Pts((now + shift) * Pts::HZ),
                received: wall(now),
                key,
                lost_before: std::mem::take(&mut lost),
                params: params.clone(),
                data: bytes::Bytes::from_static(&[0; 10]),
            };
            let (out, takes) = match &token[..1] {
                "K" => (s.push(unit(&params, true)), 1),
                "P" => (s.push(unit(&params, false)), 1),
                "B" => {
                    let mut big = unit(&params, false);
                    big.data = bytes::Bytes::from_static(&[0; 995]);
                    (s.push(big), 1)
                }
                "A" => (s.push(unit(&audio, true)), 0),
                "X" => (s.interrupt(wall(now), GapCause::Overload, ""), 1),
                "!" => (s.interrupt(wall(now), GapCause::CameraLost, ""), secs()),
                "~" => (vec![], secs()),
                other => {
                    match other {
                        "C" => (connection, shift) = (connection + 1, shift + 1000),
                        "V" => (width, params) = (width + 1, video(width + 1)),
                        "D" => shift -= 3,
                        "L" => lost = 7,
                        _ => panic!("no token {token}"),
                    }
                    (vec![], 0)
                }
            };
            steps.extend(out.into_iter().map(|o| (now, o)));
            now += takes;
        }
        steps.extend(s.finish().into_iter().map(|o| (now, o)));
        assert_eq!(render(&steps), expected, "{script}");
    }

    fn render(steps: &[(i64, Step)]) -> String {
        let mut out = String::new();
        let mut gap: Option<(Wall, GapCause)> = None;
        let (mut open, mut media_end) = (false, 0);
        for (_, step) in steps {
            match step {
                Step::Open(start) => {
                    if let Some((from, cause)) = gap.take() {
                        let secs = start.at.since(from).as_secs();
                        let cause =
                            if cause == GapCause::CameraLost { "".into() } else { format!(":{cause}") };
                        out += &format!(" gap:{secs}s{cause}");
                    }
                    out += if start.new_run { " " } else { "/" };
                    media_end = if start.new_run { 0 } else { media_end };
                    open = false;
                }
                Step::Fragment(f) => {
                    assert_eq!(f.video.start, media_end, "a run has one time line");
                    media_end += f.duration_90k();
                    let (a, b) = (f.start.as_secs_f64(), f.end().as_secs_f64());
                    let short = if b.fract() == 0.0 { format!("{a}..{b}") } else { format!("{a}..{b:.2}") };
                    let sounds = f.audio.samples.len();
                    let sounds = if sounds > 0 { format!("a{sounds}") } else { String::new() };
                    out += &format!("{}{short}{sounds}", if open { "+" } else { "" });
                    open = true;
                }
                Step::Close => open = false,
                Step::Gap { at, cause, .. } => gap = Some((*at, *cause)),
            }
        }
        out.trim().to_owned()
    }

    #[test]
    fn outage_becomes_a_gap() {
        check("K P P !3s K", "0..3 gap:3s 6..6.04");
        check("K P P !3s C P P K P", "0..3 gap:5s 8..10");
    }

    #[test]
    fn segments_begin_at_keys_and_continue_the_time_line() {
        check("K P K P K P K P", "0..2+2..4/4..6+6..8");
        check("K P P P P P K P", "0..5+5..6/6..8");
    }

    #[test]
    fn a_long_or_heavy_gop_is_written_early() {
        check("K P P P P P P K", "0..5+5..7/7..8");
        check("K P B P K P", "0..2+2..3+3..4/4..6");
    }

    #[test]
    fn a_new_connection_or_format_begins_a_run_without_a_gap_when_nothing_is_missing() {
        check("K P C K P", "0..2 2..4");
        check("K P V K P", "0..2 2..4");
        check("K P V P P K P", "0..2 gap:2s 4..6");
    }

    #[test]
    fn silence_and_clock_jumps_break_the_run() {
        check("K P ~9s K P", "0..2 gap:9s 11..13");
        check("K P L ~9s K P", "0..2 gap:9s:network 11..13");
        check("K P P P D K P", "0..4 4..6");
        check("K P L P K P", "0..3+3..5");
    }

    #[test]
    fn a_refused_picture_costs_the_rest_of_its_gop_only() {
        check("K P X P P K P", "0..2 gap:3s:overload 5..7");
    }

    #[test]
    fn recording_waits_for_the_first_key() {
        check("P P K P", "2..4");
        check("P P", "");
    }

    #[test]
    fn sound_goes_into_the_fragment_it_comes_with() {
        check("A K A P A K A P", "0..2a2+2..4a1");
        // Sound that begins later is declared by a new run, without a gap.
        check("K P K A P K A P", "0..2+2..4 4..6a1");
        check("K P A P K A P", "0..3a1+3..5a1");
    }
}
