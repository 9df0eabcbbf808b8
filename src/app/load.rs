//! `pingan bench`: the load harness of `bench`, around a server of this very binary.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::api::{Role, TokenStore};
use crate::base::{Clock, SystemClock};
use crate::bench::analyse::{self, AnalyseOptions, WatchOptions};
use crate::bench::capacity::{self, CapacityOptions};
use crate::bench::connect::{self, ConnectOptions};
use crate::bench::load::{Server, Site};
use crate::bench::machine::Machine;
use crate::bench::page;
use crate::bench::record::{self, RecordOptions};
use crate::bench::scene::demo::{YARD_LINE, YARD_ZONE};
use crate::config;
use crate::infer::{AnalyticsProfile, PullFrom, Registry};
use crate::media::Point;

use super::commands;

/// Where `models pull` puts weights unless told otherwise.
const WEIGHTS: &str = "data/models";

/// Where people of the footage walk.
const FOOTAGE_LINE: (Point, Point) = (Point::new(0.0, 0.8), Point::new(1.0, 0.8));
const FOOTAGE_ZONE: [Point; 4] =
    [Point::new(0.0, 0.3), Point::new(1.0, 0.3), Point::new(1.0, 1.0), Point::new(0.0, 1.0)];

pub async fn record(options: RecordOptions) -> anyhow::Result<ExitCode> {
    let report = record::run(&options, recording()?, &commands::stop_on_signal()).await?;
    if let Some(file) = &options.load.html {
        page::record(&report, &Machine::look(), file)?;
    }
    print(&report, options.load.json)
}

pub async fn analyse(options: AnalyseOptions) -> anyhow::Result<ExitCode> {
    let server = watching(&options.watch)?;
    let report = analyse::run(&options, server, &commands::stop_on_signal()).await?;
    if let Some(file) = &options.load.html {
        page::analyse(&report, &Machine::look(), file)?;
    }
    print(&report, options.load.json)
}

pub async fn capacity(options: CapacityOptions) -> anyhow::Result<ExitCode> {
    let server = watching(&options.watch)?;
    let certificate = capacity::run(&options, server, &commands::stop_on_signal()).await?;
    if let (Some(file), Some(run)) = (&options.load.html, &certificate.run) {
        page::analyse(run, &certificate.machine, file)?;
    }
    print(&certificate, options.load.json)
}

pub async fn connect(options: ConnectOptions) -> anyhow::Result<ExitCode> {
    let report = connect::run(&options, recording()?, &commands::stop_on_signal()).await?;
    print(&report, options.load.json)
}

/// A server that records and does nothing else.
fn recording() -> anyhow::Result<Server<'static>> {
    Ok(Server {
        config: Box::new(|site| {
            Ok(server_part(site)
                + "\n[defaults]\nanalytics = \"none\"\ncamera_lost = false\n"
                + &cameras(site, ""))
        }),
        serve: serve(std::env::current_exe()?),
        token: Some(Box::new(token)),
    })
}

/// A server that records and analyses.
fn watching(options: &WatchOptions) -> anyhow::Result<Server<'_>> {
    Ok(Server {
        config: Box::new(|site| analysed_site(site, options)),
        serve: serve(std::env::current_exe()?),
        token: Some(Box::new(token)),
    })
}

