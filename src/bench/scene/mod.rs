//! Made scenes: figures like people and vehicles go known ways over a textured background. Because
//! the ways are known, so is the exact truth of who crosses what and when: for the demo, for tests
//! and for load runs, without anybody's footage.
//!
//! Everything follows from the variant and a seed; the same seed gives the same pixels.

mod background;
mod canvas;
pub mod demo;
mod figure;
mod path;
mod render;
mod truth;

use std::time::Duration;

pub use demo::Variant;
pub use render::Renderer;
pub use truth::{Crossing, FigureBox, SceneTruth, Stay};

use super::clip::Clip;
use super::encode::{EncodeSettings, encode};
use figure::Figure;

/// Width over height for which figures and truth are made. Other pictures can be rendered, but in
/// them the figures are narrower or wider than the truth's boxes.
pub const ASPECT: f32 = 16.0 / 9.0;

/// A scene that repeats after `duration`; no figure is in the picture where it begins and ends.
#[derive(Clone, Debug)]
pub struct Scene {
    pub variant: Variant,
    pub seed: u64,
    pub duration: Duration,
    /// Amplitude of the sensor's noise in luma steps, 0 to 40.
    pub noise: u8,
    figures: Vec<Figure>,
}

impl Scene {
    pub fn truth(&self) -> SceneTruth {
        SceneTruth::new(self.duration, self.figures.clone())
    }

    /// The same place with nobody there, for `duration`.
    pub fn quiet(self, duration: Duration) -> Scene {
        Scene { figures: Vec::new(), duration, ..self }
    }

    /// Renders and encodes one round. Takes seconds: not for async code.
    pub fn encode(&self, name: &str, settings: &EncodeSettings) -> anyhow::Result<Clip> {
        let count = (self.duration.as_secs_f64() * f64::from(settings.fps)).round() as usize;
        let renderer = Renderer::new(self, settings.width, settings.height);
        let at = |i: usize| Duration::from_secs_f64(i as f64 / f64::from(settings.fps));
        encode(name, settings, count, |i| renderer.frame(at(i)))
    }
}
