//! The command `pingan eval tracks`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};

use crate::media::BBox;

use super::mot::{self, Scored, Sequence};
use super::replay::{Size, replay};
use super::score::{TrackReport, TrackScore};
use super::truth::Truth;

/// Hold tracks against the truth: MOTA, MOTP, switches, IDF1
#[derive(clap::Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("told").required(true)))]
pub struct TracksArgs {
    /// MOT text file with the true tracks: frame,id,left,top,width,height,score in each line; a score
    /// of 0 marks what is not to be judged
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
    let truth = mot::truth(&args.truth)?;
    let last = truth.counted.keys().next_back().copied();
    let last = last.with_context(|| {
        format!(
            "there is nothing to find in {}; a box with a score of 0 is not judged, one with 1 is",
            args.truth.display()
        )
    })?;
    let score = match (&args.tracks, &args.dets, args.size, args.fps) {
        (Some(tracks), ..) => TrackScore::of(&truth, &mot::tracks(tracks)?, args.iou),
        (None, Some(dets), Some(size), Some(fps)) => {
            ensure!(fps > 0.0 && fps <= 1000.0, "--fps must be above 0 and at most 1000");
            ensure!(
                (1..=last).contains(&args.every),
                "--every must lie between 1 and the last frame, {last}"
            );
            let seen = mot::detections(dets)?;
            ensure!(
                mostly_inside(&seen, size),
                "most detections in {} lie outside a picture of {}x{}: give the --size that they are of",
                dets.display(),
                size.0,
                size.1
            );
            thinned(&truth, &seen, size, fps, args.every, args.iou)
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

/// Whether half of the boxes or more have their middle in the picture.
fn mostly_inside(seen: &Sequence<Scored>, (width, height): Size) -> bool {
    let within = |b: &BBox| {
        let (x, y) = ((b.x1 + b.x2) / 2.0, (b.y1 + b.y2) / 2.0);
        (0.0..=width as f32).contains(&x) && (0.0..=height as f32).contains(&y)
    };
    let inside = seen.values().flatten().filter(|d| within(&d.bbox)).count();
    2 * inside >= seen.values().map(Vec::len).sum::<usize>()
}

/// Each `every`th frame alone, begun with each of the first `every` frames, all added up.
pub(super) fn thinned(
    truth: &Truth,
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
    truth: &Truth,
    seen: &Sequence<Scored>,
    size: Size,
    fps: f64,
    min_iou: f32,
    looks: impl Fn(u32) -> bool,
) -> TrackScore {
    TrackScore::of(&truth.thinned(&looks), &replay(seen, size, fps, &looks), min_iou)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detections_of_a_larger_picture_are_noticed() {
        let at = |x: f32| Scored { bbox: BBox::new(x, 100.0, x + 40.0, 200.0), score: 0.9 };
        let seen = Sequence::from([(1, vec![at(10.0), at(300.0)]), (2, vec![at(700.0)])]);
        assert!(mostly_inside(&seen, (768, 432)) && mostly_inside(&seen, (400, 432)));
        assert!(!mostly_inside(&seen, (200, 432)) && !mostly_inside(&seen, (768, 100)));
        assert!(mostly_inside(&Sequence::new(), (1, 1)), "nothing seen is no mistake");
    }
}
