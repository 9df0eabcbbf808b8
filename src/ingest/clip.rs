//! One clip: a file with access units in it, read without decoding.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use gstreamer as gst;
use gstreamer::prelude::*;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::media::h26x::is_random_access;
use crate::media::{Codec, Pts};

use super::display_order::DisplayOrder;
use super::dts::DecodingTimes;
use super::error::Error;
use super::gst_pipeline::{End, Piece, Pipeline, codec_of, element};
use super::headers::{OrderReader, reordering};
use super::source::SourceUnit;

/// Pictures per second of a raw stream that does not tell its rate.
const ASSUMED_RATE: (i32, i32) = (25, 1);

/// What a file's first bytes say it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Mp4,
    Matroska,
    /// NAL units behind start codes, without times.
    Raw(Codec),
}

/// A clip being read.
pub struct Clip {
    path: PathBuf,
    pipeline: Pipeline,
    raw: Option<RawTimes>,
    /// The file ends before its last box does.
    cut_short: bool,
    units: u64,
}

/// Times for a raw stream: from the rate of pictures and their order for output.
struct RawTimes {
    codec: Codec,
    order: Option<OrderReader>,
    held: DisplayOrder<Piece>,
    decoding: DecodingTimes,
    tick: i64,
    finished: bool,
}

impl Clip {
    pub async fn open(path: &Path, want_audio: bool) -> Result<Clip, Error> {
        let format = sniff(path).await?;
        let raw = match format {
            Format::Raw(codec) => Some(RawTimes {
                codec,
                order: None,
                held: DisplayOrder::default(),
                decoding: DecodingTimes::default(),
                tick: 0,
                finished: false,
            }),
            _ => None,
        };
        let cut_short = format == Format::Mp4 && is_cut_short(path).await?;
        let pipeline = build(path, format, want_audio)?;
        Ok(Clip { path: path.into(), pipeline, raw, cut_short, units: 0 })
    }

    /// The next unit in decoding order and how long it lasts, in 90 kHz ticks where known; `None`
    /// at the end.
    pub async fn next(&mut self) -> Result<Option<(SourceUnit, i64)>, Error> {
        loop {
            if let Some((piece, pts, dts, tick)) = self.raw.as_mut().and_then(RawTimes::pop) {
                self.units += 1;
                return Ok(Some((unit(piece, pts, dts), tick)));
            }
            let piece = match self.pipeline.next().await {
                Ok(Ok(piece)) => piece,
                Ok(Err(e)) => return Err(bad(&self.path, format!("it {e}").replace("it its", "its"))),
                Err(_) => match self.end() {
                    Ok(true) => continue,
                    Ok(false) => return Ok(None),
                    Err(e) => return Err(e),
                },
            };
            if let Some(raw) = &mut self.raw {
                raw.push(piece, &self.path);
                continue;
            }
            let Some(pts) = piece.pts.or(piece.dts) else { continue };
            let (dts, duration) = (piece.dts.unwrap_or(pts), piece.duration.unwrap_or(0));
            self.units += 1;
            return Ok(Some((unit(piece, pts, dts), duration)));
        }
    }

    /// The pipeline has ended; `true` if units held back now come out.
    fn end(&mut self) -> Result<bool, Error> {
        if let Some(raw) = self.raw.as_mut().filter(|r| !r.finished) {
            raw.finished = true;
            raw.held.finish();
            return Ok(true);
        }
        let has_video = self.pipeline.has_video.load(Ordering::Acquire);
        match &self.pipeline.ended {
            _ if !has_video && self.units == 0 && self.raw.is_none() && self.opened() => {
                Err(bad(&self.path, "it holds no H.264 or H.265 video".into()))
            }
            Some(End::Error(e)) => {
                Err(bad(&self.path, format!("it is damaged or cut short ({})", e.message())))
            }
            _ if self.cut_short => {
                Err(bad(&self.path, "it is cut short; what there was has been played".into()))
            }
            _ if self.units == 0 => Err(bad(&self.path, "it holds no pictures; it may be cut short".into())),
            _ => Ok(false),
        }
    }

    /// Whether the container was understood: the demuxer has shown at least one stream.
    fn opened(&self) -> bool {
        self.pipeline.pipeline.by_name("demux").is_some_and(|d| !d.src_pads().is_empty())
    }
}

impl RawTimes {
    fn push(&mut self, piece: Piece, path: &Path) {
        if self.order.is_none() {
            let config = piece.params.video().map(|v| v.config.clone()).unwrap_or_default();
            let reordering = reordering(self.codec, &config);
            self.decoding.declare(reordering.as_ref().and_then(|r| r.depth));
            self.order = Some(OrderReader::new(self.codec, reordering));
            let (n, d) = if piece.rate.0 > 0 && piece.rate.1 > 0 {
                piece.rate
            } else {
                tracing::info!(path = %path.display(), "footage without a picture rate is played at 25 per second");
                ASSUMED_RATE
            };
            self.tick = Pts::HZ * i64::from(d) / i64::from(n);
        }
        if let Some(reader) = &mut self.order {
            let order = reader.next(&piece.data);
            self.held.push(piece, order);
        }
    }

