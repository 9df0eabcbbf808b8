//! `pingan eval --data`: plays the clips of a data folder, on several threads, and sums up.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use crate::base::{Clock, SystemClock};
use crate::infer::{self, Class, Detectors, PullFrom, Registry};

use super::detections;
use super::facts::{self, Score};
use super::floors::Floors;
use super::play::{Play, play};
use super::precision::{BoxScore, Tally};
use super::report::{ClipReport, Report};
use super::truth::{ClipTruth, Data, Frames};

/// IoU from which a box counts as found (the truth files' own rule).
const FACE_IOU: f32 = 0.4;
const PERSON_IOU: f32 = 0.5;

#[derive(clap::Args, Clone)]
pub struct ClipsArgs {
    /// Folder with `footage/`, `truth/` and `models/`.
    #[arg(long)]
    data: PathBuf,
    /// Models to use, by manifest name.
    #[arg(long = "model", default_values = ["yolox_nano", "yunet"])]
    models: Vec<String>,
    /// Only clips whose file name contains this.
    #[arg(long)]
    clip: Option<String>,
    /// Frames analysed per second of footage, at most.
    #[arg(long, default_value_t = 12.5)]
    fps: f32,
    /// Folder of the model manifests.
    #[arg(long, default_value = "models")]
    manifests: PathBuf,
    /// Folder of the weights. What is missing is pulled from the data folder's `models/`.
    #[arg(long, default_value = ".run/models")]
    store: PathBuf,
    /// Clips played at the same time.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    #[arg(long)]
    json: bool,
    /// End with failure where the run falls short of this file's floors.
    #[arg(long)]
    floors: Option<PathBuf>,
}

/// One thing to play, and what to hold it against.
enum Job {
    Clip { file: String, truth: usize },
    Boxes { class: Class, min_iou: f32, file: String },
}

enum Done {
    Clip(ClipReport, f64),
    Boxes(Class, Tally, f64),
}

