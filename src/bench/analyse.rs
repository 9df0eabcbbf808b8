//! `pingan bench analyse`: many simulated cameras, one server that records and watches them, what it
//! costs, how much it looks at, and how soon an alert is heard.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;

use super::encode::EncodeSettings;
use super::load_run::{CameraClips, Server, in_folder};
use super::record::{LoadOptions, footage_clips, load_clip, load_scene};
use super::report::AnalyseReport;
use crate::base::task::Stop;

/// Record and analyse many simulated cameras: cost, memory, losses, frames looked at, alert latency
#[derive(Args, Clone, Debug)]
pub struct AnalyseOptions {
    #[command(flatten)]
    pub load: LoadOptions,
    /// Analytics profile. Without it: `people` for footage, `motion` for the made scene
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Folder with model files, as of `models pull --from`. Without it: the weights in data/models
    #[arg(long, value_name = "DIR")]
    pub models_from: Option<PathBuf>,
}

impl AnalyseOptions {
    pub fn profile(&self) -> &str {
        let usual = if self.load.footage.is_some() { "people" } else { "motion" };
        self.profile.as_deref().unwrap_or(usual)
    }
}

/// Long enough for people to walk through the made scene.
const SCENE: Duration = Duration::from_secs(20);

/// Runs with the options of the command line; `server` must come with a token.
pub async fn run(options: &AnalyseOptions, server: Server<'_>, stop: &Stop) -> anyhow::Result<AnalyseReport> {
    options.load.check()?;
    ensure!(server.token.is_some(), "an analysis cannot be watched without a token");
    let (footage, mbit) = (options.load.footage.clone(), options.load.mbit);
    let clips = tokio::task::spawn_blocking(move || match footage {
        Some(dir) => footage_clips(&dir),
        None => {
            let main = Arc::new(load_clip(mbit, SCENE)?);
            let sub = load_scene(SCENE).encode("load", &EncodeSettings::sub())?;
            Ok(vec![CameraClips { main, sub: Some(Arc::new(sub)) }])
        }
    });
    let clips = clips.await.context("making the clips broke off")??;
    in_folder(options.load.keep.as_deref(), async |folder| {
        let measured = options.load.run(clips, folder).measure(server, stop).await?;
        let analysis = measured.analysis.context("the analysis was not watched")?;
        Ok(AnalyseReport { profile: options.profile().to_owned(), record: measured.record, analysis })
    })
    .await
}