fn print<R: serde::Serialize + std::fmt::Display>(report: &R, json: bool) -> anyhow::Result<ExitCode> {
    match json {
        true => println!("{}", serde_json::to_string_pretty(report)?),
        false => print!("{report}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(binary: PathBuf) -> Box<dyn Fn(&Path) -> Command> {
    Box::new(move |config| {
        let mut command = Command::new(&binary);
        // Besides warnings only the line that says where it listens.
        command.arg("serve").arg("--config").arg(config);
        command.env("PINGAN_LOG", "warn,pingan::app::commands=info").env_remove("PINGAN_LOG_FORMAT");
        command
    })
}

fn token(config: &Path) -> anyhow::Result<String> {
    let settings = config::load(config)?;
    let store = TokenStore::open(&settings.api.tokens)?;
    Ok(store.create("bench", Role::Viewer, None, SystemClock::new().wall())?.1)
}

fn quoted(path: &Path) -> toml::Value {
    toml::Value::from(path.display().to_string())
}

fn server_part(site: &Site) -> String {
    let mut text = format!("[server]\nlisten = \"127.0.0.1:0\"\ndata = {}\n", quoted(&site.data));
    if let Some(bound) = &site.bound {
        let _ = writeln!(text, "\n[archive]\nmax_bytes = \"{}B\"", bound.max_bytes);
    }
    // As `config/example-500.toml`: 256 MiB are half a second of a thousand cameras, and disks stall for seconds.
    text += "\n[ingest]\ntick = \"150ms\"\n\n[recorder]\nqueue_bytes = \"4GiB\"\n";
    if let Some(bound) = &site.bound {
        let _ = writeln!(text, "segment = \"{}s\"", bound.segment.as_secs());
    }
    text
}

/// All cameras; `rules` is TOML for each of them.
fn cameras(site: &Site, rules: &str) -> String {
    let mut text = String::new();
    for camera in &site.cameras {
        let _ = write!(text, "\n[[camera]]\nid = \"{}\"\nurl = \"{}\"\n", camera.id, camera.url);
        if let Some(sub) = &camera.sub {
            let _ = writeln!(text, "sub = \"{sub}\"");
        }
        text += rules;
    }
    text
}

/// A site that analyses its cameras with models that are certainly there.
fn analysed_site(site: &Site, options: &WatchOptions) -> anyhow::Result<String> {
    let here = std::env::current_dir()?;
    let (pipelines, manifests) = (here.join("pipelines"), here.join("models"));
    let profile = AnalyticsProfile::load(&pipelines.join("analytics"), options.profile())?;
    let store = match options.models_from {
        Some(_) => site.data.join("models"),
        None => here.join(WEIGHTS),
    };
    let registry = Registry::open(&manifests, &store)?;
    for model in &profile.models {
        if let Some(mirror) = &options.models_from {
            registry.pull(model, PullFrom::Mirror(mirror), &mut |_, _| ())?;
        }
        registry.verify(model).context("without its models the analysis would not be what was asked for")?;
    }
    let infer = format!("\n[infer]\nmanifests = {}\nstore = {}\n", quoted(&manifests), quoted(&store));
    let defaults = format!("\n[defaults]\nanalytics = \"{}\"\n", profile.name);
    let server = server_part(site).replacen("\n", &format!("\npipelines = {}\n", quoted(&pipelines)), 1);
    let rules = rules(&profile, options.footage.is_some());
    Ok(server + &infer + &defaults + &cameras(site, &rules))
}

/// A line and a zone where the clips of load runs have something to tell.
fn rules(profile: &AnalyticsProfile, footage: bool) -> String {
    let classes = if profile.models.is_empty() { "motion" } else { "person" };
    let ((a, b), zone) = match footage {
        true => (FOOTAGE_LINE, &FOOTAGE_ZONE[..]),
        false => (YARD_LINE, &YARD_ZONE[..]),
    };
    let point = |p: &Point| format!("[{}, {}]", p.x, p.y);
    let zone: Vec<String> = zone.iter().map(point).collect();
    let rule = |id: &str, kind: &str, more: &str| {
        format!(
            "\n  [[camera.rule]]\n  id = \"{id}\"\n  kind = \"{kind}\"\n  cooldown = \"0s\"\n  \
             classes = [\"{classes}\"]\n{more}"
        )
    };
    let zone = format!("  zone = [{}]\n", zone.join(", "));
    let line = format!("  line = [{}, {}]\n", point(&a), point(&b));
    "camera_lost = false\n".to_owned()
        + &rule("zone", "intrusion", &zone)
        + &rule("line", "line_crossing", &line)
}
