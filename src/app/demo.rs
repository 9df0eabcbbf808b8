//! `pingan demo`: test cameras over real RTSP and a server that watches them, in one command.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::api::{Role, TokenStore};
use crate::base::{Clock, SystemClock};
use crate::bench::simulate;
use crate::config;
use crate::infer::Registry;

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
            let cameras = cameras.iter().map(|c| DemoCamera::of_clip(&c.path, &c.clip, server.url(&c.path)));
            write_site(&args, &cameras.collect::<Vec<_>>())?
        }
        (Some(_), None) => args.site.clone(),
        (None, _) => {
            let cameras = args.cameras.iter().enumerate();
            let cameras =
                cameras.map(|(i, url)| DemoCamera::of_address(format!("cam-{}", i + 1), url, &args.dir));
            write_site(&args, &cameras.collect::<anyhow::Result<Vec<_>>>()?)?
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
    // The file was lost or its token revoked: what still has the name gives way.
    for old in store.list()?.into_iter().filter(|t| t.name == "demo" && t.revoked.is_none()) {
        store.revoke(old.id, now)?;
    }
    let secret = store.create("demo", Role::Admin, None, now)?.1;
    write_secret(&file, &secret)?;
    Ok(secret)
}

/// A camera of a demo site.
struct DemoCamera {
    id: String,
    /// Of a clip, which of them it is.
    name: Option<String>,
    /// Without credentials.
    url: String,
    /// User, and the file that holds the password.
    login: Option<(String, PathBuf)>,
}

impl DemoCamera {
    fn of_clip(id: &str, clip: &str, url: String) -> Self {
        DemoCamera { id: id.to_owned(), name: Some(clip.to_owned()), url, login: None }
    }

    /// An address as people write it, with the credentials inside. They go into a file of their own:
    /// no configuration holds a password.
    fn of_address(id: String, url: &Url, dir: &Path) -> anyhow::Result<Self> {
        let decoded = |s: &str| Ok::<_, anyhow::Error>(percent_decode_str(s).decode_utf8()?.into_owned());
        let (user, password) = (decoded(url.username())?, decoded(url.password().unwrap_or_default())?);
        let mut bare = url.clone();
        let cleared = bare.set_username("").and_then(|()| bare.set_password(None));
        cleared.map_err(|()| anyhow::anyhow!("camera {id}: its address is not rtsp://HOST/PATH"))?;
        let login = match user.is_empty() {
            true => None,
            false => {
                let file = std::path::absolute(dir.join(format!("{id}.password")))?;
                write_secret(&file, &password)?;
                Some((user, file))
            }
        };
        Ok(DemoCamera { id, name: None, url: bare.into(), login })
    }
}

/// Write a file that only its owner can read.
fn write_secret(path: &Path, secret: &str) -> anyhow::Result<()> {
    let write = || {
        let mut file =
            fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
        std::io::Write::write_all(&mut file, secret.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// The larger models where they were pulled, else our own, which is always there; in 8 bits where that is known to
/// be faster.
fn profile(here: &Path) -> &'static str {
    let registry = Registry::open(&here.join("models"), &here.join("data/models"));
    let pulled = |name| registry.as_ref().is_ok_and(|r| r.verify(name).is_ok());
    match pulled("yolox_nano") && pulled("yunet") {
        true => "people-faces",
        false if faster_in_8_bits() => "nano-int8",
        false => "nano",
    }
}

/// Whether our own model's 8-bit form takes less time on this processor: measured on x86 with AVX2 and beyond alone.
fn faster_in_8_bits() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// A site of the given cameras, for footage and real cameras.
fn write_site(args: &DemoArgs, cameras: &[DemoCamera]) -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir()?;
    let quoted = |s: &str| toml::Value::from(s).to_string();
    let folder = |name: &str| quoted(&here.join(name).display().to_string());
    let mut text = format!(
        "[server]\nlisten = \"{}\"\ndata = \"data\"\npipelines = {}\n\n[infer]\nmanifests = {}\nstore = {}\n\n\
         [archive]\nmax_bytes = \"2GB\"\n\n[defaults]\nanalytics = \"{}\"\n",
        args.listen,
        folder("pipelines"),
        folder("models"),
        folder("data/models"),
        profile(&here),
    );
    for camera in cameras {
        let _ = write!(text, "\n[[camera]]\nid = \"{}\"\nurl = {}\n", camera.id, quoted(&camera.url));
        if let Some(name) = &camera.name {
            let _ = writeln!(text, "name = {}", quoted(name));
        }
        if let Some((user, file)) = &camera.login {
            let reference = quoted(&format!("file:{}", file.display()));
            let _ = write!(text, "user = {}\npassword = {reference}\n", quoted(user));
        }
        text += "\n  [[camera.rule]]\n  id = \"motion\"\n  kind = \"motion\"\n\
                 \n  [[camera.rule]]\n  id = \"face\"\n  kind = \"face_seen\"\n";
    }
    let path = args.dir.join("site.toml");
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_an_address_go_into_a_file_that_others_cannot_read() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let url: Url = "rtsp://op:p%40ss@10.0.0.7/stream1".parse().unwrap();
        let camera = DemoCamera::of_address("cam-1".into(), &url, dir.path()).unwrap();
        assert_eq!(camera.url, "rtsp://10.0.0.7/stream1");
        let (user, file) = camera.login.unwrap();
        assert_eq!((user.as_str(), fs::read_to_string(&file).unwrap().as_str()), ("op", "p@ss"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
