//! One clip in one condition: made worse if asked for, played, and held against all that is known of it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::runtime::Runtime;

use crate::infer::{Class, Detectors};

use super::degrade::{self, Degradation};
use super::detections::{self, Compared};
use super::facts;
use super::judge::{self, FactScore};
use super::play::{Play, Played, play};
use super::precision::Tally;
use super::report::ClipReport;
use super::sheet::{self, Shot, Want};
use super::truth::{ClipTruth, Data, Events, FrameTruth, Frames};

/// All that is known of the footage.
pub struct Truths {
    pub data: Data,
    pub events: Events,
    pub faces: Frames,
    pub persons: Frames,
}

impl Truths {
    /// # Errors
    /// A truth file cannot be read.
    pub fn load(folder: &Path) -> anyhow::Result<Truths> {
        let data = Data(folder.to_owned());
        let (events, faces, persons) = (data.events()?, data.faces()?, data.persons()?);
        Ok(Truths { data, events, faces, persons })
    }

    /// Boxes on single frames of a file, and the IoU from which one counts as found (the truth files' own
    /// rule).
    fn boxes(&self, file: &str) -> impl Iterator<Item = (Class, f32, &FrameTruth)> {
        let faces = self.faces.frames.iter().map(|f| (Class::Face, 0.4, f));
        let persons = self.persons.frames.iter().map(|f| (Class::Person, 0.5, f));
        faces.chain(persons).filter(move |(_, _, f)| f.file == file)
    }
}

/// What to play.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub file: String,
    /// Which of the truth's clips it is; absent where only boxes on single frames are known.
    pub truth: Option<usize>,
    pub how: Option<Degradation>,
}

/// What came of it.
pub struct Done {
    pub job: Job,
    pub clip: Option<ClipReport>,
    /// Events told where the truth says that nobody is there.
    pub in_empty: usize,
    pub faces: Tally,
    pub persons: Tally,
    /// Length of what was played.
    pub seconds: f64,
    pub shots: Vec<Shot>,
    /// Missed and false ones without a picture.
    pub without_shot: usize,
}

/// Every clip as it is, then the compared ones in each degradation. Footage that shows the same in several
/// files is degraded once: the first of them.
pub fn jobs(truths: &Truths, part: Option<&str>, degradations: &[Degradation]) -> Vec<Job> {
    let wanted = |file: &str| part.is_none_or(|part| file.contains(part));
    let (mut all, mut compared) = (Vec::<Job>::new(), Vec::new());
    for (truth, clip) in truths.events.clips.iter().enumerate() {
        let files = clip.files.iter().filter(|f| wanted(f));
        let jobs: Vec<_> = files.map(|f| Job { file: f.clone(), truth: Some(truth), how: None }).collect();
        compared.extend(jobs.first().cloned());
        all.extend(jobs);
    }
    for frame in truths.faces.frames.iter().chain(&truths.persons.frames).filter(|f| wanted(&f.file)) {
        let known = all.iter().find(|j| j.file == frame.file);
        let job = known.cloned().unwrap_or(Job { file: frame.file.clone(), truth: None, how: None });
        if known.is_none() {
            all.push(job.clone());
        }
        if !compared.contains(&job) {
            compared.push(job);
        }
    }
    for how in degradations {
        all.extend(compared.iter().cloned().map(|job| Job { how: Some(*how), ..job }));
    }
    all
}

/// What jobs are played with.
pub struct Player<'a> {
    pub truths: &'a Truths,
    pub detectors: Detectors,
    pub runtime: Runtime,
    /// Frames analysed per second of footage, at most.
    pub fps: f32,
    /// Where degraded clips are written.
    pub folder: &'a Path,
    /// Whether they are left there.
    pub keep: bool,
    /// How many pictures are taken of each kind of what is missed and what is false.
    pub pictures: usize,
}

