//! The command `pingan eval tracks`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};

use super::mot::{self, Numbered, Scored, Sequence};
use super::replay::{Size, replay};
use super::score::{TrackReport, TrackScore};

/// Hold tracks against the truth: MOTA, MOTP, switches, IDF1
#[derive(clap::Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("told").required(true)))]
pub struct TracksArgs {
    /// MOT text file with the true tracks: frame,id,left,top,width,height,score in each line
    #[arg(long, value_name = "FILE")]
    truth: PathBuf,
    /// MOT text file with the tracks to judge
    #[arg(long, value_name = "FILE", group = "told")]
    tracks: Option<PathBuf>,
    /// MOT text file with detections of persons, for the server's own tracker to follow
    #[arg(long, value_name = "FILE", group = "told", requires_all = ["size", "fps"])]
    dets: Option<PathBuf>,
    /// Size of the pictures that the detections are of
    #[arg(long, value_name = "WxH", value_parser = size, requires = "dets")]
    size: Option<Size>,
    /// Frames per second of the detections
    #[arg(long, requires = "dets")]
    fps: Option<f64>,
    /// Look at each Nth frame only, as at a lower rate. The figures are of N runs together, which
    /// begin with the first, second, ... Nth frame
    #[arg(long, value_name = "N", default_value_t = 1, requires = "dets")]
    every: u32,
    /// Overlap from which boxes may belong together, above 0, at most 1
    #[arg(long, default_value_t = 0.5)]
    iou: f32,
    #[arg(long)]
    json: bool,
}

fn size(text: &str) -> Result<Size, String> {
    let parts = text.split_once(['x', 'X']);
    let parts = parts.and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    parts
        .filter(|&(w, h): &Size| w > 0 && h > 0)
        .ok_or_else(|| "give width and height, as 1920x1080".to_owned())
}

/// Compare and print.
///
/// # Errors
/// A file cannot be read or has a line that is none, the truth is empty, or an option is out of its range.
pub fn run(args: &TracksArgs) -> anyhow::Result<ExitCode> {
    ensure!(args.iou > 0.0 && args.iou <= 1.0, "--iou must be above 0 and at most 1");
    let truth = mot::tracks(&args.truth)?;
    let last = truth.keys().next_back().copied();
    let last = last.with_context(|| format!("there is nothing in {}", args.truth.display()))?;
    let score = match (&args.tracks, &args.dets, args.size, args.fps) {
        (Some(tracks), ..) => TrackScore::of(&truth, &mot::tracks(tracks)?, args.iou),
        (None, Some(dets), Some(size), Some(fps)) => {
            ensure!(fps > 0.0 && fps <= 1000.0, "--fps must be above 0 and at most 1000");
            ensure!(
                (1..=last).contains(&args.every),
                "--every must lie between 1 and the last frame, {last}"
            );
            thinned(&truth, &mot::detections(dets)?, size, fps, args.every, args.iou)
        }
        _ => anyhow::bail!("give --tracks FILE, or --dets FILE --size WxH --fps F"),
    };
    let report = TrackReport::new(&score, args.iou);
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => println!("{report}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Each `every`th frame alone, begun with each of the first `every` frames, all added up.
pub(super) fn thinned(
    truth: &Sequence<Numbered>,
    seen: &Sequence<Scored>,
    size: Size,
    fps: f64,
    every: u32,
    min_iou: f32,
) -> TrackScore {
    let mut sum = TrackScore::default();
    for phase in 0..every {
        sum += looked_at(truth, seen, size, fps, min_iou, |f| f % every == phase);
    }
    sum
}

/// The tracker looks at the frames for which `looks` holds, and is judged by those alone.
pub(super) fn looked_at(
    truth: &Sequence<Numbered>,
    seen: &Sequence<Scored>,
    size: Size,
    fps: f64,
    min_iou: f32,
    looks: impl Fn(u32) -> bool,
) -> TrackScore {
    let mut truth = truth.clone();
    truth.retain(|&f, _| looks(f));
    TrackScore::of(&truth, &replay(seen, size, fps, &looks), min_iou)
}
