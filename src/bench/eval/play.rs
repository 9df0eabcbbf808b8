//! Plays one clip through decoder, models, tracker and rules; nothing is skipped.

use std::path::Path;
use std::time::Duration;

use crate::app::chain::Chain;
use crate::app::pick::Pick;
use crate::base::{CameraId, Wall};
use crate::infer::{Detection, Detectors, Known, Outcome};
use crate::rules::{RuleEvent, RuleSpec};
use crate::track::TrackNumbers;

use super::pictures::Pictures;

/// What a clip showed.
pub struct Played {
    pub frames: usize,
    /// Time of the first frame.
    pub start: Wall,
    /// Time of the last frame.
    pub end: Wall,
    pub events: Vec<RuleEvent>,
    /// The frames that models looked at, in order.
    pub looks: Vec<Look>,
}

/// A frame that models looked at.
pub struct Look {
    /// Index of the frame, from 0.
    pub index: usize,
    pub at: Wall,
    pub found: Vec<Detection>,
}

/// What to do with a clip.
pub struct Play<'a> {
    pub path: &'a Path,
    /// Without any, the clip is over after the last wanted frame.
    pub rules: Vec<RuleSpec>,
    /// At most so many frames a second go to the tracker, as a camera's profile would have it.
    pub fps: f32,
    /// Indices of frames that models look at in any case.
    pub wanted: &'a [usize],
}

/// Play a clip with the given detectors.
///
/// # Errors
/// The clip cannot be read or decoded, has no picture, or a model fails.
pub async fn play(job: Play<'_>, detectors: &mut Detectors) -> anyhow::Result<Played> {
    let camera = CameraId::new("eval")?;
    let mut pictures = Pictures::open(job.path).await?;
    let watched = !job.rules.is_empty();
    let mut chain = Chain::new(camera, job.rules, TrackNumbers::default());
    let (mut pick, mut known) = (Pick::new(job.fps), Known::default());
    let last_wanted = job.wanted.iter().copied().max();
    let mut played: Option<Played> = None;
    while let Some(frame) = pictures.next().await? {
        let played = played.get_or_insert_with(|| Played {
            frames: 0,
            start: frame.at,
            end: frame.at,
            events: Vec::new(),
            looks: Vec::new(),
        });
        let index = played.frames;
        played.frames += 1;
        played.end = frame.at;
        let (due, wanted) = (watched && pick.takes(frame.at), job.wanted.contains(&index));
        if due || wanted {
            // Boxes on single frames are judged as a camera would see them that was not looked at before.
            let found = match wanted {
                true => detectors.detect(&frame.image)?,
                false => {
                    known.begin(frame.at, chain.tracked(frame.at));
                    detectors.detect_beside(&frame.image, &mut known)?
                }
            };
            if due {
                played.events.extend(chain.on_frame(frame.at, &Outcome::Done(found.clone()), &[]).events);
            }
            played.looks.push(Look { index, at: frame.at, found });
        }
        if !watched && last_wanted.is_none_or(|last| index >= last) {
            break;
        }
    }
    let Some(mut played) = played else { anyhow::bail!("{} has no picture in it", job.path.display()) };
    let (start, end) = (played.start, played.end);
    // Rules that wait for things to be over learn that nothing more comes.
    played.events.extend(chain.tick(end + Duration::from_secs(1)).into_iter().map(|mut e| {
        e.at = e.at.clamp(start, end);
        e
    }));
    Ok(played)
}