impl Player<'_> {
    /// # Errors
    /// The clip cannot be read, decoded or degraded, lacks a frame of the truth, or a model fails.
    pub fn run(&mut self, job: &Job) -> anyhow::Result<Done> {
        let original = self.truths.data.clip(&job.file);
        let made = match job.how {
            None => None,
            Some(how) => Some(degrade::make(&original, &job.file, how, &self.runtime, self.folder)?),
        };
        let (path, kept) = made.map_or((original, None), |m| (m.path, Some(m.kept)));
        let done = self.played(job, &path, kept.as_deref()).with_context(|| job.file.clone());
        if kept.is_some() && !self.keep {
            // What cannot be removed goes with the folder.
            let _ = std::fs::remove_file(&path);
        }
        done
    }

    /// `kept`: which frames of the original the clip has; absent where it has all.
    fn played(&mut self, job: &Job, path: &PathBuf, kept: Option<&[usize]>) -> anyhow::Result<Done> {
        let truths = self.truths;
        let index = |original: usize| kept.map_or(Some(original), |kept| kept.binary_search(&original).ok());
        let boxes: Vec<_> = truths
            .boxes(&job.file)
            .filter_map(|(class, iou, truth)| Some((class, iou, truth, index(truth.frame)?)))
            .collect();
        let wanted: Vec<usize> = boxes.iter().map(|b| b.3).collect();
        let truth = job.truth.and_then(|t| truths.events.clips.get(t));
        let rules = truth.map(facts::rules).transpose()?.unwrap_or_default();
        let work = Play { path, rules: rules.clone(), fps: self.fps, wanted: &wanted };
        let played = self.runtime.block_on(play(work, &mut self.detectors))?;

        let mut wants = Vec::new();
        let (mut faces, mut persons) = (Tally::default(), Tally::default());
        for (class, min_iou, truth, index) in boxes {
            let look = played.looks.iter().find(|l| l.index == index);
            let look = look.with_context(|| format!("there is no frame {}", truth.frame))?;
            let compared: Compared = detections::compare(truth, &look.found, class, min_iou);
            wants.extend(sheet::of_boxes(truth, &compared, class, min_iou, look, played.start));
            if class == Class::Face { &mut faces } else { &mut persons }.add(compared);
        }
        let mut in_empty = 0;
        let facts = truth.map(|truth| {
            let facts = self.judged(truth, &played, job.how);
            if truth.distinct_people == Some(0) {
                in_empty = facts.iter().map(|f| f.score.extra).sum();
            }
            facts
        });
        for fact in facts.iter().flatten() {
            wants.extend(sheet::of_fact(fact, rules.iter().find(|r| r.id.0 == fact.rule), &played));
        }
        let (shots, without_shot) = self.shots(job, path, kept, wants)?;
        Ok(Done {
            clip: facts.map(|facts| ClipReport { file: job.file.clone(), frames: played.frames, facts }),
            job: job.clone(),
            in_empty,
            faces,
            persons,
            seconds: played.end.since(played.start).as_secs_f64(),
            shots,
            without_shot,
        })
    }

    fn judged(&self, truth: &ClipTruth, played: &Played, how: Option<Degradation>) -> Vec<FactScore> {
        let late = how.map_or(0.0, |how| how.period().as_secs_f64());
        let tolerance_s = self.truths.events.tolerance_s + late;
        judge::score(truth, &played.events, played.start, played.end, tolerance_s)
    }

    fn shots(
        &self,
        job: &Job,
        path: &Path,
        kept: Option<&[usize]>,
        wants: Vec<Want>,
    ) -> anyhow::Result<(Vec<Shot>, usize)> {
        let (wants, left_out) = sheet::first_of_each_kind(wants, self.pictures);
        let original = |index: usize| kept.and_then(|k| k.get(index).copied()).unwrap_or(index);
        let shots = self.runtime.block_on(sheet::take(job, path, wants, original))?;
        Ok((shots, left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truths() -> Truths {
        let clip = |files: &str| format!("{{\"files\": [{files}], \"fps\": 12}}");
        let events = format!(
            "{{\"tolerance_s\": 0.7, \"clips\": [{}, {}]}}",
            clip("\"a.mp4\", \"a.h264\""),
            clip("\"b.mp4\"")
        );
        let frame = |file: &str| FrameTruth { file: file.into(), frame: 3, boxes: vec![], ignore: vec![] };
        Truths {
            data: Data("nowhere".into()),
            events: serde_json::from_str(&events).unwrap(),
            faces: Frames { frames: vec![frame("c.mp4"), frame("c.mp4"), frame("b.mp4")] },
            persons: Frames { frames: vec![frame("a.h264")] },
        }
    }

    fn check(part: Option<&str>, how: &[Degradation]) -> Vec<String> {
        let name = |j: &Job| format!("{}{}", j.file, j.how.map_or(String::new(), |h| format!(" {h}")));
        jobs(&truths(), part, how).iter().map(name).collect()
    }

    #[test]
    fn every_clip_is_played_once_and_the_same_footage_is_degraded_once() {
        assert_eq!(check(None, &[]), ["a.mp4", "a.h264", "b.mp4", "c.mp4"]);
        let night = check(None, &[Degradation::Night]);
        // The h264 file shows what the mp4 file shows, but boxes are known of it.
        assert_eq!(night[4..], ["a.mp4 night", "b.mp4 night", "c.mp4 night", "a.h264 night"]);
        assert_eq!(
            check(Some("b"), &[Degradation::H265, Degradation::Fps(1)]),
            ["b.mp4", "b.mp4 h265", "b.mp4 fps1"]
        );
        assert!(check(Some("z"), &[Degradation::Noise]).is_empty());
    }

    #[test]
    fn boxes_of_both_classes_are_told_with_their_overlap() {
        let truths = truths();
        let boxes: Vec<_> = truths.boxes("b.mp4").map(|b| (b.0, b.1)).collect();
        assert_eq!(boxes, [(Class::Face, 0.4)]);
        assert_eq!(truths.boxes("a.h264").map(|b| b.1).collect::<Vec<_>>(), [0.5]);
    }
}
