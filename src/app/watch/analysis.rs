//! One camera's watching: what ingest hands its units to, and what the API asks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tracing::{debug, error};

use crate::alerts::{AlertWriter, Evidence};
use crate::archive::{Journal, Keeper};
use crate::base::queue::{self, Refused};
use crate::base::{CameraId, Clock, Mono, Wall};
use crate::camera::{Attention, Frame, StreamEvent, StreamWhat, WatchLevel};
use crate::config;
use crate::decode::{self, FollowDecoder, Leases, Pictures};
use crate::gate::schedule::{Offer, Slot};
use crate::infer::AnalyticsProfile;
use crate::media::EncodedUnit;
use crate::rules::RuleEvent;
use crate::track::TrackNumbers;

use super::desk::Desk;
use super::eyes::Eyes;
use super::feed::{Feed, Step};
use super::figures::{AnalysisFigures, Counts};
use super::models::Models;
use super::setup::Setup;
use crate::app::chain::Chain;

/// Access units on their way to the gate thread, per camera. It comes ten times a second; when it is held up,
/// this many units wait, three to five seconds of a stream.
const QUEUE_BYTES: usize = 4 << 20;
const QUEUE_UNITS: usize = 128;
const QUEUE_EVENTS: usize = 16;
/// Footage played as fast as it is analysed waits while so many units do.
const FAST_WAITING: usize = 48;
/// How often a stopping camera, and footage that waits, look whether they may go on.
const GLANCE: Duration = Duration::from_millis(10);

/// What all analyses share.
#[derive(Clone)]
pub struct Shared {
    /// `None`: no ONNX Runtime or none of the models; motion detection only.
    pub models: Option<Models>,
    pub writer: AlertWriter,
    pub decode: Arc<decode::Profile>,
    pub clock: Arc<dyn Clock>,
    pub tracks: TrackNumbers,
    pub desk: Arc<Desk>,
    /// Where what was seen is kept; `None`: it is not.
    pub keeper: Option<Keeper>,
}

/// One camera that is watched. Locks: `eyes` before `feed` and `chain`; the latter two hold no other.
pub struct Analysis {
    camera: CameraId,
    shared: Shared,
    setup: ArcSwap<Setup>,
    /// Units of the analysed stream; once somebody looks at them.
    input: OnceLock<(queue::Sender<EncodedUnit>, queue::Receiver<EncodedUnit>)>,
    /// Ups and downs of the stream; apart from the units, so that no flood of them gets in their way.
    events: (queue::Sender<StreamEvent>, queue::Receiver<StreamEvent>),
    /// The queue was full: units are dropped until a keyframe finds room.
    skipping: AtomicBool,
    /// Its place in the scheduler, while its pictures are looked at.
    slot: Mutex<Option<Slot>>,
    feed: Mutex<Feed>,
    eyes: Mutex<Eyes>,
    chain: Mutex<Chain>,
    counts: Counts,
}

impl Analysis {
    /// Watch a camera from now on.
    pub fn start(camera: &config::Camera, profile: &AnalyticsProfile, shared: Shared) -> Arc<Analysis> {
        let id = camera.spec.id.clone();
        let setup = Arc::new(Setup::new(camera, profile, shared.models.as_ref()));
        let chain = chain(&id, &setup, &shared);
        let analysis = Arc::new(Analysis {
            counts: Counts::new(&id),
            camera: id,
            input: OnceLock::new(),
            events: queue::items("ingest_to_rules", QUEUE_EVENTS),
            skipping: AtomicBool::new(false),
            slot: Mutex::new(None),
            feed: Mutex::new(Feed::new(&setup, shared.clock.now())),
            eyes: Mutex::new(Eyes::new(setup.clone())),
            chain: Mutex::new(chain),
            setup: ArcSwap::new(setup),
            shared,
        });
        analysis.take_place();
        analysis.shared.desk.enter(analysis.clone());
        analysis
    }

    /// Go on with another configuration of the same stream. What is known of the stream stays; rules and
    /// tracks begin anew.
    pub fn change(self: &Arc<Self>, camera: &config::Camera, profile: &AnalyticsProfile) {
        let setup = Arc::new(Setup::new(camera, profile, self.shared.models.as_ref()));
        *self.chain() = chain(&self.camera, &setup, &self.shared);
        self.setup.store(setup);
        self.take_place();
    }

    /// Take, keep or give up the place in the scheduler, as the setup says.
    fn take_place(self: &Arc<Self>) {
        let setup = self.setup();
        let need = self.feed().need(&setup);
        let desk = &self.shared.desk;
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        match (*slot, setup.looks) {
            (None, true) => {
                self.input.get_or_init(|| queue::bytes("ingest_to_watch", QUEUE_BYTES, QUEUE_UNITS));
                *slot = Some(desk.watch(self.clone(), need));
            }
            (Some(at), true) => desk.tell([(at, Step { need: Some(need), ..Step::default() })]),
            (Some(at), false) => {
                desk.unwatch(at);
                *slot = None;
                *self.feed() = Feed::new(&setup, self.shared.clock.now());
                if let Ok(mut eyes) = self.eyes.try_lock() {
                    // Else the worker who has them does it.
                    eyes.decoder = None;
                }
            }
            (None, false) => {}
        }
    }

    /// Whether pictures are looked at.
    pub fn looks(&self) -> bool {
        self.setup.load().looks
    }

    /// Hand in an access unit; never blocks.
    pub fn unit(&self, unit: EncodedUnit) {
        let setup = self.setup.load();
        let Some((input, _)) = self.input.get().filter(|_| setup.looks && unit.is_video()) else { return };
        let wanted =
            unit.key || (setup.pictures != Pictures::Keyframes && !self.skipping.load(Ordering::Relaxed));
        if wanted {
            let refused = matches!(input.offer_weighed(unit), Err(Refused::Full(_)));
            self.skipping.store(refused, Ordering::Relaxed);
        }
    }

