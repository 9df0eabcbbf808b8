//! `pingan backtest` and `pingan replay`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use super::past::Past;
use super::run::{self, Order};
use super::{page, replay as again};
use crate::alerts::AlertId;
use crate::api::{BacktestReport, ReplayVerdict, Standing};
use crate::app::commands::stop_on_signal;
use crate::base::{CameraId, Clock, SystemClock, Wall, WallSpan};
use crate::config;

#[derive(clap::Args)]
pub struct BacktestArgs {
    /// Configuration of the site whose past it is.
    #[arg(long, short, default_value = "config/pingan.toml")]
    config: PathBuf,
    /// File of `[[rule]]` tables with the keys of `[[camera.rule]]`, tried on each camera; unless given, each
    /// camera's own rules as they are configured now.
    #[arg(long)]
    rules: Option<PathBuf>,
    /// A camera, by its id; may be given again. All that are analysed unless given.
    #[arg(long)]
    camera: Vec<CameraId>,
    /// Begin: RFC 3339, or how long ago, such as `24h`.
    #[arg(long)]
    from: String,
    /// End, likewise; now unless given.
    #[arg(long)]
    to: Option<String>,
    /// Decode also what was seen at the time: slower, and with the models of today.
    #[arg(long)]
    decode: bool,
    /// Threads; as many as there are processors unless given.
    #[arg(long)]
    threads: Option<usize>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Write a page with pictures of the alerts.
    #[arg(long)]
    html: Option<PathBuf>,
    /// So many pictures at most.
    #[arg(long, default_value_t = 200)]
    pictures: usize,
}

#[derive(clap::Args)]
pub struct ReplayArgs {
    /// The alert's id.
    alert: uuid::Uuid,
    /// Configuration of the site that raised it.
    #[arg(long, short, default_value = "config/pingan.toml")]
    config: PathBuf,
    #[arg(long)]
    json: bool,
}

/// Try rules on the past. Exit code 0, whatever they say.
///
/// # Errors
/// Configuration, rules, cameras or times are wrong, or the past cannot be read.
pub async fn backtest(args: BacktestArgs) -> anyhow::Result<ExitCode> {
    let settings = config::load(&args.config)?;
    let order = order(&args, &settings)?;
    let past = Past::open(settings)?;
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()));
    let stop = stop_on_signal();
    let bar = bar(&order);
    let work = move || -> anyhow::Result<(BacktestReport, Past)> {
        let progress = |done: Duration| bar.set_position(done.as_secs());
        let report = run::run(&past, &order, threads, &progress, &stop)?;
        bar.finish_and_clear();
        anyhow::ensure!(!stop.is_cancelled(), "given up");
        Ok((report, past))
    };
    let (report, past) = tokio::task::spawn_blocking(work).await??;
    if let Some(file) = &args.html {
        page::write(&past, &report, args.pictures, file)?;
    }
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => print!("{}", table(&report)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Decide an alert once more. Exit code 0 when it comes out the same.
///
/// # Errors
/// There is no such alert, or its site cannot be read.
pub fn replay(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let past = Past::open(config::load(&args.config)?)?;
    let alert = past.alerts.get(AlertId(args.alert))?;
    let alert = alert.with_context(|| format!("there is no alert {}", args.alert))?;
    let replay = again::replay(&past, &alert, SystemClock::new().wall())?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&replay)?);
    } else {
        let models: Vec<&str> = replay.models.iter().map(|m| m.name.as_str()).collect();
        println!("alert    {}", replay.alert);
        println!("raised   {} {} of {} at {}", alert.kind, alert.rule, alert.camera, alert.at);
        println!("rule     version {}", replay.rule_version.as_deref().unwrap_or("unknown"));
        println!(
            "models   {}",
            if models.is_empty() { "none: motion detection".into() } else { models.join(", ") }
        );
        println!("frames   {}", replay.frames);
        println!("verdict  {:?}: {}", replay.verdict, replay.detail);
    }
    Ok(if replay.verdict == ReplayVerdict::Same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn order(args: &BacktestArgs, settings: &config::Settings) -> anyhow::Result<Order> {
    let now = SystemClock::new().wall();
    let from = moment(&args.from, now).context("--from")?;
    let to = args.to.as_deref().map_or(Ok(now), |t| moment(t, now)).context("--to")?;
    anyhow::ensure!(from < to, "--from ({from}) must be earlier than --to ({to})");
    anyhow::ensure!(from < now, "--from ({from}) has not come yet: there is no past to try rules on");
    for (i, camera) in args.camera.iter().enumerate() {
        anyhow::ensure!(!args.camera[..i].contains(camera), "--camera {camera} is given twice");
    }
    let rules = match &args.rules {
        Some(file) => {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            Some(config::rules(&text, file)?)
        }
        None => None,
    };
    let analysed = settings.cameras.iter().filter(|c| c.profile != config::NO_ANALYTICS);
    let cameras = match args.camera.as_slice() {
        [] => analysed.map(|c| c.spec.id.clone()).collect(),
        some => some.to_vec(),
    };
    anyhow::ensure!(
        !cameras.is_empty(),
        "no camera of this configuration is analysed; name one with --camera"
    );
    Ok(Order { cameras, span: WallSpan::new(from, to), rules, decode: args.decode })
}

/// RFC 3339, or how long before `now`.
fn moment(text: &str, now: Wall) -> anyhow::Result<Wall> {
    if let Ok(ago) = config::duration(text) {
        return Ok(now - ago);
    }
    text.parse().map_err(|_| {
        anyhow::anyhow!(
            "'{text}' is not a time: write 2026-11-23T08:00:00+08:00, or how long ago, such as 24h"
        )
    })
}

fn bar(order: &Order) -> ProgressBar {
    let bar = ProgressBar::new(order.length().as_secs());
    let style = ProgressStyle::with_template("{wide_bar} {percent}% of {msg}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(format!("{} camera(s)", order.cameras.len()));
    bar
}

fn table(report: &BacktestReport) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{:<24} {:>6} {:>6} {:>6} {:>10} {:>10} {:>10} {:>9}",
        "camera", "kept", "new", "gone", "observed", "decoded", "unknown", "frames"
    );
    for c in &report.cameras {
        let _ = writeln!(
            out,
            "{:<24} {:>6} {:>6} {:>6} {:>9.0}s {:>9.0}s {:>9.0}s {:>9}",
            c.camera,
            c.counts.kept,
            c.counts.new,
            c.counts.gone,
            c.observed_s,
            c.decoded_s,
            c.unknown_s,
            c.frames
        );
    }
    for c in &report.cameras {
        for note in &c.notes {
            let _ = writeln!(out, "{}: {note}", c.camera);
        }
    }
    for c in &report.cameras {
        for a in &c.alerts {
            let sign = match a.standing {
                Standing::Kept => '=',
                Standing::New => '+',
                Standing::Gone => '-',
            };
            let _ = writeln!(out, "{sign} {} {} {} {}: {}", a.at, c.camera, a.rule, a.kind, a.message);
        }
    }
    let all = report.counts;
    let _ = writeln!(
        out,
        "{} kept (=), {} new (+), {} gone (-); {:.1} s for {:.0} s of {} camera(s)",
        all.kept,
        all.new,
        all.gone,
        report.seconds_taken,
        report.to.since(report.from).as_secs_f64(),
        report.cameras.len()
    );
    out
}
