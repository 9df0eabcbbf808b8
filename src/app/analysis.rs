//! One camera's way from access unit to alert: decode → motion → infer → track → rules → alerts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{Counter, counter};
use tracing::{debug, error, warn};

use crate::alerts::{AlertWriter, Evidence};
use crate::base::metrics::DECODE_SKIPPED;
use crate::base::queue::{self, Empty, Refused};
use crate::base::task::{JoinError, Stop, Tasks};
use crate::base::{CameraId, Clock, Wall};
use crate::camera::{Frame, StreamEvent};
use crate::config;
use crate::decode::{Decoder, Mode, Profile};
use crate::infer::{
    AnalyticsProfile, Class, Detection, Engine, MotionDetector, MotionSettings, Outcome, Request,
};
use crate::media::{EncodedUnit, Params};
use crate::rules::{RuleEvent, Subject};
use crate::track::TrackNumbers;

use super::chain::{Chain, without_models};
use super::pick::Pick;

/// Access units waiting to be decoded, per camera. A 4 Mbit/s stream fills this in 8 s.
const QUEUE_BYTES: usize = 4 << 20;
const QUEUE_UNITS: usize = 512;
const QUEUE_EVENTS: usize = 64;
/// How often rules see time pass while nothing is decoded.
const TICK: Duration = Duration::from_millis(500);
/// How often a camera without frames looks whether it is to stop.
const IDLE: Duration = Duration::from_millis(200);

/// What all analyses share.
#[derive(Clone)]
pub struct Shared {
    /// `None`: no ONNX Runtime or none of the models; motion detection only.
    pub models: Option<Models>,
    pub writer: AlertWriter,
    pub decode: Arc<Profile>,
    pub clock: Arc<dyn Clock>,
    pub tracks: TrackNumbers,
}

/// The engine and the models it was started with.
#[derive(Clone)]
pub struct Models {
    pub engine: Arc<Engine>,
    /// What each of them finds.
    pub classes: BTreeMap<String, Vec<Class>>,
}

impl Models {
    /// Those of a profile's models that are here.
    fn of(&self, profile: &AnalyticsProfile) -> Vec<String> {
        profile.models.iter().filter(|m| self.classes.contains_key(*m)).cloned().collect()
    }

    fn found_by(&self, models: &[String]) -> Vec<Class> {
        models.iter().filter_map(|m| self.classes.get(m)).flatten().copied().collect()
    }
}

/// The running analysis of one camera.
pub struct Analysis {
    input: queue::Sender<EncodedUnit>,
    /// Ups and downs of the stream; apart from the units, so that no flood of them gets in their way.
    events: queue::Sender<StreamEvent>,
    /// The queue was full: units are dropped until a keyframe finds room.
    skipping: AtomicBool,
    inner: Arc<Inner>,
    tasks: Tasks,
}

struct Inner {
    camera: CameraId,
    /// Never held while anything else is locked or waited for.
    chain: Mutex<Chain>,
    motion: Option<Mutex<MotionDetector>>,
    pick: Mutex<Pick>,
    models: Arc<[String]>,
    shared: Shared,
    frames: AtomicU64,
    analysed: AtomicU64,
    rate: Mutex<Rate>,
    /// Time of the last frame looked at, microseconds; 0: none yet.
    last_at: AtomicI64,
}

/// Keeps analysis near the present. Decoding what is long past would delay every alert by as much for
/// as long as the machine is short of time; so units are left out up to a keyframe that is not.
#[derive(Default)]
struct Backlog {
    late: bool,
}

impl Backlog {
    /// So old may a unit be when its turn to be decoded comes.
    const LATE: Duration = Duration::from_secs(2);

    fn admits(&mut self, key: bool, age: Duration) -> bool {
        self.late = age > Self::LATE || (self.late && !key);
        !self.late
    }
}

/// Figures of one camera's analysis.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalysisFigures {
    pub frames_decoded: u64,
    pub frames_analysed: u64,
    /// Frames analysed per second, over the last ticks.
    pub fps: f32,
    pub last_frame: Option<Wall>,
}

/// Rate of a counter, read at ticks.
#[derive(Default)]
struct Rate {
    since: Option<(Wall, u64)>,
    fps: f32,
}

impl Rate {
    /// Over at least this long, so that a look every few seconds still shows as a rate.
    const WINDOW: Duration = Duration::from_secs(4);

    fn tick(&mut self, now: Wall, count: u64) {
        match self.since {
            Some((then, _)) if now.since(then) < Self::WINDOW => {}
            Some((then, before)) => {
                self.fps = (count - before) as f32 / now.since(then).as_secs_f32();
                self.since = Some((now, count));
            }
            None => self.since = Some((now, count)),
        }
    }
}

