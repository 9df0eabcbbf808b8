//! Recorded video watched as the server watches a camera, as fast as it can be done: the same gate says when
//! it is followed, the same eyes look. Time is the recording's.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::base::{Mono, Wall};
use crate::camera::{Attention, Frame};
use crate::config;
use crate::decode::{self, Error, KeyframeDecoder, Leases};
use crate::gate::schedule::Offer;
use crate::infer::{AnalyticsProfile, Detectors};
use crate::media::EncodedUnit;
use crate::rules::RuleEvent;

use super::eyes::Eyes;
use super::feed::Feed;
use super::glance::Way;
use super::models::{Inference, Models};
use super::setup::Setup;
use crate::app::chain::Chain;

/// Watches recorded video of one camera. Nothing is left out for want of time.
pub struct Recorded {
    setup: Arc<Setup>,
    feed: Feed,
    eyes: Eyes,
    keyframes: KeyframeDecoder,
    leases: Leases,
    decode: Arc<decode::Profile>,
    models: Inference,
    /// Time of the last look.
    looked: Option<Wall>,
    /// Frames decoded, and frames that rules were told of.
    pub decoded: u64,
    pub analysed: u64,
}

impl Recorded {
    /// `camera`: with the rules to watch for. `detectors`: the models of `profile` that are here. `from`: time of the
    /// first picture, about.
    pub fn new(
        camera: &config::Camera,
        profile: &AnalyticsProfile,
        models: Option<&Models>,
        detectors: Option<Detectors>,
        decode: Arc<decode::Profile>,
        from: Wall,
    ) -> Recorded {
        let setup = Arc::new(Setup::new(camera, profile, models));
        Recorded {
            feed: Feed::of_recording(&setup, mono(from)),
            eyes: Eyes::new(setup.clone()),
            keyframes: KeyframeDecoder::new(decode.clone()),
            leases: Leases::new(1),
            decode,
            models: Inference::new(detectors),
            looked: None,
            decoded: 0,
            analysed: 0,
            setup,
        }
    }

    /// Take in the next unit; gives what rules said of frames meanwhile.
    ///
    /// # Errors
    /// A unit cannot be decoded; it goes on at the next keyframe.
    pub fn push(&mut self, unit: EncodedUnit, chain: &Mutex<Chain>) -> Result<Vec<RuleEvent>, Error> {
        let (at, mut events) = (unit.received, Vec::new());
        let now = mono(at);
        let offer = self.feed.take_in(unit, &self.setup, now);
        self.feed.step(&self.setup, false, now);
        match self.feed.attention() {
            Attention::Followed => self.follow(at, chain, &mut events)?,
            Attention::Idle => {
                self.eyes.decoder = None;
                let need = self.feed.need(&self.setup).look_every;
                let due = self.looked.is_none_or(|then| then > at || at.since(then) + SLACK >= need);
                if offer == Offer::Keyframe && due {
                    self.look(at, chain, &mut events)?;
                }
            }
        }
        Ok(events)
    }

    /// No more comes: what the decoder still holds.
    pub fn finish(&mut self, chain: &Mutex<Chain>) -> Vec<RuleEvent> {
        let mut events = Vec::new();
        if let (Some(decoder), Some(connection)) = (self.eyes.decoder.take(), self.eyes.seen.map(|s| s.0)) {
            for frame in decoder.drain() {
                self.choose(connection, &frame, chain, &mut events);
            }
        }
        events
    }

    fn look(&mut self, at: Wall, chain: &Mutex<Chain>, events: &mut Vec<RuleEvent>) -> Result<(), Error> {
        let Some(key) = self.feed.ring.key().cloned() else { return Ok(()) };
        self.looked = Some(at);
        let frame = self.keyframes.decode(&key, self.setup.models.is_empty())?;
        self.decoded += 1;
        let _ = self.eyes.pick.takes(frame.at);
        let begins = self.setup.pictures == decode::Pictures::Auto;
        self.see(key.connection, &frame, &Way { look: true, begins, spare: Duration::ZERO }, chain, events);
        Ok(())
    }

    fn follow(&mut self, at: Wall, chain: &Mutex<Chain>, events: &mut Vec<RuleEvent>) -> Result<(), Error> {
        if self.eyes.decoder.is_none() {
            let light = self.setup.models.is_empty();
            let profile = if light { Arc::new(self.decode.light()) } else { self.decode.clone() };
            self.eyes.decoder = self.leases.decoder(profile);
        }
        if !self.feed.ring.is_followed() {
            self.feed.ring.follow(at);
        }
        let mut result = Ok(());
        for unit in self.feed.ring.take(None, Duration::MAX).units {
            let Some(decoder) = &mut self.eyes.decoder else { break };
            match decoder.push(&unit) {
                Ok(frames) => {
                    for frame in frames {
                        self.choose(unit.connection, &frame, chain, events);
                    }
                }
                Err(e) => result = Err(e),
            }
        }
        result
    }

    fn choose(&mut self, connection: u32, frame: &Frame, chain: &Mutex<Chain>, events: &mut Vec<RuleEvent>) {
        self.decoded += 1;
        let wanted = frame.at >= self.feed.from() && self.eyes.is_new(connection, frame.pts);
        if wanted && self.eyes.pick.takes(frame.at) {
            let way = Way { look: false, begins: false, spare: Duration::ZERO };
            self.see(connection, frame, &way, chain, events);
        }
    }

    fn see(
        &mut self,
        connection: u32,
        frame: &Frame,
        way: &Way,
        chain: &Mutex<Chain>,
        events: &mut Vec<RuleEvent>,
    ) {
        let glance = self.eyes.see((connection, frame), way, &mut self.models, chain, &mut |_| {});
        self.analysed += u64::from(glance.analysed);
        events.extend(glance.events);
        let now = mono(frame.at);
        self.feed.on_picture(glance.shows, glance.stays, frame.at, now);
        self.feed.step(&self.setup, false, now);
    }
}

/// Keyframes do not come to the millisecond: one that comes so much too early is not left out.
const SLACK: Duration = Duration::from_millis(500);

/// The recording's own time as one that only passes. Its zero does not matter.
fn mono(at: Wall) -> Mono {
    Mono(Duration::from_micros(at.micros().max(0) as u64))
}
