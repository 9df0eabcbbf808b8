//! Several models on one thread.

use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};

use crate::base::clock::{Clock, SystemClock, thread_cpu};
use crate::base::metrics::{
    INFER_FRAMES, INFER_SECOND_OPINIONS, INFER_SECONDS, INFER_VERIFIED, INFER_WINDOWS,
};
use crate::infer::detection::{Class, Detection};
use crate::infer::error::Error;
use crate::infer::known::Known;
use crate::infer::model::{Model, strongest_first};
use crate::infer::nms::suppress;
use crate::infer::registry::Registry;
use crate::infer::runtime::Runtime;
use crate::infer::settings::Settings;
use crate::infer::windows::{Closely, merge};
use crate::media::{BBox, I420};

/// Models of one thread, each with its own session. For workers, evaluation and benches.
pub struct Detectors {
    models: Vec<Counted>,
    clock: SystemClock,
}

struct Counted {
    model: Model,
    frames: Counter,
    windows: Counter,
    opinions: Counter,
    verified: Counter,
    seconds: Histogram,
    /// CPU seconds for a pixel of the network's input, a mean that forgets; zero while unknown.
    cpu_per_pixel: f64,
}

/// What a closer look is for.
#[derive(Clone, Copy, Debug)]
pub struct Closer<'a> {
    /// What is looked for.
    pub class: Class,
    /// Where: normalised, most important first.
    pub interest: &'a [BBox],
    /// CPU time that it may take, about.
    pub budget: Duration,
}

impl Detectors {
    /// Load these models. Without any, ONNX Runtime is not needed.
    ///
    /// # Errors
    /// ONNX Runtime or the provider is missing, a model is unknown, not pulled, damaged or of another shape.
    pub fn load(settings: &Settings, registry: &Registry, names: &[String]) -> Result<Detectors, Error> {
        let mut models = Vec::new();
        for name in names {
            let weights = registry.verify(name)?;
            let runtime = Runtime::start(settings.runtime.as_deref())?;
            models.push(Counted {
                model: Model::load(&runtime, registry.manifest(name)?, &weights, settings.provider)?,
                frames: counter!(INFER_FRAMES, "model" => name.clone()),
                windows: counter!(INFER_WINDOWS, "model" => name.clone()),
                opinions: counter!(INFER_SECOND_OPINIONS, "model" => name.clone()),
                verified: counter!(INFER_VERIFIED, "model" => name.clone()),
                cpu_per_pixel: 0.0,
                seconds: histogram!(INFER_SECONDS, "model" => name.clone()),
            });
        }
        Ok(Detectors { models, clock: SystemClock::new() })
    }

    /// What all models see of which nothing is known yet.
    pub fn detect(&mut self, picture: &I420) -> Result<Vec<Detection>, Error> {
        self.detect_beside(picture, &mut Known::default())
    }

    /// What all models see; `known` as in [`detect_with`](Self::detect_with).
    pub fn detect_beside(&mut self, picture: &I420, known: &mut Known) -> Result<Vec<Detection>, Error> {
        let mut found = Vec::new();
        for counted in &mut self.models {
            found.extend(counted.look(picture, known, &self.clock)?);
        }
        Ok(found)
    }

    /// What these of the models see. Neither the verifier nor a model itself is asked about what is `known`, in which
    /// [the picture has begun](Known::begin) and which learns what else was not believed.
    pub fn detect_with(
        &mut self,
        picture: &I420,
        names: &[String],
        known: &mut Known,
    ) -> Result<Vec<Detection>, Error> {
        let mut found = Vec::new();
        for name in names {
            let counted = self.models.iter_mut().find(|m| m.model.manifest().name == *name);
            let counted = counted
                .ok_or_else(|| Error::Run { name: name.clone(), message: "it was not loaded".into() })?;
            found.extend(counted.look(picture, known, &self.clock)?);
        }
        Ok(found)
    }

