//! `pingan simulate`: cameras for those who have none at hand, from footage or from a made scene.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Args;

use super::clip::{Clip, files_of};
use super::encode::EncodeSettings;
use super::rtsp::{Auth, AuthScheme, Mount, SimOptions, SimServer};
use super::scene::{Scene, Variant};
use crate::base::SystemClock;
use crate::base::task::{Stop, Tasks};

/// Play clips or a made scene as RTSP cameras, in a loop
#[derive(Args, Clone, Debug)]
pub struct SimulateOptions {
    /// Folder with MP4 clips (H.264 or H.265); the cameras play them in turn. Without it: a made scene
    #[arg(long, value_name = "DIR")]
    pub footage: Option<PathBuf>,
    /// Number of cameras; without it one per clip, or three
    #[arg(long, value_name = "N")]
    pub cameras: Option<usize>,
    /// Address to serve on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8554")]
    pub listen: SocketAddr,
    /// Play each clip once per connection instead of in a loop
    #[arg(long)]
    pub once: bool,
    /// Ask clients for this user (Digest)
    #[arg(long, value_name = "NAME", requires = "password_env")]
    pub user: Option<String>,
    /// Environment variable that holds the password
    #[arg(long, value_name = "VARIABLE", requires = "user")]
    pub password_env: Option<String>,
    /// Made scene of all cameras; without it yard, street and gate in turn
    #[arg(long, value_enum, conflicts_with = "footage")]
    pub scene: Option<Variant>,
}

impl SimulateOptions {
    /// The clips of a folder, or the made scenes, over and over.
    pub fn looped(footage: Option<PathBuf>, listen: SocketAddr) -> Self {
        SimulateOptions {
            footage,
            cameras: None,
            listen,
            once: false,
            user: None,
            password_env: None,
            scene: None,
        }
    }
}

/// Made scenes that are encoded at most; more cameras play the same ones.
const MADE: usize = 6;
/// Cameras of a made scene where the number is not given.
const CAMERAS: usize = 3;

/// Main stream of a demo camera: small enough to be ready after seconds.
pub fn demo_main() -> EncodeSettings {
    EncodeSettings { width: 960, height: 540, fps: 12, bitrate: 1_500_000, gop: 24, ..EncodeSettings::sub() }
}

/// Scene of demo camera `i`, from 0, as [`run`] makes it: for those who need its truth.
pub fn demo_scene(i: usize, scene: Option<Variant>) -> Scene {
    let i = i % MADE;
    Scene::demo(scene.unwrap_or(Variant::ALL[i % Variant::ALL.len()]), i as u64 + 1)
}

/// A main and, for a made scene, a sub stream.
struct CameraClips {
    main: Arc<Clip>,
    sub: Option<Arc<Clip>>,
}

/// Serves until stopped, and prints the addresses.
pub async fn run(options: SimulateOptions, stop: Stop) -> anyhow::Result<()> {
    let (server, cameras) = start(&options).await?;
    for camera in cameras {
        println!("{}  {}", server.url(&camera.path), camera.what);
    }
    stop.cancelled().await;
    for error in server.stop().await {
        tracing::error!(%error, "the simulator did not stop cleanly");
    }
    Ok(())
}

/// What a simulated stream is called and shows.
pub struct Simulated {
    pub path: String,
    /// The clip's name.
    pub clip: String,
    pub what: String,
}

/// Makes or loads the clips and serves them. Camera `n`, from 1, is `/cam-n`; made cameras also have
/// `/cam-n/sub`.
pub async fn start(options: &SimulateOptions) -> anyhow::Result<(SimServer, Vec<Simulated>)> {
    let clips = clips(options).await?;
    let mut mounts = Vec::new();
    for i in 0..options.cameras.unwrap_or(clips.len()) {
        let camera = &clips[i % clips.len()];
        let path = format!("cam-{}", i + 1);
        mounts.push(Mount { once: options.once, ..Mount::new(&path, camera.main.clone()) });
        if let Some(sub) = &camera.sub {
            mounts.push(Mount { once: options.once, ..Mount::new(&format!("{path}/sub"), sub.clone()) });
        }
    }
    let mut sim = SimOptions::new(options.listen, mounts);
    sim.auth = auth(options)?;
    let told =
        |m: &Mount| Simulated { path: m.path.clone(), clip: m.clip.name.clone(), what: describe(&m.clip) };
    let simulated = sim.mounts.iter().map(told).collect();
    let server = SimServer::start(sim, Arc::new(SystemClock::new()), &Tasks::root("simulate")).await?;
    Ok((server, simulated))
}

