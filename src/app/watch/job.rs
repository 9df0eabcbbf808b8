//! What a worker does with one camera: a look, or following it a little further.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Gauge, counter, gauge};
use tracing::{debug, warn};

use crate::base::clock::thread_cpu;
use crate::base::metrics::{DECODE_SKIPPED, WATCH_CPU};
use crate::base::{Mono, Wall};
use crate::camera::{Attention, Frame};
use crate::decode::{self, Error, KeyframeDecoder, Pictures};
use crate::gate::schedule::{Job, JobKind, Spent};
use crate::infer::{Detectors, Outcome};
use crate::media::EncodedUnit;

use super::analysis::Analysis;
use super::attending::Shows;
use super::eyes::Eyes;
use super::feed::Step;
use super::models::Inference;

/// What one worker works with.
pub(super) struct Tools {
    keyframes: KeyframeDecoder,
    models: Inference,
    cpu: [Gauge; Stage::ALL.len()],
}

/// Where a worker's time goes.
#[derive(Clone, Copy)]
enum Stage {
    Decode,
    Motion,
    Infer,
    Rules,
}

impl Stage {
    const ALL: [(Stage, &'static str); 4] = [
        (Stage::Decode, "decode"),
        (Stage::Motion, "motion"),
        (Stage::Infer, "infer"),
        (Stage::Rules, "rules"),
    ];
}

impl Tools {
    pub fn new(profile: Arc<decode::Profile>, detectors: Option<Detectors>) -> Tools {
        Tools {
            keyframes: KeyframeDecoder::new(profile),
            models: Inference::new(detectors),
            cpu: Stage::ALL.map(|(_, name)| gauge!(WATCH_CPU, "stage" => name)),
        }
    }
}

/// What came of one job.
struct Shift<'a> {
    tools: &'a mut Tools,
    /// The thread's CPU time at the end of the last stage.
    last: Duration,
    cpu: [Duration; Stage::ALL.len()],
    frames: u32,
    /// CPU time that may go into closer looks, and what went.
    spare: Duration,
    closer: Duration,
    /// Of each frame analysed: its time, and what it shows.
    shown: Vec<(Wall, Shows)>,
    stays: bool,
}

impl<'a> Shift<'a> {
    fn begin(tools: &'a mut Tools, spare: Duration) -> Self {
        Shift {
            tools,
            last: thread_cpu(),
            cpu: [Duration::ZERO; Stage::ALL.len()],
            frames: 0,
            spare,
            closer: Duration::ZERO,
            shown: Vec::new(),
            stays: false,
        }
    }

    /// What was done since the last time was of this stage.
    fn was(&mut self, stage: Stage) {
        let now = thread_cpu();
        self.cpu[stage as usize] += now.saturating_sub(self.last);
        self.last = now;
    }

    fn spent(&self) -> Spent {
        for (gauge, cpu) in self.tools.cpu.iter().zip(self.cpu) {
            gauge.increment(cpu.as_secs_f64());
        }
        let decode = self.cpu[Stage::Decode as usize];
        let analyse = (self.cpu.iter().sum::<Duration>() - decode).saturating_sub(self.closer);
        Spent { decode, analyse, closer: self.closer, frames: self.frames }
    }
}

impl Analysis {
    /// Do one job of the scheduler's; gives what it took and what the scheduler has to be told.
    pub(super) fn work(&self, job: &Job, tools: &mut Tools) -> (Spent, Step) {
        let mut eyes = self.eyes();
        eyes.adopt(self.setup());
        let mut shift = Shift::begin(tools, job.closer);
        // Footage that is played as fast as it is analysed must not lose a picture.
        if job.kind == JobKind::Follow || eyes.setup.fast {
            self.follow(&mut eyes, job.fps, &mut shift);
        } else {
            if eyes.decoder.is_some() {
                // This GOP is left out: what waits for the decoder is of no use before the next.
                self.feed().ring.leave();
            }
            self.look(&mut eyes, &mut shift);
        }
        let now = self.now();
        let mut feed = self.feed();
        for (at, shows) in shift.shown.drain(..) {
            feed.on_picture(shows, shift.stays, at, now);
        }
        let mut step = feed.step(&eyes.setup, false, now);
        let attention = feed.attention();
        drop(feed);
        // Also where it has not changed: word of a change on the gate thread and of one here may have
        // overtaken each other on their way to the scheduler.
        step.attention = Some(attention);
        if attention == Attention::Idle || !self.looks() {
            eyes.decoder = None;
        }
        (shift.spent(), step)
    }

    /// Look at the newest keyframe.
    fn look(&self, eyes: &mut Eyes, shift: &mut Shift) {
        let key = self.feed().ring.key().cloned();
        let Some(key) = key.filter(|k| eyes.is_new(k.connection, k.pts)) else { return };
        self.counts().looked();
        let frame = shift.tools.keyframes.decode(&key, eyes.setup.models.is_empty());
        shift.was(Stage::Decode);
        match frame {
            Ok(frame) => {
                self.counts().decoded();
                eyes.stands_still = false;
                let _ = eyes.pick.takes(frame.at);
                self.analyse(eyes, key.connection, &frame, true, shift);
            }
            Err(e) => self.complain(eyes, &e),
        }
    }