    /// Look closer with those of the models that find the class and saw the picture shrunk; what they
    /// see joins `found`, `known` as there. Gives the CPU time it took. A model that has not looked at a whole picture
    /// yet does not know what a window would cost, and does not look.
    pub fn look_closer(
        &mut self,
        picture: &I420,
        names: &[String],
        closer: Closer<'_>,
        known: &mut Known,
        found: &mut Vec<Detection>,
    ) -> Result<Duration, Error> {
        let before = thread_cpu();
        let took = || thread_cpu().saturating_sub(before);
        for counted in &mut self.models {
            let manifest = counted.model.manifest();
            if names.contains(&manifest.name) && manifest.classes.ours().contains(&closer.class) {
                let nms = manifest.nms;
                let left = closer.budget.saturating_sub(took());
                let mut seen = counted.look_closer(picture, closer.interest, left)?;
                seen.retain(|d| d.class == closer.class);
                let mut seen = suppress(seen, nms);
                // Or a single nearer look would undo what two looks at the whole did not believe. For the same reason
                // what there is nothing left to ask about is as if it had not been seen.
                counted.reconsider(picture, known, &mut seen)?;
                merge(found, seen, nms);
            }
        }
        Ok(took())
    }
}

impl Counted {
    fn look(
        &mut self,
        picture: &I420,
        known: &mut Known,
        clock: &dyn Clock,
    ) -> Result<Vec<Detection>, Error> {
        let (before, cpu) = (clock.now(), thread_cpu());
        let mut found = self.model.detect(picture)?;
        let (w, h) = self.model.manifest().size.of((picture.width, picture.height));
        self.cost(thread_cpu().saturating_sub(cpu), (w * h) as f64);
        self.seconds.record(clock.now().since(before).as_secs_f64());
        self.frames.increment(1);
        let unasked = self.reconsider(picture, known, &mut found)?;
        found.extend(unasked);
        strongest_first(&mut found);
        self.model.corroborate(&mut found);
        Ok(found)
    }

    /// The verifier first: what it settles needs no second opinion, which costs more. What is known needs neither.
    /// `found`: strongest first. What there is nothing left to ask about is taken out and given back; it is asked about
    /// when there is something again. Until then it is told as the last time, if there was one.
    fn reconsider(
        &mut self,
        picture: &I420,
        known: &mut Known,
        found: &mut Vec<Detection>,
    ) -> Result<Vec<Detection>, Error> {
        let Counted { model, .. } = self;
        let name = model.manifest().name.clone();
        let settled = known.settle(&name, |d| model.asks(d), found);
        let asked = found.clone();
        let seen = model.verify(picture, found, known.verified.left())?;
        known.verified.spend(seen);
        self.verified.increment(seen as u64);
        let verified = found.clone();
        let runs = model.second_opinion(picture, found, known.opinions.left())?;
        known.opinions.spend(runs);
        self.opinions.increment(runs as u64);
        let (mut told, mut unasked) = (settled, Vec::new());
        for ((asked, verified), mut d) in asked.into_iter().zip(verified).zip(found.drain(..)) {
            let seen = d.score != asked.score;
            // The verifier may have left it in doubt.
            let in_doubt = d.score == verified.score && model.doubts(&verified);
            let open = in_doubt || !seen && model.asks(&asked);
            if open {
                known.recall(&name, &asked, &mut d);
            }
            // What only the verifier saw too, or it would see the same again in each picture. And one second opinion is
            // an answer where there was none left to settle it.
            if seen {
                known.learn(&name, asked, d.score);
            }
            if open { unasked.push(d) } else { told.push(d) }
        }
        strongest_first(&mut told);
        *found = told;
        Ok(unasked)
    }

    fn cost(&mut self, cpu: Duration, pixels: f64) {
        let sample = cpu.as_secs_f64() / pixels;
        let weight = if self.cpu_per_pixel > 0.0 { 0.1 } else { 1.0 };
        self.cpu_per_pixel += (sample - self.cpu_per_pixel) * weight;
    }

    /// Look at windows over `interest`, as far as `budget` reaches.
    fn look_closer(
        &mut self,
        picture: &I420,
        interest: &[BBox],
        budget: Duration,
    ) -> Result<Vec<Detection>, Error> {
        if self.cpu_per_pixel <= 0.0 || !self.model.looks_closer() {
            return Ok(Vec::new());
        }
        let most = (budget.as_secs_f64() / self.cpu_per_pixel) as u64;
        let size = (picture.width, picture.height);
        let mut found = Vec::new();
        let closely = Closely::over(size, self.model.manifest().size, interest, most);
        for window in closely.windows {
            found.extend(self.model.detect_in(picture, window, closely.scale)?);
            self.windows.increment(1);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
