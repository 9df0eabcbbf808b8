//! Plays one clip through decoder, models, tracker and rules; nothing is skipped.

use std::path::Path;

use crate::app::chain::Chain;
use crate::app::pick::Pick;
use crate::base::{CameraId, Wall};
use crate::infer::{Detection, Detectors, Known, Outcome};
use crate::rules::rule_set::STALE;
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
    played.events.extend(chain.tick(end + STALE).into_iter().map(|mut e| {
        e.at = e.at.clamp(start, end);
        e
    }));
    Ok(played)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::clip::Clip;
    use crate::bench::clip_file;
    use crate::config;
    use crate::infer::testing::{registry, runtime, settings, shared};
    use crate::media::Pts;
    use crate::rules::Edge;

    /// Somebody is in the upper part of the hall from 2.9 to 6.4 s; the clip ends at 8 s.
    #[tokio::test]
    async fn who_left_shortly_before_the_end_was_not_there_until_the_end() {
        let (Some(shared), Some(registry), Some(_)) = (shared(), registry(), runtime()) else { return };
        let mut clip = Clip::load(&shared.join("footage/people-detection-768x432.mp4")).unwrap();
        clip.duration = Pts(8 * Pts::HZ);
        clip.units.retain(|u| u.pts < clip.duration);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.mp4");
        clip_file::save(&clip, &path).unwrap();
        let rule = "[[rule]]\nid = \"upper\"\nkind = \"intrusion\"\nclasses = [\"person\"]\ncooldown = \"0s\"\n\
                    zone = [[0, 0.3], [1, 0.3], [1, 0.8], [0, 0.8]]\n";
        let rules = config::rules(rule, "test".as_ref()).unwrap();
        let mut detectors = Detectors::load(&settings(), &registry.0, &["pingan-nano".into()]).unwrap();
        let played = play(Play { path: &path, rules, fps: 12.5, wanted: &[] }, &mut detectors).await.unwrap();
        let ends: Vec<_> = played.events.iter().filter(|e| e.edge == Edge::End).collect();
        let [end] = ends[..] else { panic!("{:?}", played.events) };
        let after = end.at.since(played.start);
        assert!((6.0..7.0).contains(&after.as_secs_f64()), "{after:?}");
        assert!(played.end.since(played.start) > Duration::from_millis(7_800));
    }
}