    /// Decode all that has come since the last time, and analyse `fps` frames of each second of it.
    fn follow(&self, eyes: &mut Eyes, fps: f32, shift: &mut Shift) {
        if eyes.decoder.is_none() {
            let beyond = eyes.setup.fast;
            match self.lease(beyond, eyes.setup.models.is_empty()) {
                Some(decoder) => {
                    self.counts().follows();
                    eyes.decoder = Some(decoder);
                }
                None => {
                    self.feed().ring.leave();
                    return self.look(eyes, shift);
                }
            }
        }
        eyes.pick.set_fps(fps);
        let (units, from, ended) = {
            let mut feed = self.feed();
            if !feed.ring.is_followed() {
                // It was followed before: what came in between was looked at, or left out on purpose.
                feed.ring.follow(self.wall());
            }
            let units = feed.ring.take((!eyes.setup.fast).then(|| self.wall()));
            match feed.left_out() {
                0 => {}
                left_out => counter!(DECODE_SKIPPED).increment(left_out),
            }
            (units, feed.from(), feed.has_ended())
        };
        for unit in &units {
            self.decode(eyes, unit, from, shift);
        }
        if ended && let (Some(decoder), Some(connection)) = (eyes.decoder.take(), eyes.seen.map(|s| s.0)) {
            let frames = decoder.drain();
            shift.was(Stage::Decode);
            self.choose(eyes, connection, frames, from, shift);
        }
    }

    fn decode(&self, eyes: &mut Eyes, unit: &EncodedUnit, from: Wall, shift: &mut Shift) {
        let Some(decoder) = &mut eyes.decoder else { return };
        let frames = decoder.push(unit);
        shift.was(Stage::Decode);
        match frames {
            Ok(frames) => {
                eyes.stands_still &= frames.is_empty();
                self.choose(eyes, unit.connection, frames, from, shift);
            }
            Err(e) => self.complain(eyes, &e),
        }
    }

    /// Analyse those of the decoded frames whose turn it is.
    fn choose(&self, eyes: &mut Eyes, connection: u32, frames: Vec<Frame>, from: Wall, shift: &mut Shift) {
        for frame in frames {
            self.counts().decoded();
            if frame.at >= from && eyes.is_new(connection, frame.pts) && eyes.pick.takes(frame.at) {
                self.analyse(eyes, connection, &frame, false, shift);
            }
        }
    }

    fn analyse(&self, eyes: &mut Eyes, connection: u32, frame: &Frame, look: bool, shift: &mut Shift) {
        let moving = eyes.motion.look(&frame.image, frame.at);
        let shows = match eyes.stir.moves(&moving, frame.at) {
            true => Shows::Moving,
            false if moving.is_empty() => Shows::Nothing,
            false => Shows::Standing,
        };
        shift.shown.push((frame.at, shows));
        shift.was(Stage::Motion);
        if look && shows == Shows::Moving && self.will_be_followed(eyes) {
            // What came since the last look is decoded now, and this picture comes in its turn.
            shift.frames += 1;
            return self.counts().seen(frame.at, true);
        }
        eyes.seen = Some((connection, frame.pts));
        if eyes.setup.tamper
            && let Some(reading) = eyes.view.look(&frame.image, frame.at)
        {
            let events = self.chain().on_view(frame.at, &reading);
            self.tell(events, Some(frame));
            shift.was(Stage::Motion);
        }
        let spare = shift.spare.saturating_sub(shift.closer);
        let (outcome, closer) = eyes.recognise(frame, look, &moving, spare, &mut shift.tools.models);
        shift.closer += closer;
        shift.was(Stage::Infer);
        let told = if eyes.setup.motion { moving.as_slice() } else { &[] };
        let seen = self.chain().on_frame(frame.at, &outcome, told);
        self.tell(seen.events, Some(frame));
        if eyes.setup.standing
            && let Some(things) = eyes.standing.look(&eyes.motion, frame.at)
        {
            let events = self.chain().on_standing(frame.at, &things);
            self.tell(events, Some(frame));
        }
        shift.stays |= seen.tracks.is_some_and(|tracks| eyes.stays.waits(&tracks));
        let analysed = matches!(outcome, Outcome::Done(_));
        shift.frames += u32::from(analysed);
        self.counts().seen(frame.at, analysed);
        shift.was(Stage::Rules);
    }

    /// Whether a look that finds motion makes an idle camera a followed one.
    fn will_be_followed(&self, eyes: &Eyes) -> bool {
        eyes.setup.pictures == Pictures::Auto
            && self.feed().attention() == Attention::Idle
            && !self.leases().is_exhausted()
    }

    fn complain(&self, eyes: &mut Eyes, e: &Error) {
        match e {
            Error::GaveUp { .. } | Error::NoPicture { .. } => debug!("decoder begins anew: {e}"),
            _ if std::mem::replace(&mut eyes.stands_still, true) => {}
            _ => warn!("analysis stands still; trying again at every keyframe: {e}"),
        }
    }

    fn now(&self) -> Mono {
        self.clock().now()
    }

    fn wall(&self) -> Wall {
        self.clock().wall()
    }
}