impl Analysis {
    pub fn start(
        camera: &config::Camera,
        profile: &AnalyticsProfile,
        shared: Shared,
    ) -> std::io::Result<Analysis> {
        let id = camera.spec.id.clone();
        let models = shared.models.as_ref().map(|m| m.of(profile)).unwrap_or_default();
        let rules = match &shared.models {
            Some(_) if models.len() == profile.models.len() && !models.is_empty() => camera.rules.clone(),
            Some(all) => without_models(&camera.rules, &all.found_by(&models)),
            None => without_models(&camera.rules, &[]),
        };
        // Rules over moving areas need them, whatever the profile says.
        let wants_motion = rules.iter().any(|r| r.classes.contains(&Class::Motion));
        let fps = camera.fps.unwrap_or(profile.fps).max(0.1);
        let inner = Arc::new(Inner {
            camera: id.clone(),
            chain: Mutex::new(Chain::new(id.clone(), rules, shared.tracks.clone())),
            motion: (profile.motion || wants_motion)
                .then(|| Mutex::new(MotionDetector::new(MotionSettings::default()))),
            pick: Mutex::new(Pick::new(fps)),
            models: models.into(),
            shared,
            frames: AtomicU64::new(0),
            analysed: AtomicU64::new(0),
            rate: Mutex::default(),
            last_at: AtomicI64::new(0),
        });
        let (input, units) = queue::bytes("ingest_to_decode", QUEUE_BYTES, QUEUE_UNITS);
        let (events, changes) = queue::items("ingest_to_rules", QUEUE_EVENTS);
        let tasks = Tasks::root(&format!("analysis/{id}"));
        let worker = Worker {
            inner: inner.clone(),
            mode: camera.decode,
            open: None,
            stands_still: false,
            backlog: Backlog::default(),
            behind: counter!(DECODE_SKIPPED),
            ticked: Wall::MIN,
        };
        tasks.thread(&format!("dec-{id}"), move |stop| worker.run(&units, &changes, &stop))?;
        Ok(Analysis { input, events, skipping: AtomicBool::new(false), inner, tasks })
    }

    /// Whether pictures are looked at. If not, nothing is decoded: only the stream's ups and downs are
    /// followed, for the rule that tells of a lost camera.
    pub fn looks(&self) -> bool {
        self.inner.motion.is_some() || !self.inner.models.is_empty()
    }

    /// Hand in an access unit; never blocks.
    pub fn unit(&self, unit: EncodedUnit) {
        if !self.looks() || !unit.is_video() || (self.skipping.load(Ordering::Relaxed) && !unit.key) {
            return;
        }
        let refused = matches!(self.input.offer_weighed(unit), Err(Refused::Full(_)));
        self.skipping.store(refused, Ordering::Relaxed);
    }

    /// Hand in what happened to the stream; never blocks.
    pub fn event(&self, event: StreamEvent) {
        if self.events.offer(event).is_err() {
            // Sixty-four changes within a fifth of a second: the queue's counter tells of them.
            debug!(camera = %self.inner.camera, "a change of the stream's state was not looked at");
        }
    }

    pub fn figures(&self) -> AnalysisFigures {
        AnalysisFigures {
            frames_decoded: self.inner.frames.load(Ordering::Relaxed),
            frames_analysed: self.inner.analysed.load(Ordering::Relaxed),
            fps: self.inner.rate.lock().unwrap_or_else(PoisonError::into_inner).fps,
            last_frame: Some(self.inner.last_at.load(Ordering::Relaxed)).filter(|us| *us != 0).map(Wall),
        }
    }

    /// Let what is queued run through, then end. Units handed in after this are not looked at.
    pub async fn stop(&self, within: Duration) -> Vec<JoinError> {
        self.tasks.stop_and_join(within).await
    }
}

/// The camera's decode thread. Told to stop, it ends once the queues are empty.
struct Worker {
    inner: Arc<Inner>,
    mode: Mode,
    /// The decoder and the parameters it was opened for.
    open: Option<(Arc<Params>, Decoder)>,
    /// No decoder could be opened, and it was said.
    stands_still: bool,
    backlog: Backlog,
    behind: Counter,
    ticked: Wall,
}

