//! The zoo: list, fetch, verify and time models.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use crate::base::clock::thread_cpu;
use crate::base::{Clock, SystemClock};
use crate::infer::{self, Detectors, Provider, PullFrom, Registry, Settings};
use crate::media::I420;

#[derive(clap::Subcommand)]
pub enum ModelsCommand {
    /// All known models and whether their weights are here.
    List {
        #[command(flatten)]
        dirs: ModelDirs,
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model's weights from its origin, or from a mirror folder.
    Pull {
        /// Name as in `models list`.
        name: String,
        /// A folder with model files, for networks without internet.
        #[arg(long)]
        from: Option<PathBuf>,
        #[command(flatten)]
        dirs: ModelDirs,
    },
    /// Check the weights that are here against their manifests.
    Verify {
        /// One model; all that are here if left out.
        name: Option<String>,
        #[command(flatten)]
        dirs: ModelDirs,
    },
    /// What a model costs on this machine: preparing a picture, the network, its boxes.
    Bench {
        name: String,
        /// How many pictures; the median is told.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        pictures: u32,
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
    },
}

#[derive(clap::Args)]
pub struct ModelDirs {
    /// Folder of the manifests.
    #[arg(long, default_value = "models")]
    manifests: PathBuf,
    /// Folder of the weights.
    #[arg(long, default_value = "data/models")]
    store: PathBuf,
}

impl ModelDirs {
    fn open(&self) -> anyhow::Result<Registry> {
        Ok(Registry::open(&self.manifests, &self.store)?)
    }
}

pub fn run(command: ModelsCommand) -> anyhow::Result<ExitCode> {
    match command {
        ModelsCommand::List { dirs, json } => {
            let models = dirs.open()?.list();
            if json {
                println!("{}", serde_json::to_string_pretty(&models)?);
            } else {
                for m in models {
                    let state = match (m.present, m.verified) {
                        (_, true) => "here",
                        (true, false) => "damaged",
                        (false, false) => "-",
                    };
                    println!(
                        "{:<18} {:<11} {:<8} {:>8} kB  {}",
                        m.name,
                        m.family.as_str(),
                        state,
                        m.bytes / 1000,
                        m.licence
                    );
                }
            }
        }
        ModelsCommand::Pull { name, from, dirs } => {
            let registry = dirs.open()?;
            let bar = indicatif::ProgressBar::new(0).with_style(indicatif::ProgressStyle::with_template(
                "{msg} {bar:30} {bytes}/{total_bytes} {eta}",
            )?);
            bar.set_message(name.clone());
            let from = from.as_deref().map_or(PullFrom::Url, PullFrom::Mirror);
            let path = registry.pull(&name, from, &mut |done, total| {
                bar.set_length(total);
                bar.set_position(done);
            })?;
            bar.finish_and_clear();
            println!("{name}: {}", path.display());
        }
        ModelsCommand::Verify { name, dirs } => {
            let registry = dirs.open()?;
            let names = match name {
                Some(name) => vec![name],
                None => registry.list().into_iter().filter(|m| m.present).map(|m| m.name).collect(),
            };
            let mut bad = false;
            for name in names {
                match registry.verify(&name) {
                    Ok(_) => println!("{name}: good"),
                    Err(e) => {
                        bad = true;
                        println!("{e}");
                    }
                }
            }
            return Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
        ModelsCommand::Bench { name, pictures, threads, provider, json, dirs } => {
            let timed = time(&dirs, &name, (pictures, threads), provider)?;
            if json {
                println!("{}", serde_json::to_string_pretty(&timed)?);
            } else {
                println!(
                    "{name}: input {:?}, {:.2} CPU-ms a picture of {}x{} (median of {}; mean {:.2}, 95 of 100 within {:.2}), \
                     {:.0} pictures a second",
                    timed.input,
                    timed.cpu_ms_median,
                    timed.picture[0],
                    timed.picture[1],
                    timed.pictures * u32::from(threads),
                    timed.cpu_ms_mean,
                    timed.cpu_ms_p95,
                    timed.pictures_per_second
                );
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a model costs.
#[derive(Serialize)]
struct Timed {
    name: String,
    /// Of the network's input, NCHW.
    input: [usize; 4],
    /// Width and height of the pictures it was given.
    picture: [u32; 2],
    /// Of each thread.
    pictures: u32,
    threads: u16,
    cpu_ms_median: f64,
    cpu_ms_p95: f64,
    cpu_ms_mean: f64,
    /// Of all threads together, by the clock.
    pictures_per_second: f64,
}

/// A sub stream's picture, with texture: what is in it changes what a run costs by little.
const PICTURE: [u32; 2] = [640, 360];

fn time(
    dirs: &ModelDirs,
    name: &str,
    (pictures, threads): (u32, u16),
    provider: Provider,
) -> anyhow::Result<Timed> {
    let registry = dirs.open()?;
    let settings =
        Settings { runtime: None, manifests: dirs.manifests.clone(), store: dirs.store.clone(), provider };
    let names = [name.to_owned()];
    let all = (0..threads)
        .map(|_| Detectors::load(&settings, &registry, &names))
        .collect::<Result<Vec<_>, infer::Error>>()?;
    let [width, height] = PICTURE;
    let bytes =
        (0..width * height * 3 / 2).map(|i| (i.wrapping_mul(2_654_435_761) >> 25) as u8 + 64).collect();
    let picture = I420::packed(width, height, bytes)?;
    let ready = Barrier::new(all.len());
    let each = |mut detectors: Detectors| -> Result<(Duration, Vec<Duration>), infer::Error> {
        // The first runs allocate, and an accelerator makes ready.
        let warmed = (0..20).try_for_each(|_| detectors.detect(&picture).map(drop));
        ready.wait();
        warmed?;
        let (clock, mut cpu) = (SystemClock::new(), Vec::new());
        let begun = clock.now();
        for _ in 0..pictures {
            let before = thread_cpu();
            detectors.detect(&picture)?;
            cpu.push(thread_cpu().saturating_sub(before));
        }
        Ok((clock.now().since(begun), cpu))
    };
    let (mut longest, mut cpu) = (Duration::ZERO, Vec::new());
    thread::scope(|s| {
        let threads: Vec<_> = all.into_iter().map(|detectors| s.spawn(|| each(detectors))).collect();
        threads.into_iter().try_for_each(|thread| {
            let (took, of_thread) = thread.join().expect("invariant: nothing here panics")?;
            longest = longest.max(took);
            cpu.extend(of_thread);
            Ok::<_, infer::Error>(())
        })
    })?;
    cpu.sort();
    let at = |part: f64| Duration::as_secs_f64(&cpu[((cpu.len() - 1) as f64 * part) as usize]) * 1e3;
    let (w, h) = registry.manifest(name)?.size.of((width, height));
    Ok(Timed {
        name: name.into(),
        input: [1, 3, h, w],
        picture: PICTURE,
        pictures,
        threads,
        pictures_per_second: cpu.len() as f64 / longest.as_secs_f64(),
        cpu_ms_mean: cpu.iter().sum::<Duration>().as_secs_f64() * 1e3 / cpu.len() as f64,
        cpu_ms_median: at(0.5),
        cpu_ms_p95: at(0.95),
    })
}
