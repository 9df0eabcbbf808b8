//! `pingan eval --data`: plays the clips of a data folder, on several threads, and tells what was found.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use crate::base::{Clock, SystemClock};
use crate::infer::{self, Detectors, PullFrom, Registry};

use super::degrade::Degradations;
use super::floors::Floors;
use super::job::{Done, Job, Player, Truths, jobs};
use super::sheet;
use super::sum::sum_up;

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
    /// Also play the footage made worse: fps1 to fps30, qp1 to qp50, noise, night, h265, with commas
    /// between; or all (fps5,fps2,fps1,qp40,noise,night,h265).
    #[arg(long, value_name = "LIST")]
    degrade: Option<Degradations>,
    /// Leave the degraded clips in this folder.
    #[arg(long, value_name = "DIR", requires = "degrade")]
    keep: Option<PathBuf>,
    /// Write a page with all figures, and pictures of what was missed and what was false.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
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

impl ClipsArgs {
    /// For the page, whose commands play a part of this again.
    fn setup(&self) -> sheet::Setup {
        let manifests = self.manifests.display().to_string();
        let options = [
            ("fps", self.fps.to_string()),
            ("manifests", manifests),
            ("store", self.store.display().to_string()),
        ];
        sheet::Setup { data: self.data.clone(), models: self.models.clone(), options: options.into() }
    }
}

/// Play all clips and tell what was found.
///
/// # Errors
/// A file of the data folder cannot be read, decoded or degraded; a model is missing or fails; the page or
/// the floors' file cannot be written or read.
pub fn run(args: ClipsArgs) -> anyhow::Result<ExitCode> {
    ensure!((0.01..=1000.0).contains(&args.fps), "--fps must lie between 0.01 and 1000");
    for (i, name) in args.models.iter().enumerate() {
        ensure!(
            !args.models[..i].contains(name),
            "--model {name} is given twice: each of its boxes would be too"
        );
    }
    if let Some(folder) = args.html.as_deref().and_then(Path::parent).filter(|f| *f != Path::new("")) {
        ensure!(folder.is_dir(), "--html: there is no folder {}", folder.display());
    }
    let floors = args.floors.as_deref().map(Floors::load).transpose()?.unwrap_or_default();
    let truths = Truths::load(&args.data)?;
    let degradations = &args.degrade.clone().unwrap_or_default().0;
    degradations.iter().try_for_each(|how| how.check())?;
    let jobs = jobs(&truths, args.clip.as_deref(), degradations);
    match &args.clip {
        Some(part) => ensure!(!jobs.is_empty(), "no clip's name contains '{part}'"),
        None => ensure!(!jobs.is_empty(), "the truth in {} names no clip", args.data.display()),
    }
    let clock = SystemClock::new();
    let begun = clock.now();
    let folder = Folder::new(args.keep.as_deref(), !degradations.is_empty())?;
    let done = play_all(&args, &truths, &jobs, &folder.0)?;
    let report = sum_up(&args.models, degradations, &done, clock.now().since(begun).as_secs_f64());
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => print!("{}", report.table()),
    }
    if let Some(file) = &args.html {
        sheet::write(file, &report, done, &args.setup())?;
    }
    let shortfalls = floors.shortfalls(&report);
    for shortfall in &shortfalls {
        eprintln!("falls short: {shortfall}");
    }
    Ok(if shortfalls.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn play_all(args: &ClipsArgs, truths: &Truths, jobs: &[Job], folder: &Path) -> anyhow::Result<Vec<Done>> {
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
    let bar = ProgressBar::new(jobs.len() as u64)
        .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} clips {elapsed} {msg}")?);
    let next = AtomicUsize::new(0);
    let worker = || -> anyhow::Result<Vec<(usize, Done)>> {
        let mut player = Player {
            truths,
            detectors: Detectors::load(&settings, &registry, &args.models)?,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            fps: args.fps,
            folder,
            keep: args.keep.is_some(),
            pictures: args.html.as_ref().map_or(0, |_| sheet::most_of_a_kind(jobs.len())),
        };
        let mut done = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(n) else { return Ok(done) };
            done.push((n, player.run(job)?));
            bar.inc(1);
        }
    };
    let results: Vec<_> = std::thread::scope(|scope| {
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
    // Whichever worker was faster: the same order in every run.
    done.sort_by_key(|(n, _)| *n);
    Ok(done.into_iter().map(|(_, done)| done).collect())
}

/// Where degraded clips are written; goes with what is in it unless it is to be kept.
struct Folder(PathBuf, bool);

impl Folder {
    fn new(keep: Option<&Path>, wanted: bool) -> anyhow::Result<Folder> {
        let temporary = || std::env::temp_dir().join(format!("pingan-eval-{}", std::process::id()));
        let path = keep.map_or_else(temporary, Path::to_owned);
        if wanted {
            std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        Ok(Folder(path, keep.is_none() && wanted))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.1 {
            // Left-overs in the temporary folder are no reason to withhold the result.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
