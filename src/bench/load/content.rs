//! What the cameras of a load run show.
//!
//! All main streams play the same made scene: nothing looks at them, they are only recorded. Of the
//! sub streams an even share is active; the others show the same place with nobody there, and the
//! noise of a sensor. Every clip plays in a loop without a seam.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::site::{Busy, CameraClips, Role};
use crate::bench::clip::{Clip, files_of};
use crate::bench::clip_file::kept;
use crate::bench::encode::EncodeSettings;
use crate::bench::scene::{Renderer, Scene, SceneTruth, Variant};
use crate::bench::transcode::there_and_back;
use crate::media::Pts;

/// Length of the main streams' round, and of what idle cameras show.
const MAIN: Duration = Duration::from_secs(10);
const QUIET: Duration = Duration::from_secs(10);
/// Scenes that are told apart: with other people, light and noise.
const SCENES: u64 = 4;
/// Amplitude of the sensor's noise, in luma steps.
const NOISE: u8 = 4;
/// So much of each footage is played, there and back.
const FOOTAGE: Duration = Duration::from_secs(30);
/// Footage with events on which the rules of a load run work, by the begin of the file's name; where
/// none of these is there, all footage is taken for active.
const ACTIVE: [&str; 3] = ["people-detection-768x432", "one-by-one", "worker-zone"];
/// Footage in which nothing happens.
const EMPTY: &str = "empty";

/// The made scene as a main stream of exactly `mbit` Mbit/s, as it was kept in `folder`.
pub fn main(mbit: f64, folder: &Path) -> anyhow::Result<Arc<Clip>> {
    let settings = EncodeSettings { bitrate: (mbit * 1e6) as u32, ..EncodeSettings::main() };
    let mut scene = Scene::demo(Variant::Yard, 1);
    (scene.duration, scene.noise) = (MAIN, 5);
    Ok(Arc::new(made(&scene, "main", &settings, folder)?))
}

/// A scene as a clip, as it was kept in `folder`.
fn made(scene: &Scene, name: &str, settings: &EncodeSettings, folder: &Path) -> anyhow::Result<Clip> {
    // What is drawn is part of the seed, so that a clip of an older drawing is not taken for this one.
    let small = Renderer::new(scene, 64, 36);
    let mut seed = format!("{settings:?} {:?} {} {}", scene.duration, scene.seed, scene.noise).into_bytes();
    for part in 0..4 {
        seed.extend_from_slice(small.frame(scene.duration / 4 * part).luma().0);
    }
    kept(folder, name, &seed, || scene.encode(name, settings))
}

/// The sub streams that cameras play.
pub struct Subs {
    /// Clips with events, and when somebody is in the picture where that is known.
    pub active: Vec<(Arc<Clip>, Busy)>,
    pub idle: Vec<Arc<Clip>>,
}

impl Subs {
    /// Made scenes with their exact truth.
    pub fn made(folder: &Path) -> anyhow::Result<Subs> {
        let settings = EncodeSettings::load_sub();
        let scene = |seed| {
            let mut scene = Scene::demo(Variant::Yard, seed);
            scene.noise = NOISE;
            scene
        };
        let make = |seed: u64, quiet: bool| {
            let (folder, settings) = (folder.to_owned(), settings.clone());
            std::thread::spawn(move || {
                let (scene, name) = match quiet {
                    true => (scene(seed).quiet(QUIET), format!("quiet-{seed}")),
                    false => (scene(seed), format!("yard-{seed}")),
                };
                let busy = busy(&scene.truth(), scene.duration);
                anyhow::Ok((Arc::new(made(&scene, &name, &settings, &folder)?), busy))
            })
        };
        let all: Vec<_> = (1..=SCENES).flat_map(|seed| [make(seed, false), make(seed, true)]).collect();
        let mut subs = Subs { active: Vec::new(), idle: Vec::new() };
        for (i, made) in all.into_iter().enumerate() {
            let made = made.join().map_err(|_| anyhow::anyhow!("making a scene panicked"))??;
            match i % 2 {
                0 => subs.active.push(made),
                _ => subs.idle.push(made.0),
            }
        }
        Ok(subs)
    }

    /// Footage of a folder, there and back.
    pub fn footage(dir: &Path, folder: &Path) -> anyhow::Result<Subs> {
        let files = files_of(dir)?;
        let named = |begins: &[&str]| -> Vec<PathBuf> {
            let name = |f: &PathBuf| f.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.iter().filter(|f| begins.iter().any(|b| name(f).starts_with(b))).cloned().collect()
        };
        let idle = named(&[EMPTY]);
        let mut active = named(&ACTIVE);
        if active.is_empty() {
            active = files.iter().filter(|f| !idle.contains(f)).cloned().collect();
        }
        ensure!(
            !idle.is_empty(),
            "{} has no clip of an empty scene (a name that begins with '{EMPTY}')",
            dir.display()
        );
        let settings = EncodeSettings::load_sub();
        let clip = |f: &PathBuf| anyhow::Ok(Arc::new(there_and_back(f, FOOTAGE, &settings, folder)?));
        Ok(Subs {
            active: active.iter().map(|f| Ok((clip(f)?, Arc::default()))).collect::<anyhow::Result<_>>()?,
            idle: idle.iter().map(clip).collect::<anyhow::Result<_>>()?,
        })
    }

