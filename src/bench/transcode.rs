//! Footage as the sub stream of a load run: scaled, brought to its frame rate, and encoded once.
//!
//! A clip that plays in a loop has a seam at which everything jumps, which no camera shows and every
//! analysis takes for movement. So footage is played to its end and then backwards to its beginning:
//! such a round has no seam.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::clip::Clip;
use super::clip_file::kept;
use super::encode::{EncodeSettings, encode};
use crate::media::I420;

/// At most `length` of the footage's beginning, there and back. Takes its time unless `folder` has it:
/// not for async code.
pub fn there_and_back(
    path: &Path,
    length: Duration,
    settings: &EncodeSettings,
    folder: &Path,
) -> anyhow::Result<Clip> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let metadata = path.metadata().with_context(|| format!("cannot read {}", path.display()))?;
    let seed = format!("{} {:?} {length:?} {settings:?}", metadata.len(), metadata.modified().ok());
    kept(folder, &name, seed.as_bytes(), || {
        let pictures = pictures(path, length, settings)
            .with_context(|| format!("{} cannot be transcoded", path.display()))?;
        let n = pictures.len();
        ensure!(n > 1, "{} has no two pictures", path.display());
        // The first and the last stand once each, so that every step of the round is one of the footage.
        let round = 2 * n - 2;
        encode(&name, settings, round, |i| pictures[if i < n { i } else { round - i }].clone())
    })
}

fn pictures(path: &Path, length: Duration, settings: &EncodeSettings) -> anyhow::Result<Vec<I420>> {
    gst::init().context("GStreamer does not start")?;
    let (w, h, fps) = (settings.width, settings.height, settings.fps);
    ensure!(w.is_multiple_of(8) && h.is_multiple_of(2), "width must be a multiple of 8, height of 2");
    let line = format!(
        "filesrc name=file ! decodebin ! videoconvert ! videoscale ! videorate \
         ! video/x-raw,format=I420,width={w},height={h},framerate={fps}/1,pixel-aspect-ratio=1/1 \
         ! appsink name=sink sync=false max-buffers=4"
    );
    let pipeline = gst::parse::launch(&line)
        .context("cannot build the decoder")?
        .downcast::<gst::Pipeline>()
        .map_err(|_| anyhow!("the decoder is no pipeline"))?;
    let file = pipeline.by_name("file").context("no element file")?;
    file.set_property("location", path.to_str().context("the path is no UTF-8")?);
    let sink = pipeline.by_name("sink").and_then(|e| e.downcast::<gst_app::AppSink>().ok());
    let sink = sink.context("no element sink")?;
    let most = (length.as_secs_f64() * f64::from(fps)) as usize;
    let result = pull(&pipeline, &sink, most, (w, h));
    // A pipeline must be stopped before it is dropped, also after an error.
    pipeline.set_state(gst::State::Null).context("the decoder does not stop")?;
    result
}

fn pull(
    pipeline: &gst::Pipeline,
    sink: &gst_app::AppSink,
    most: usize,
    (w, h): (u32, u32),
) -> anyhow::Result<Vec<I420>> {
    pipeline.set_state(gst::State::Playing).context("the decoder does not start")?;
    let mut pictures = Vec::new();
    while pictures.len() < most {
        let Ok(sample) = sink.pull_sample() else { break }; // the end, or an error
        let map = sample.buffer().context("a sample without a buffer")?.map_readable()?;
        let size = (w * h * 3 / 2) as usize;
        let bytes = map.get(..size).context("a picture is cut off")?;
        pictures.push(I420::packed(w, h, bytes.to_vec())?);
    }
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    if let Some(message) = bus.pop_filtered(&[gst::MessageType::Error])
        && let gst::MessageView::Error(e) = message.view()
    {
        return Err(anyhow!("{}", e.error()));
    }
    Ok(pictures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn footage_goes_there_and_back_without_a_seam() {
        let dir = std::env::var_os("PINGAN_SHARED").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
            std::path::PathBuf::from,
        );
        if !dir.is_dir() {
            eprintln!("skipped: ../shared is not there");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let settings = EncodeSettings { width: 320, height: 184, ..EncodeSettings::load_sub() };
        let footage = dir.join("footage/worker-zone-detection-480x270.mp4");
        let clip = there_and_back(&footage, Duration::from_secs(2), &settings, folder.path()).unwrap();
        assert_eq!((clip.units.len(), clip.params.width), (98, 320));
        // A cut would cost a picture as large as a keyframe.
        let size = |i: usize| clip.units[i].data.len();
        let turn = (48..=51).filter(|i| !clip.units[*i].key).map(size).max().unwrap();
        assert!(turn * 2 < size(0), "{turn} at the turn, a keyframe has {}", size(0));
    }
}