pub fn run(args: ClipsArgs) -> anyhow::Result<ExitCode> {
    let data = Data(args.data.clone());
    let (events, faces, persons) = (data.events()?, data.faces()?, data.persons()?);
    let registry = Registry::open(&args.manifests, &args.store)?;
    for name in &args.models {
        if registry.verify(name).is_err() {
            registry.pull(name, PullFrom::Mirror(&args.data.join("models")), &mut |_, _| {})?;
        }
    }
    let settings = infer::Settings {
        runtime: None,
        manifests: args.manifests.clone(),
        store: args.store.clone(),
        provider: Default::default(),
    };
    let jobs = jobs(&args, &events.clips, &faces, &persons);
    anyhow::ensure!(!jobs.is_empty(), "no clip's name contains '{}'", args.clip.as_deref().unwrap_or(""));
    let bar = ProgressBar::new(jobs.len() as u64)
        .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} clips {elapsed} {msg}")?);
    let clock = SystemClock::new();
    let begun = clock.now();
    let next = AtomicUsize::new(0);
    let worker = || -> anyhow::Result<Vec<Done>> {
        let mut detectors = Detectors::load(&settings, &registry, &args.models)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut done = Vec::new();
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push(runtime.block_on(one(job, &args, &data, &events, &faces, &persons, &mut detectors))?);
            bar.inc(1);
        }
        Ok(done)
    };
    let results: Vec<anyhow::Result<Vec<Done>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.workers.max(1)).map(|_| scope.spawn(worker)).collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked"))))
            .collect()
    });
    bar.finish_and_clear();
    let mut done = Vec::new();
    for result in results {
        done.extend(result?);
    }
    let report = gather(&args, done, clock.now().since(begun).as_secs_f64());
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => print!("{}", report.table()),
    }
    let floors = args.floors.as_deref().map(Floors::load).transpose()?.unwrap_or_default();
    let shortfalls = floors.shortfalls(&report);
    for shortfall in &shortfalls {
        eprintln!("falls short: {shortfall}");
    }
    Ok(if shortfalls.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn jobs(args: &ClipsArgs, clips: &[ClipTruth], faces: &Frames, persons: &Frames) -> Vec<Job> {
    let wanted = |file: &str| args.clip.as_deref().is_none_or(|part| file.contains(part));
    let mut jobs = Vec::new();
    for (truth, clip) in clips.iter().enumerate() {
        jobs.extend(clip.files.iter().filter(|f| wanted(f)).map(|f| Job::Clip { file: f.clone(), truth }));
    }
    for (class, min_iou, frames) in [(Class::Face, FACE_IOU, faces), (Class::Person, PERSON_IOU, persons)] {
        let mut files: Vec<&String> = frames.frames.iter().map(|f| &f.file).collect();
        files.sort_unstable();
        files.dedup();
        jobs.extend(files.into_iter().filter(|f| wanted(f)).map(|f| Job::Boxes {
            class,
            min_iou,
            file: f.clone(),
        }));
    }
    jobs
}

async fn one(
    job: &Job,
    args: &ClipsArgs,
    data: &Data,
    events: &super::truth::Events,
    faces: &Frames,
    persons: &Frames,
    detectors: &mut Detectors,
) -> anyhow::Result<Done> {
    match job {
        Job::Clip { file, truth } => {
            let truth = &events.clips[*truth];
            let rules = facts::rules(truth)?;
            let path = data.clip(file);
            let play_job = Play { path: &path, rules, fps: args.fps, wanted: &[], wanted_only: false };
            let played = play(play_job, detectors).await.with_context(|| file.clone())?;
            let facts = facts::score(truth, &played.events, played.start, played.end, events.tolerance_s);
            let seconds = played.end.since(played.start).as_secs_f64();
            Ok(Done::Clip(ClipReport { file: file.clone(), frames: played.frames, facts }, seconds))
        }
        Job::Boxes { class, min_iou, file } => {
            let frames = if *class == Class::Face { faces } else { persons };
            let of_file: Vec<_> = frames.frames.iter().filter(|f| f.file == *file).collect();
            let wanted: Vec<usize> = of_file.iter().map(|f| f.frame).collect();
            let path = data.clip(file);
            let play_job =
                Play { path: &path, rules: Vec::new(), fps: args.fps, wanted: &wanted, wanted_only: true };
            let played = play(play_job, detectors).await.with_context(|| file.clone())?;
            let mut tally = Tally::default();
            for truth in of_file {
                let found = played.wanted.iter().find(|(i, _)| *i == truth.frame);
                let found = found.with_context(|| format!("{file} has no frame {}", truth.frame))?;
                tally.add(detections::compare(truth, &found.1, *class, *min_iou));
            }
            Ok(Done::Boxes(*class, tally, played.end.since(played.start).as_secs_f64()))
        }
    }
}

fn gather(args: &ClipsArgs, done: Vec<Done>, wall_s: f64) -> Report {
    let (mut faces, mut persons) = (Tally::default(), Tally::default());
    let mut report = Report {
        models: args.models.clone(),
        events: Score::default(),
        faces: BoxScore::default(),
        persons: BoxScore::default(),
        clips: Vec::new(),
        speed: 0.0,
    };
    let mut footage_s = 0.0;
    for done in done {
        match done {
            Done::Clip(clip, seconds) => {
                footage_s += seconds;
                for fact in &clip.facts {
                    report.events += fact.score;
                }
                report.clips.push(clip);
            }
            Done::Boxes(class, tally, seconds) => {
                footage_s += seconds;
                match class {
                    Class::Face => faces.append(tally),
                    _ => persons.append(tally),
                }
            }
        }
    }
    (report.faces, report.persons) = (faces.score(), persons.score());
    report.clips.sort_by(|a, b| a.file.cmp(&b.file));
    report.speed = footage_s / wall_s.max(1e-3);
    report
}