fn describe(clip: &Clip) -> String {
    let p = &clip.params;
    let (fps, mbit) = (clip.frame_rate(), clip.bits_per_second() / 1e6);
    format!("{} {}x{} {fps:.1}/s {mbit:.2} Mbit/s  {}", p.codec.as_str(), p.width, p.height, clip.name)
}

fn auth(options: &SimulateOptions) -> anyhow::Result<Option<Auth>> {
    let (Some(user), Some(variable)) = (&options.user, &options.password_env) else { return Ok(None) };
    let password = std::env::var(variable)
        .with_context(|| format!("the environment variable {variable} is not set; it holds the password"))?;
    Ok(Some(Auth { scheme: AuthScheme::Digest, user: user.clone(), password }))
}

/// The clips of a folder. One that cannot be played does not keep the others from it: it is said.
fn playable(dir: &Path) -> anyhow::Result<Vec<Clip>> {
    let mut clips = Vec::new();
    for file in files_of(dir)? {
        match Clip::load(&file) {
            Ok(clip) => clips.push(clip),
            Err(error) => tracing::warn!("left out: {error:#}"),
        }
    }
    ensure!(!clips.is_empty(), "no .mp4 file in {} can be played", dir.display());
    Ok(clips)
}

async fn clips(options: &SimulateOptions) -> anyhow::Result<Vec<CameraClips>> {
    if let Some(dir) = options.footage.clone() {
        let load = move || playable(&dir);
        let clips = tokio::task::spawn_blocking(load).await.context("loading the footage broke off")??;
        return Ok(clips.into_iter().map(|c| CameraClips { main: Arc::new(c), sub: None }).collect());
    }
    let count = options.cameras.unwrap_or(CAMERAS).clamp(1, MADE);
    let scene = options.scene;
    let jobs: Vec<_> = (0..count)
        .map(|i| {
            tokio::task::spawn_blocking(move || {
                let scene = demo_scene(i, scene);
                let name = scene.variant.as_str();
                let main = scene.encode(name, &demo_main())?;
                let sub = scene.encode(name, &EncodeSettings::sub())?;
                anyhow::Ok(CameraClips { main: Arc::new(main), sub: Some(Arc::new(sub)) })
            })
        })
        .collect();
    let mut clips = Vec::new();
    for job in jobs {
        clips.push(job.await.context("making a scene broke off")??);
    }
    Ok(clips)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: SimulateOptions,
    }

    #[test]
    fn a_password_needs_a_user_and_never_stands_on_the_command_line() {
        assert!(Cli::try_parse_from(["simulate", "--user", "op"]).is_err());
        assert!(Cli::try_parse_from(["simulate", "--scene", "yard", "--footage", "x"]).is_err());
        let args = ["simulate", "--user", "op", "--password-env", "PINGAN_TEST_UNSET", "--scene", "gate"];
        let options = Cli::try_parse_from(args).unwrap().options;
        assert_eq!(options.scene, Some(Variant::Gate));
        assert!(auth(&options).unwrap_err().to_string().contains("PINGAN_TEST_UNSET"));
    }

    #[tokio::test]
    async fn a_folder_without_clips_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let args = ["simulate", "--listen", "127.0.0.1:0", "--footage", dir.path().to_str().unwrap()];
        let error = run(Cli::try_parse_from(args).unwrap().options, Stop::new()).await.unwrap_err();
        assert!(format!("{error:#}").contains("no .mp4 file"), "{error:#}");
    }

    #[test]
    fn a_clip_that_cannot_be_played_leaves_the_others_to_be() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.mp4"), "a text").unwrap();
        let error = playable(dir.path()).unwrap_err().to_string();
        assert!(error.contains("no .mp4 file") && error.contains("can be played"), "{error}");
        let mut scene = demo_scene(0, None);
        scene.duration = std::time::Duration::from_secs(1);
        let clip = scene.encode("b", &EncodeSettings::sub()).unwrap();
        crate::bench::clip_file::save(&clip, &dir.path().join("b.mp4")).unwrap();
        let clips = playable(dir.path()).unwrap();
        assert_eq!(clips.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["b"]);
    }
}
