//! One camera's analysed stream: what is kept of it, what it says, and whether the camera is followed.

use crate::base::{Mono, Wall};
use crate::camera::{Attention, Need};
use crate::decode::Pictures;
use crate::gate::schedule::Offer;
use crate::gate::{Gate, Ring, Verdict};
use crate::media::EncodedUnit;

use super::attending::{Attending, Shows};
use super::setup::{Setup, Word};

/// Bytes of access units kept per camera. What is kept of a sub stream takes a third of it, the GOP of a main
/// stream of 4 Mbit/s with a keyframe every two seconds all.
const RING: usize = 1 << 20;
/// The same for footage played as fast as it is analysed, of which nothing may be left out: besides a GOP it
/// holds what waits.
const RING_FAST: usize = 16 << 20;

/// Locked for moments only: by the gate thread at its tick, by a worker when it takes units.
pub(super) struct Feed {
    pub ring: Ring,
    gate: Gate,
    attending: Attending,
    /// What the scheduler was told last.
    told: Attention,
    learning: bool,
    /// The machine has no room for more looks than are needed; as of the gate thread's last tick.
    pub crowded: bool,
    /// As the scheduler was told last.
    word: Word,
    /// Footage has come to its end: what the decoder still holds is wanted.
    ended: bool,
    /// Of the ring's count, what was told already.
    left_out: u64,
}

/// What the scheduler has to be told.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Step {
    pub attention: Option<Attention>,
    pub need: Option<Need>,
    pub offer: Option<Offer>,
}

impl Step {
    pub fn is_nothing(&self) -> bool {
        *self == Step::default()
    }
}

impl Feed {
    pub fn new(setup: &Setup, now: Mono) -> Feed {
        Feed::with_ring(setup, if setup.fast { RING_FAST } else { RING }, now)
    }

    /// Of recorded video, as much as there may be of it between two looks.
    pub fn of_recording(setup: &Setup, now: Mono) -> Feed {
        Feed::with_ring(setup, RING_FAST, now)
    }

    fn with_ring(setup: &Setup, bytes: usize, now: Mono) -> Feed {
        let pictures = setup.pictures;
        Feed {
            ring: Ring::new(bytes),
            gate: Gate::new(),
            attending: Attending::new(pictures, now),
            told: Attention::Idle,
            learning: true,
            crowded: false,
            word: Word::Learning,
            ended: false,
            left_out: 0,
        }
    }

    /// Take in the next unit of the stream; gives what there is to look at now.
    pub fn take_in(&mut self, unit: EncodedUnit, setup: &Setup, now: Mono) -> Offer {
        self.ended = false;
        if setup.pictures == Pictures::Auto {
            let verdict = self.gate.push(&unit);
            self.learning = verdict == Verdict::Learning || self.attending.is_untaught();
            self.attending.on_verdict(verdict, unit.received, now);
        }
        // Before the unit: if it is a key, the GOP in which something began to move would be gone.
        self.hold();
        let offer = if unit.key { Offer::Keyframe } else { Offer::Units };
        self.ring.push(unit);
        offer
    }

    /// The stream has ended and will not come back.
    pub fn end(&mut self) -> Offer {
        self.ended = true;
        Offer::Units
    }

    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// What a decoded picture of the time `at` says.
    pub fn on_picture(&mut self, shows: Shows, stays: bool, at: Wall, now: Mono) {
        match shows {
            Shows::Moving | Shows::Leaving => self.gate.looked(at, true),
            Shows::Nothing => self.gate.looked(at, false),
            // Who stands may stir without leaving the place.
            Shows::Standing => {}
        }
        self.attending.on_picture(shows, stays, at, now);
    }

    /// Let time pass; gives what the scheduler does not know yet.
    pub fn step(&mut self, setup: &Setup, crowded: bool, now: Mono) -> Step {
        self.attending.set_pictures(setup.pictures);
        self.attending.tick(crowded, now);
        self.hold();
        let mut step = Step::default();
        let attention = self.attending.attention();
        if attention != std::mem::replace(&mut self.told, attention) {
            step.attention = Some(attention);
            match attention {
                // What the ring has kept can be decoded now.
                Attention::Followed => step.offer = Some(Offer::Units),
                Attention::Idle => self.ring.leave(),
            }
        }
        let word = self.word(now);
        if word != std::mem::replace(&mut self.word, word) {
            step.need = Some(setup.need(word));
        }
        step
    }

    /// What is needed of a camera whose configuration has changed.
    pub fn need(&self, setup: &Setup) -> Need {
        setup.need(self.word)
    }

    fn word(&self, now: Mono) -> Word {
        // More looks than are needed: where there is room for them.
        let wary = !self.crowded && self.attending.is_wary(now);
        match self.learning {
            true => Word::Learning,
            false if self.gate.says_little() || wary => Word::Little,
            false => Word::Enough,
        }
    }

    /// From now on keep every unit, from the keyframe on with which decoding will begin.
    fn hold(&mut self) {
        if self.attending.attention() == Attention::Followed
            && self.told == Attention::Idle
            && !self.ring.is_followed()
        {
            self.ring.follow(self.attending.from());
        }
    }

    pub fn attention(&self) -> Attention {
        self.told
    }

    /// Frames from here on are analysed.
    pub fn from(&self) -> Wall {
        self.attending.from()
    }

    /// Units left out since the last time it was asked, because the follower was late.
    pub fn left_out(&mut self) -> u64 {
        let all = self.ring.left_out();
        all - std::mem::replace(&mut self.left_out, all)
    }
}