impl Worker {
    fn run(
        mut self,
        units: &queue::Receiver<EncodedUnit>,
        changes: &queue::Receiver<StreamEvent>,
        stop: &Stop,
    ) {
        loop {
            let unit = units.recv_timeout(IDLE);
            while let Some(event) = changes.try_recv() {
                let events = self.inner.chain().on_stream(&event);
                self.inner.tell(events, None);
            }
            match unit {
                Ok(unit) => self.decode(&unit),
                Err(Empty::Now) if stop.is_cancelled() => break,
                Err(Empty::Now) => {}
                Err(Empty::Forever) => break,
            }
            self.tick();
        }
        if let Some((_, decoder)) = self.open.take() {
            decoder.drain();
        }
    }

    /// Let rules that wait for time to pass see it pass.
    fn tick(&mut self) {
        let now = self.inner.shared.clock.wall();
        if now.since(self.ticked) < TICK && now > self.ticked {
            return;
        }
        self.ticked = now;
        self.inner
            .rate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .tick(now, self.inner.analysed.load(Ordering::Relaxed));
        let events = self.inner.chain().tick(now);
        self.inner.tell(events, None);
    }

    fn decode(&mut self, unit: &EncodedUnit) {
        let age = self.inner.shared.clock.wall().since(unit.received);
        if !self.backlog.admits(unit.key, age) {
            self.behind.increment(1);
            return;
        }
        let same = |p: &Arc<Params>| Arc::ptr_eq(p, &unit.params) || **p == *unit.params;
        if !self.open.as_ref().is_some_and(|(p, _)| same(p)) {
            if let Some((_, old)) = self.open.take() {
                old.drain();
            }
            // A decoder begins at a key; one that cannot be opened is tried again no more often.
            let Some(params) = unit.params.video().filter(|_| unit.key) else { return };
            let (camera, out) = (self.inner.camera.clone(), self.inner.clone());
            let sink = Arc::new(move |frame| out.frame(frame));
            match Decoder::open(camera, params, self.mode, &self.inner.shared.decode, sink) {
                Ok(decoder) => {
                    self.open = Some((unit.params.clone(), decoder));
                    self.stands_still = false;
                }
                Err(e) => {
                    if !std::mem::replace(&mut self.stands_still, true) {
                        warn!("analysis stands still; trying again at every keyframe: {e}");
                    }
                    return;
                }
            }
        }
        if let Some((_, decoder)) = &mut self.open
            && let Err(e) = decoder.push(unit)
        {
            debug!("decoder begins anew: {e}");
            self.open = None;
        }
    }
}

impl Inner {
    fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A decoded frame, on the decoder's thread.
    fn frame(self: &Arc<Self>, frame: Frame) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        if !self.pick.lock().unwrap_or_else(PoisonError::into_inner).takes(frame.at) {
            return;
        }
        let motion = match &self.motion {
            Some(m) => m.lock().unwrap_or_else(PoisonError::into_inner).look(&frame.image, frame.at),
            None => Vec::new(),
        };
        match &self.shared.models {
            Some(Models { engine, .. }) if !self.models.is_empty() => {
                let inner = self.clone();
                engine.submit(Request {
                    frame,
                    models: self.models.clone(),
                    done: Box::new(move |frame, outcome| inner.looked_at(frame, outcome, motion)),
                });
            }
            _ => self.looked_at(frame, Outcome::Done(Vec::new()), motion),
        }
    }

    /// The result for a frame; in order per camera.
    fn looked_at(&self, frame: Frame, outcome: Outcome, motion: Vec<Detection>) {
        if matches!(outcome, Outcome::Done(_)) {
            self.analysed.fetch_add(1, Ordering::Relaxed);
        }
        let seen = self.chain().on_frame(frame.at, &outcome, &motion);
        self.last_at.store(frame.at.0, Ordering::Relaxed);
        self.tell(seen.events, Some(&frame));
    }

    fn tell(&self, events: Vec<RuleEvent>, frame: Option<&Frame>) {
        for event in events {
            // A camera that is gone shows nothing; an alert about it gets no picture.
            let frame = frame.filter(|_| !matches!(event.subject, Subject::Camera));
            let evidence = frame.map(|f| Evidence { frame: f.clone(), boxes: Vec::new() });
            if let Err(event) = self.shared.writer.submit(event, evidence) {
                error!(camera = %self.camera, rule = %event.rule, "an event came after the alert writer's end: {}", event.message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_past_is_left_out_up_to_a_fresh_keyframe() {
        let mut backlog = Backlog::default();
        let ms = Duration::from_millis;
        let units = [
            (true, 100),
            (false, 1900),
            (false, 2100),
            (false, 500),
            (true, 2500),
            (false, 10),
            (true, 900),
            (false, 950),
        ];
        let admitted: Vec<bool> = units.into_iter().map(|(key, age)| backlog.admits(key, ms(age))).collect();
        assert_eq!(admitted, [true, true, false, false, false, false, true, true]);
    }
}
