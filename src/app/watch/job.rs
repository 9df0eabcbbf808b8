//! What a worker does with one camera: a look, or following it a little further.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Gauge, counter, gauge};
use tracing::{debug, warn};

use crate::base::clock::thread_cpu;
use crate::base::metrics::{DECODE_SKIPPED, WATCH_CPU};
use crate::base::task::Stop;
use crate::base::{Mono, Wall};
use crate::camera::{Attention, Frame};
use crate::decode::{self, Error, KeyframeDecoder, Pictures};
use crate::gate::schedule::{Job, JobKind, Spent};
use crate::infer::Detectors;
use crate::media::EncodedUnit;

use super::analysis::Analysis;
use super::attending::Shows;
use super::eyes::Eyes;
use super::feed::Step;
use super::glance::{Stage, Way};
use super::models::Inference;

/// What one worker works with.
pub(super) struct Tools {
    keyframes: KeyframeDecoder,
    models: Inference,
    cpu: [Gauge; Stage::ALL.len()],
    stop: Stop,
}

impl Tools {
    pub fn new(profile: Arc<decode::Profile>, detectors: Option<Detectors>, stop: Stop) -> Tools {
        Tools {
            keyframes: KeyframeDecoder::new(profile),
            models: Inference::new(detectors),
            cpu: Stage::ALL.map(|(_, name)| gauge!(WATCH_CPU, "stage" => name)),
            stop,
        }
    }
}

/// A thread's CPU time by stages.
struct Times {
    /// At the end of the last one.
    last: Duration,
    cpu: [Duration; Stage::ALL.len()],
}

impl Times {
    /// What was done since the last time was of this stage.
    fn was(&mut self, stage: Stage) {
        let now = thread_cpu();
        self.cpu[stage as usize] += now.saturating_sub(self.last);
        self.last = now;
    }
}

/// What came of one job.
struct Shift<'a> {
    tools: &'a mut Tools,
    times: Times,
    frames: u32,
    /// CPU time that may go into closer looks, and what went.
    spare: Duration,
    closer: Duration,
    /// Of each frame analysed: its time, and what it shows.
    shown: Vec<(Wall, Shows)>,
    stays: bool,
    /// The part of the video at hand that was left out.
    cut: f32,
}

impl<'a> Shift<'a> {
    fn begin(tools: &'a mut Tools, spare: Duration) -> Self {
        Shift {
            tools,
            times: Times { last: thread_cpu(), cpu: [Duration::ZERO; Stage::ALL.len()] },
            frames: 0,
            spare,
            closer: Duration::ZERO,
            shown: Vec::new(),
            stays: false,
            cut: 0.0,
        }
    }

    fn spent(&self) -> Spent {
        for (gauge, cpu) in self.tools.cpu.iter().zip(self.times.cpu) {
            gauge.increment(cpu.as_secs_f64());
        }
        let decode = self.times.cpu[Stage::Decode as usize];
        let analyse = (self.times.cpu.iter().sum::<Duration>() - decode).saturating_sub(self.closer);
        Spent { decode, analyse, closer: self.closer, frames: self.frames, cut: self.cut }
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
            self.follow(&mut eyes, job, &mut shift);
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
        shift.times.was(Stage::Decode);
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

    /// Decode what has come since the last time, and analyse as many frames of each second of it as the job says.
    fn follow(&self, eyes: &mut Eyes, job: &Job, shift: &mut Shift) {
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
        eyes.pick.set_fps(job.fps);
        let (taken, from, ended) = {
            let mut feed = self.feed();
            if !feed.ring.is_followed() {
                // It was followed before: what came in between was looked at, or left out on purpose.
                feed.ring.follow(self.wall());
            }
            let taken = match eyes.setup.fast {
                true => feed.ring.take(None, Duration::MAX),
                false => feed.ring.take(Some(self.wall()), job.head),
            };
            let left_out = [("late", feed.left_out()), ("shrunk", taken.cut as u64)];
            for (reason, units) in left_out.into_iter().filter(|(_, units)| *units > 0) {
                counter!(DECODE_SKIPPED, "reason" => reason).increment(units);
            }
            let cut = left_out.iter().map(|(_, units)| units).sum::<u64>() as f32;
            shift.cut = cut / (cut + taken.units.len() as f32).max(1.0);
            (taken, feed.from(), feed.has_ended())
        };
        for unit in &taken.units {
            // Seconds of video may wait where a machine is slow.
            if shift.tools.stop.is_cancelled() {
                return;
            }
            self.decode(eyes, unit, from, shift);
        }
        if ended && let (Some(decoder), Some(connection)) = (eyes.decoder.take(), eyes.seen.map(|s| s.0)) {
            let frames = decoder.drain();
            shift.times.was(Stage::Decode);
            self.choose(eyes, connection, frames, from, shift);
        }
    }

    fn decode(&self, eyes: &mut Eyes, unit: &EncodedUnit, from: Wall, shift: &mut Shift) {
        let Some(decoder) = &mut eyes.decoder else { return };
        let frames = decoder.push(unit);
        shift.times.was(Stage::Decode);
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
        let begins = look && self.will_be_followed(eyes);
        let way = Way { look, begins, spare: shift.spare.saturating_sub(shift.closer) };
        let Shift { tools, times, .. } = shift;
        let mut was = |stage| times.was(stage);
        let glance = eyes.see((connection, frame), &way, &mut tools.models, self.chain_lock(), &mut was);
        shift.shown.push((frame.at, glance.shows));
        shift.stays |= glance.stays;
        shift.closer += glance.closer;
        shift.frames += u32::from(glance.analysed);
        self.tell(glance.events, Some(frame));
        self.counts().seen(frame.at, glance.analysed);
        shift.times.was(Stage::Rules);
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
