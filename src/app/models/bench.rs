//! What a model costs, measured.

use std::array::from_fn;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;

use super::ModelDirs;
use crate::app::pick::Pick;
use crate::base::clock::thread_cpu;
use crate::base::{Clock, SystemClock, Wall};
use crate::bench::eval::pictures::Pictures;
use crate::infer::{self, Detectors, Known, Provider, Settings};
use crate::media::I420;
use crate::track::{self, TrackNumbers, Tracker};

/// What is to be timed, and how.
#[derive(clap::Args)]
pub struct BenchArgs {
    /// Name as in `models list`.
    name: String,
    /// How many runs; the median, the mean and what 95 of 100 stay within are told.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pictures: u32,
    /// A clip whose pictures are shown, five of each second, by turns, 100 at the most, with a tracker behind the model, as
    /// a camera is watched. Without it: one in which nothing is. What is in a picture may ask for second opinions and a
    /// verifier.
    #[arg(long)]
    footage: Option<PathBuf>,
    /// So many threads at once, as workers of a server are, each with a session of its own and so many pictures.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Where it is computed.
    #[arg(long, value_enum, default_value_t)]
    provider: Provider,
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    dirs: ModelDirs,
}

/// What a model costs.
#[derive(Serialize)]
struct Timed {
    name: String,
    /// Of the network's input, NCHW, also where it takes its values in another layout.
    input: [usize; 4],
    /// Width and height of the first of the pictures it was given.
    picture: [u32; 2],
    /// Of each thread.
    pictures: u32,
    threads: u16,
    cpu_ms_median: f64,
    cpu_ms_p95: f64,
    cpu_ms_mean: f64,
    /// Second opinions a picture, and detections that the verifier saw.
    second_opinions_mean: f64,
    verified_mean: f64,
    /// Of all threads together, by the clock.
    pictures_per_second: f64,
}

/// Time a model and print the result.
///
/// # Errors
/// The clip cannot be read, or the model not be loaded or run.
pub async fn run(args: BenchArgs) -> anyhow::Result<()> {
    let shown = match &args.footage {
        Some(clip) => taken(clip).await.with_context(|| format!("cannot read {}", clip.display()))?,
        None => vec![(STEP, Arc::new(nothing()?))],
    };
    let timed = time(&args, &shown)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&timed)?);
    } else {
        println!(
            "{}: input {:?}, {:.2} CPU-ms a picture of {}x{} (median of {}; mean {:.2}, 95 of 100 within {:.2}), \
             {:.2} second opinions and {:.2} verified a picture, {:.0} pictures a second",
            timed.name,
            timed.input,
            timed.cpu_ms_median,
            timed.picture[0],
            timed.picture[1],
            timed.pictures * u32::from(timed.threads),
            timed.cpu_ms_mean,
            timed.cpu_ms_p95,
            timed.second_opinions_mean,
            timed.verified_mean,
            timed.pictures_per_second
        );
    }
    Ok(())
}