    /// Each active clip on one camera, to see what is told of it when nothing else goes on.
    pub fn alone(&self, main: &Arc<Clip>) -> Vec<CameraClips> {
        (0..self.active.len()).map(|i| self.active(i, main)).collect()
    }

    fn active(&self, i: usize, main: &Arc<Clip>) -> CameraClips {
        let i = i % self.active.len();
        let (clip, busy) = &self.active[i];
        CameraClips { main: main.clone(), sub: Some(clip.clone()), role: Role::Active(i), busy: busy.clone() }
    }

    /// The clips of `cameras` cameras, of which `share` (0 to 1) are active, evenly among the others.
    pub fn of(&self, cameras: usize, share: f64, main: &Arc<Clip>) -> Vec<CameraClips> {
        let until = |i: usize| (i as f64 * share).round() as usize;
        let of = |i: usize| match until(i + 1) > until(i) {
            true => self.active(until(i), main),
            false => CameraClips {
                main: main.clone(),
                sub: Some(self.idle[i % self.idle.len()].clone()),
                role: Role::Idle,
                busy: Arc::default(),
            },
        };
        (0..cameras).map(of).collect()
    }
}

/// When at least half of somebody is in the picture.
fn busy(truth: &SceneTruth, length: Duration) -> Busy {
    const STEP_MS: u64 = 100;
    let mut spans: Vec<(Pts, Pts)> = Vec::new();
    let mut open = None;
    for ms in (0..length.as_millis() as u64).step_by(STEP_MS as usize) {
        let at = Pts::from_micros(ms as i64 * 1000);
        let figures = truth.figures(Duration::from_millis(ms));
        let there = figures.iter().any(|f| f.bbox.clamped().area() * 2.0 >= f.bbox.area());
        match (there, open) {
            (true, None) => open = Some(at),
            (false, Some(from)) => {
                spans.push((from, at));
                open = None;
            }
            _ => {}
        }
    }
    spans.into()
}

/// Main and sub streams of an analysed run; making them takes a while the first time.
pub async fn analysed(
    footage: Option<PathBuf>,
    mbit: f64,
    folder: PathBuf,
) -> anyhow::Result<(Arc<Clip>, Subs)> {
    let make = move || {
        let subs = match footage {
            Some(dir) => Subs::footage(&dir, &folder)?,
            None => Subs::made(&folder)?,
        };
        anyhow::Ok((main(mbit, &folder)?, subs))
    };
    tokio::task::spawn_blocking(make).await.context("making the clips broke off")?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::encode::encode;
    use crate::media::I420;

    fn grey(name: &str) -> Arc<Clip> {
        let settings = EncodeSettings { width: 64, height: 48, ..EncodeSettings::load_sub() };
        Arc::new(encode(name, &settings, 2, |_| I420::packed(64, 48, vec![90; 64 * 72]).unwrap()).unwrap())
    }

    #[test]
    fn the_active_share_is_spread_evenly_and_its_clips_are_played_in_turn() {
        let active = |n| (grey(n), Arc::default());
        let subs = Subs { active: vec![active("a"), active("b")], idle: vec![grey("q")] };
        let main = grey("m");
        let roles = |n, share| subs.of(n, share, &main).iter().map(|c| c.role).collect::<Vec<_>>();
        let of_twenty = roles(20, 0.1);
        assert_eq!(of_twenty.iter().filter(|r| **r == Role::Idle).count(), 18);
        assert!(of_twenty.contains(&Role::Active(0)) && of_twenty.contains(&Role::Active(1)));
        assert_eq!(of_twenty[..10].iter().filter(|r| **r != Role::Idle).count(), 1);
        assert!(roles(5, 0.0).iter().all(|r| *r == Role::Idle));
        assert_eq!(roles(3, 1.0), [Role::Active(0), Role::Active(1), Role::Active(0)]);
        assert_eq!(subs.of(500, 0.1, &main).iter().filter(|c| c.role != Role::Idle).count(), 50);
    }

    #[test]
    fn somebody_is_in_the_yard_most_of_the_time_and_not_at_the_seam() {
        let scene = Scene::demo(Variant::Yard, 1);
        let spans = busy(&scene.truth(), scene.duration);
        assert_eq!(spans.len(), 3, "{spans:?}");
        let seconds: f64 = spans.iter().map(|(a, b)| b.since(*a).as_secs_f64()).sum();
        assert!((20.0..38.0).contains(&seconds) && spans[0].0 > Pts(Pts::HZ), "{spans:?}");
    }
}
