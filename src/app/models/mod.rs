//! The zoo: list, fetch, verify and time models.

mod bench;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::infer::{ModelState, PullFrom, Registry};

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
    /// What a model costs on this machine: preparing a picture, the network, its boxes, and on footage its verifier and
    /// second opinions.
    Bench(bench::BenchArgs),
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

pub async fn run(command: ModelsCommand) -> anyhow::Result<ExitCode> {
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
                None => {
                    let here = |m: &ModelState| m.present || m.is_damaged();
                    registry.list().into_iter().filter(here).map(|m| m.name).collect()
                }
            };
            anyhow::ensure!(
                !names.is_empty(),
                "none of the models is here; `pingan models list` tells which there are"
            );
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
        ModelsCommand::Bench(args) => bench::run(args).await?,
    }
    Ok(ExitCode::SUCCESS)
}