/// `shown`: at least one picture, each with its time since the one before.
fn time(args: &BenchArgs, shown: &[(Duration, Arc<I420>)]) -> anyhow::Result<Timed> {
    let BenchArgs { name, pictures, threads, provider, dirs, .. } = args;
    let registry = dirs.open()?;
    let settings = Settings {
        runtime: None,
        manifests: dirs.manifests.clone(),
        store: dirs.store.clone(),
        provider: *provider,
    };
    let all = (0..*threads)
        .map(|_| Detectors::load(&settings, &registry, std::slice::from_ref(name)))
        .collect::<Result<Vec<_>, infer::Error>>()?;
    let ready = Barrier::new(all.len());
    let each = |mut detectors: Detectors| -> Result<(Duration, Vec<Duration>, [usize; 2]), infer::Error> {
        let mut watched = Watched::new();
        let mut shown = shown.iter().cycle();
        // The first runs allocate, an accelerator makes ready, and a camera may ask the most.
        let warmed = shown.by_ref().take(20).try_for_each(|(step, p)| watched.look(&mut detectors, *step, p));
        ready.wait();
        warmed?;
        let (clock, mut cpu, asked) = (SystemClock::new(), Vec::new(), watched.known.taken());
        let begun = clock.now();
        for (step, picture) in shown.take(*pictures as usize) {
            let before = thread_cpu();
            watched.look(&mut detectors, *step, picture)?;
            cpu.push(thread_cpu().saturating_sub(before));
        }
        let taken = watched.known.taken();
        Ok((clock.now().since(begun), cpu, from_fn(|i| taken[i] - asked[i])))
    };
    let (mut longest, mut cpu, mut taken) = (Duration::ZERO, Vec::new(), [0; 2]);
    thread::scope(|s| {
        let threads: Vec<_> = all.into_iter().map(|detectors| s.spawn(|| each(detectors))).collect();
        threads.into_iter().try_for_each(|thread| {
            let (took, of_thread, by_thread) = thread.join().expect("invariant: nothing here panics")?;
            longest = longest.max(took);
            cpu.extend(of_thread);
            taken = from_fn(|i| taken[i] + by_thread[i]);
            Ok::<_, infer::Error>(())
        })
    })?;
    cpu.sort();
    let at = |part: f64| Duration::as_secs_f64(&cpu[((cpu.len() - 1) as f64 * part).ceil() as usize]) * 1e3;
    let [second_opinions_mean, verified_mean] = taken.map(|n| n as f64 / cpu.len() as f64);
    let picture = [shown[0].1.width, shown[0].1.height];
    let (w, h) = registry.manifest(name)?.size.of((picture[0], picture[1]));
    Ok(Timed {
        name: name.clone(),
        input: [1, 3, h, w],
        picture,
        pictures: *pictures,
        threads: *threads,
        pictures_per_second: cpu.len() as f64 / longest.as_secs_f64(),
        cpu_ms_mean: cpu.iter().sum::<Duration>().as_secs_f64() * 1e3 / cpu.len() as f64,
        cpu_ms_median: at(0.5),
        cpu_ms_p95: at(0.95),
        second_opinions_mean,
        verified_mean,
    })
}

/// As a camera is watched, who was just asked about is not asked about again. The tracker's own time counts too.
struct Watched {
    tracker: Tracker,
    known: Known,
    /// Of the last picture. Where a clip begins again the time goes on, as where somebody else comes along.
    at: Wall,
}

impl Watched {
    fn new() -> Watched {
        let tracker = Tracker::new(track::Settings::default(), TrackNumbers::default());
        Watched { tracker, known: Known::default(), at: Wall::default() }
    }

    fn look(
        &mut self,
        detectors: &mut Detectors,
        step: Duration,
        picture: &I420,
    ) -> Result<(), infer::Error> {
        self.at = self.at + step;
        self.known.begin(self.at, self.tracker.tracked(self.at, 0.0));
        self.tracker.step(self.at, &detectors.detect_beside(picture, &mut self.known)?);
        Ok(())
    }
}

/// A sub stream's picture, with texture: what is in it changes what a run costs by little.
fn nothing() -> anyhow::Result<I420> {
    let (width, height) = (640, 360);
    let bytes =
        (0..width * height * 3 / 2).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 25) as u8 + 64).collect();
    Ok(I420::packed(width, height, bytes)?)
}

/// Pictures a second, as of a camera that is followed.
const RATE: f32 = 5.0;
/// From the last picture of a round to the first of the next.
const STEP: Duration = Duration::from_millis(200);
/// Pictures held, at most.
const MOST: usize = 100;

async fn taken(clip: &Path) -> anyhow::Result<Vec<(Duration, Arc<I420>)>> {
    let (mut decoded, mut pick, mut taken) = (Pictures::open(clip).await?, Pick::new(RATE), Vec::new());
    let mut last = None;
    while taken.len() < MOST
        && let Some(frame) = decoded.next().await?
    {
        if pick.takes(frame.at) {
            let step = last.replace(frame.at).map_or(STEP, |last| frame.at.since(last));
            taken.push((step, frame.image));
        }
    }
    ensure!(!taken.is_empty(), "there is no picture in it");
    Ok(taken)
}