    /// Hand in what happened to the stream; never blocks.
    pub fn event(&self, event: StreamEvent) {
        if self.events.0.offer(event).is_err() {
            // Sixteen changes within a tenth of a second: the queue's counter tells of them.
            debug!(camera = %self.camera, "a change of the stream's state was not looked at");
        }
    }

    /// Waits while more of footage played as fast as possible waits than is needed to keep workers busy.
    pub async fn ready(&self) {
        while self.setup.load().fast && self.looks() && self.waiting() > FAST_WAITING {
            tokio::time::sleep(GLANCE).await;
        }
    }

    pub fn figures(&self) -> AnalysisFigures {
        self.counts.figures(self.level())
    }

    /// What the camera needs and what it gets; `None`: nobody looks at its pictures.
    fn level(&self) -> Option<WatchLevel> {
        let slot = *self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.desk.level(slot?)
    }

    /// Let what was handed in run through, for `within` at most, then end.
    pub async fn stop(&self, within: Duration) {
        let deadline = self.shared.clock.now() + within;
        while self.is_behind() && self.shared.clock.now() < deadline {
            tokio::time::sleep(GLANCE).await;
        }
        self.shared.desk.leave(self);
        let slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(slot) = slot {
            self.shared.desk.unwatch(slot);
        }
    }

    fn is_behind(&self) -> bool {
        let units = self.looks() && self.waiting() > 0;
        units || !self.events.0.is_empty() || self.eyes.try_lock().is_err()
    }

    /// Units handed in that nobody has taken yet and somebody will take.
    fn waiting(&self) -> usize {
        self.input.get().map_or(0, |(input, _)| input.len()) + self.feed().ring.waiting().0
    }

    /// Take in what has come, on the gate thread.
    pub(super) fn gather(&self, crowded: bool, now: Mono) -> Option<(Slot, Step)> {
        let mut offer = None;
        while let Some(event) = self.events.1.try_recv() {
            if event.what == StreamWhat::Ended {
                offer = Some(self.feed().end());
            }
            let events = self.chain().on_stream(&event);
            self.tell(events, None);
        }
        let slot = (*self.slot.lock().unwrap_or_else(PoisonError::into_inner))?;
        let (_, units) = self.input.get()?;
        let setup = self.setup.load();
        let mut feed = self.feed();
        feed.crowded = crowded;
        while let Some(unit) = units.try_recv() {
            match feed.take_in(unit, &setup, now) {
                Offer::Keyframe => offer = Some(Offer::Keyframe),
                Offer::Units => drop(offer.get_or_insert(Offer::Units)),
            }
        }
        let mut step = feed.step(&setup, crowded, now);
        // Of an idle camera only keyframes are worth a word with the scheduler.
        let worth = feed.attention() == Attention::Followed || offer == Some(Offer::Keyframe);
        drop(feed);
        step.offer = offer.filter(|_| worth).or(step.offer);
        if step.attention == Some(Attention::Idle)
            && let Ok(mut eyes) = self.eyes.try_lock()
        {
            // Else the worker who has them does it.
            eyes.decoder = None;
        }
        (!step.is_nothing()).then_some((slot, step))
    }

    /// Let rules that wait for time to pass see it pass.
    pub(super) fn tick(&self, now: Wall) {
        let level = self.level();
        self.counts.tick(level.as_ref(), now);
        let mut chain = self.chain();
        let mut events = chain.tick(now);
        if let Some(level) = &level {
            events.extend(chain.on_watched(level, now));
        }
        drop(chain);
        self.tell(events, None);
    }

    pub(super) fn tell(&self, events: Vec<RuleEvent>, frame: Option<&Frame>) {
        for event in events {
            let frame = frame.filter(|_| event.is_shown());
            let evidence = frame.map(|f| Evidence { frame: f.clone(), boxes: Vec::new() });
            let by = self.setup().deciders.get(&event.rule).cloned();
            if let Err(event) = self.shared.writer.submit(event, evidence, by) {
                error!(camera = %self.camera, rule = %event.rule, "an event came after the alert writer's end: {}", event.message);
            }
        }
    }

    /// A decoder to follow with; `beyond` the agreed number where it must be, `light` where no model looks.
    pub(super) fn lease(&self, beyond: bool, light: bool) -> Option<FollowDecoder> {
        let profile = if light { Arc::new(self.shared.decode.light()) } else { self.shared.decode.clone() };
        if beyond { Some(self.leases().decoder_beyond(profile)) } else { self.leases().decoder(profile) }
    }

    pub(super) fn leases(&self) -> &Leases {
        &self.shared.desk.leases
    }

    pub(super) fn setup(&self) -> Arc<Setup> {
        self.setup.load_full()
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }

    pub(super) fn feed(&self) -> MutexGuard<'_, Feed> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn eyes(&self) -> MutexGuard<'_, Eyes> {
        self.eyes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn chain_lock(&self) -> &Mutex<Chain> {
        &self.chain
    }

    pub(super) fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tracker and rules as the setup says, from the beginning.
fn chain(camera: &CameraId, setup: &Setup, shared: &Shared) -> Chain {
    let mut chain = Chain::new(camera.clone(), setup.rules.clone(), shared.tracks.clone());
    if let Some(keeper) = shared.keeper.clone().filter(|_| setup.looks) {
        chain.keep(Journal::new(camera.clone(), setup.seen_by.clone(), keeper));
    }
    chain
}