    fn pop(&mut self) -> Option<(Piece, i64, i64, i64)> {
        let (piece, place) = self.held.pop()?;
        let pts = place * self.tick;
        Some((piece, pts, self.decoding.next(pts), self.tick))
    }
}

fn unit(piece: Piece, pts: i64, dts: i64) -> SourceUnit {
    let key = match piece.params.video() {
        Some(video) => is_random_access(video.codec, &piece.data),
        None => true,
    };
    SourceUnit { pts, dts: Some(dts), key, lost_before: 0, params: piece.params, data: piece.data }
}

fn bad(path: &Path, message: String) -> Error {
    Error::BadFile { path: path.into(), message }
}

/// Tells a format by its first bytes, so that a wrong extension does not matter.
async fn sniff(path: &Path) -> Result<Format, Error> {
    let unreadable = |source| Error::Unreadable { path: path.into(), source };
    let mut file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut head = Vec::new();
    (&mut file).take(16).read_to_end(&mut head).await.map_err(unreadable)?;
    let after_start_code = [&[0, 0, 0, 1][..], &[0, 0, 1]].iter().find_map(|code| head.strip_prefix(*code));
    match (&head[..], after_start_code) {
        ([_, _, _, _, b'f', b't', b'y', b'p', ..] | [_, _, _, _, b'm', b'o', b'o', b'v', ..], _) => {
            Ok(Format::Mp4)
        }
        ([0x1a, 0x45, 0xdf, 0xa3, ..], _) => Ok(Format::Matroska),
        // A stream begins with a parameter set, an access unit delimiter or SEI. In H.265's two-byte
        // header the second byte is 1 (layer 0, temporal id 1) and the types are 32 to 35 and 39.
        (_, Some([a, 1, ..])) if matches!(a >> 1, 32..=35 | 39) => Ok(Format::Raw(Codec::H265)),
        (_, Some([a, ..])) if matches!(a & 0x9f, 6 | 7 | 9) => Ok(Format::Raw(Codec::H264)),
        ([], _) => Err(bad(path, "it is empty".into())),
        _ => Err(bad(path, "it is neither MP4, Matroska nor a raw H.264 or H.265 stream".into())),
    }
}

/// Whether the file is shorter than its top-level boxes say (ISO 14496-12 §4.2). GStreamer plays such
/// a file to where it breaks off, and calls that its end.
async fn is_cut_short(path: &Path) -> Result<bool, Error> {
    let unreadable = |source| Error::Unreadable { path: path.into(), source };
    let mut file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let length = file.metadata().await.map_err(unreadable)?.len();
    let mut at = 0u64;
    while at < length {
        file.seek(SeekFrom::Start(at)).await.map_err(unreadable)?;
        let mut head = [0; 16];
        let wanted = (length - at).min(16) as usize;
        file.read_exact(&mut head[..wanted]).await.map_err(unreadable)?;
        let (small, large) = head.split_at(8);
        let size = u32::from_be_bytes([small[0], small[1], small[2], small[3]]);
        let size = match size {
            // The last box goes to the end of the file, whatever that is.
            0 => return Ok(false),
            1 => large.iter().fold(0, |n, &b| n << 8 | u64::from(b)),
            n => n.into(),
        };
        if size < 8 {
            return Ok(true);
        }
        at = at.saturating_add(size);
    }
    Ok(at > length)
}

fn build(path: &Path, format: Format, want_audio: bool) -> Result<Pipeline, Error> {
    let file = element("filesrc", "base")?;
    file.set_property("location", path);
    let demux = match format {
        Format::Mp4 => Some(element("qtdemux", "good")?),
        Format::Matroska => Some(element("matroskademux", "good")?),
        Format::Raw(_) => None,
    };
    Pipeline::start(want_audio, |pipeline, outlets| {
        let joins = "invariant: new elements join a new pipeline";
        pipeline.add(&file).expect(joins);
        let unlinked = |e: gst::glib::BoolError| bad(path, e.to_string());
        match (demux, format) {
            (Some(demux), _) => {
                demux.set_property("name", "demux");
                pipeline.add(&demux).expect(joins);
                file.link(&demux).map_err(unlinked)?;
                let shown = path.display().to_string();
                demux.connect_pad_added(move |_, pad| {
                    let Some(codec) = codec_of(pad).filter(|&c| outlets.takes(c)) else { return };
                    if let Err(e) = outlets.link(pad, codec) {
                        tracing::warn!(path = shown, "a stream of the footage is left out: {e}");
                    }
                });
                Ok(())
            }
            (None, Format::Raw(codec)) if outlets.takes(codec) => {
                let pad = file.static_pad("src").expect("invariant: filesrc has a source pad");
                outlets.link(&pad, codec).map_err(unlinked)
            }
            _ => Ok(()),
        }
    })
}
