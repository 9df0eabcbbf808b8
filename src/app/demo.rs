//! `pingan demo`: test cameras over real RTSP and a server that watches them, in one command.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use url::Url;

use crate::api::{Role, TokenStore};
use crate::base::{Clock, SystemClock};
use crate::bench::simulate;
use crate::config;

use super::commands;

#[derive(clap::Args)]
pub struct DemoArgs {
    /// Play the clips of this folder as cameras.
    #[arg(long)]
    footage: Option<PathBuf>,
    /// A real camera's address (repeatable); no test cameras then.
    #[arg(long = "camera")]
    cameras: Vec<Url>,
    /// Where configuration, recordings and the token go.
    #[arg(long, default_value = ".run/demo")]
    dir: PathBuf,
    /// The site with the made scenes.
    #[arg(long, default_value = "config/demo.toml")]
    site: PathBuf,
    /// Address of the HTTP API for `--footage` and `--camera`.
    #[arg(long, default_value = "127.0.0.1:8088")]
    listen: SocketAddr,
    /// Address of the test cameras' RTSP server; the demo site expects the default.
    #[arg(long, default_value = "127.0.0.1:8554")]
    rtsp: SocketAddr,
}

pub async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    fs::create_dir_all(&args.dir)
        .with_context(|| format!("cannot make the folder {}", args.dir.display()))?;
    let stop = commands::stop_on_signal();
    let simulator = match args.cameras.is_empty() {
        true => {
            println!("Preparing the test cameras …");
            let options = simulate::SimulateOptions::looped(args.footage.clone(), args.rtsp);
            Some(simulate::start(&options).await?)
        }
        false => None,
    };
    let path = match (&simulator, &args.footage) {
        (Some((server, cameras)), Some(_)) => {
            write_site(&args, cameras.iter().map(|c| (c.path.clone(), server.url(&c.path))))?
        }
        (Some(_), None) => args.site.clone(),
        (None, _) => {
            let urls = args.cameras.iter().enumerate();
            write_site(&args, urls.map(|(i, url)| (format!("cam-{}", i + 1), url.to_string())))?
        }
    };
    let token = token(&path, &args.dir)?;
    let code = commands::run_server(&path, stop, |server, listen| {
        let cameras = server.cameras();
        let first = cameras.first().map(|c| c.spec().id.to_string()).unwrap_or_default();
        println!("{}", welcome(listen, &token, &first, cameras.len(), &server.notices));
    })
    .await;
    if let Some((server, _)) = simulator {
        for e in server.stop().await {
            eprintln!("pingan: {e}");
        }
    }
    code
}

fn welcome(listen: SocketAddr, token: &str, camera: &str, cameras: usize, notices: &[String]) -> String {
    let mut text = String::new();
    let _ = write!(
        text,
        "
Ping'an watches {cameras} cameras.   http://{listen}   API: http://{listen}/docs

  TOKEN={token}

Try, in another terminal:
  curl -H \"Authorization: Bearer $TOKEN\" http://{listen}/api/v1/cameras
  curl -N -H \"Authorization: Bearer $TOKEN\" http://{listen}/api/v1/alerts/stream
  curl -H \"Authorization: Bearer $TOKEN\" -o now.jpg http://{listen}/api/v1/cameras/{camera}/snapshot.jpg
"
    );
    for notice in notices {
        let _ = write!(text, "\nNote: {notice}\n");
    }
    text + "\nCtrl-C stops everything."
}

/// The token of an earlier demo if it still works, else a new one.
fn token(config: &Path, dir: &Path) -> anyhow::Result<String> {
    let settings = config::load(config)?;
    if let Some(parent) = settings.api.tokens.parent() {
        fs::create_dir_all(parent)?;
    }
    let store = TokenStore::open(&settings.api.tokens)?;
    let now = SystemClock::new().wall();
    let file = dir.join("token");
    if let Ok(old) = fs::read_to_string(&file)
        && store.verify(old.trim(), now).is_ok()
    {
        return Ok(old.trim().to_owned());
    }
    let secret = store.create("demo", Role::Admin, None, now)?.1;
    let mut out = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&file)?;
    std::io::Write::write_all(&mut out, secret.as_bytes())?;
    Ok(secret)
}

/// A site of the given cameras (id, address).
fn write_site(args: &DemoArgs, cameras: impl Iterator<Item = (String, String)>) -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir()?;
    let quoted = |p: PathBuf| toml::Value::String(p.display().to_string()).to_string();
    let mut text = format!(
        "[server]\nlisten = \"{}\"\ndata = \"data\"\npipelines = {}\n\n[infer]\nmanifests = {}\n\n[archive]\nmax_bytes = \"2GB\"\n",
        args.listen,
        quoted(here.join("pipelines")),
        quoted(here.join("models")),
    );
    for (id, url) in cameras {
        let _ = write!(
            text,
            "\n[[camera]]\nid = \"{id}\"\nurl = \"{url}\"\nanalytics = \"people-faces\"\n\n  [[camera.rule]]\n  id = \"motion\"\n  kind = \"motion\"\n\n  [[camera.rule]]\n  id = \"face\"\n  kind = \"face_seen\"\n"
        );
    }
    let path = args.dir.join("site.toml");
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
