//! A GStreamer pipeline whose access units are read asynchronously, with backpressure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use tokio::sync::{mpsc, oneshot};

use crate::media::{Codec, Params, Pts};

use super::error::Error;
use super::params;

/// Units that wait between GStreamer's thread and ours. Full: the pipeline waits, as it should for
/// a file; a live one waits for microseconds, since its reader only moves units on.
const WAITING: usize = 8;

/// An access unit as GStreamer has it.
pub struct Piece {
    /// 90 kHz ticks of running time; raw streams have none.
    pub pts: Option<i64>,
    pub dts: Option<i64>,
    pub duration: Option<i64>,
    pub key: bool,
    /// Something before this unit is missing.
    pub discontinuous: bool,
    pub params: Arc<Params>,
    /// Pictures per second by the headers, 0/1 where they do not say.
    pub rate: (i32, i32),
    pub data: Bytes,
}

/// How a pipeline ended.
pub enum End {
    Stream,
    Error(gst::glib::Error),
}

type Sent = Result<Piece, params::BadConfig>;

/// A running pipeline. Dropping it stops it in the background.
pub struct Pipeline {
    pub pipeline: gst::Pipeline,
    pieces: mpsc::Receiver<Sent>,
    bus: gst::bus::BusStream,
    pub ended: Option<End>,
    /// Whether a video stream was found.
    pub has_video: Arc<AtomicBool>,
}

/// Builds the tail of each stream: parser and sink.
#[derive(Clone)]
pub struct Outlets {
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
    tx: mpsc::Sender<Sent>,
    has_video: Arc<AtomicBool>,
    has_audio: Arc<AtomicBool>,
    want_audio: bool,
}

impl Pipeline {
    /// `build` adds the elements and links each stream's pad by [`Outlets::link`].
    pub fn start(
        want_audio: bool,
        build: impl FnOnce(&gst::Pipeline, Outlets) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let pipeline = gst::Pipeline::new();
        let (tx, pieces) = mpsc::channel(WAITING);
        let has_video = Arc::new(AtomicBool::new(false));
        let outlets = Outlets {
            pipeline: pipeline.downgrade(),
            tx,
            has_video: has_video.clone(),
            has_audio: Arc::default(),
            want_audio,
        };
        build(&pipeline, outlets)?;
        let bus = pipeline.bus().expect("invariant: a pipeline has a bus").stream();
        // An error of this call comes over the bus as well, with its reason.
        let _ = pipeline.set_state(gst::State::Playing);
        Ok(Pipeline { pipeline, pieces, bus, ended: None, has_video })
    }

    /// The next unit in the order of the demuxer, or how it all ended.
    pub async fn next(&mut self) -> Result<Sent, &End> {
        while self.ended.is_none() {
            tokio::select! {
                biased;
                Some(piece) = self.pieces.recv() => return Ok(piece),
                message = self.bus.next() => self.ended = message.as_ref().and_then(end_of),
            }
        }
        // What was sent before the end was told is still in the queue.
        match self.pieces.try_recv() {
            Ok(piece) => Ok(piece),
            Err(_) => Err(self.ended.as_ref().expect("invariant: set by the loop above")),
        }
    }

    /// Stop the pipeline's threads and wait for them.
    pub async fn stop(mut self) {
        self.pieces.close();
        while self.pieces.try_recv().is_ok() {}
        let (done, wait) = oneshot::channel();
        self.pipeline.call_async(move |p| {
            let _ = p.set_state(gst::State::Null);
            let _ = done.send(());
        });
        let _ = wait.await;
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // A sink that waits for a place in the queue is woken by its closing.
        self.pieces.close();
        while self.pieces.try_recv().is_ok() {}
        self.pipeline.call_async(|p| {
            let _ = p.set_state(gst::State::Null);
        });
    }
}

fn end_of(message: &gst::Message) -> Option<End> {
    match message.view() {
        gst::MessageView::Eos(_) => Some(End::Stream),
        gst::MessageView::Error(e) => Some(End::Error(e.error())),
        _ => None,
    }
}

/// Makes an element, or says which package has it.
pub fn element(name: &'static str, package: &'static str) -> Result<gst::Element, Error> {
    gst::init().map_err(|_| Error::NoElement { element: "gstreamer", package: "base" })?;
    gst::ElementFactory::make(name).build().map_err(|_| Error::NoElement { element: name, package })
}

/// What a demuxer's pad carries, if we take it at all.
pub fn codec_of(pad: &gst::Pad) -> Option<Codec> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let caps = caps.structure(0)?;
    let aac = caps.get::<i32>("mpegversion").is_ok_and(|v| v == 4 || v == 2);
    match caps.name().as_str() {
        "video/x-h264" => Some(Codec::H264),
        "video/x-h265" => Some(Codec::H265),
        "audio/mpeg" if aac => Some(Codec::Aac),
        _ => None,
    }
}

/// The parser, and the caps it must give.
fn parser(codec: Codec) -> (&'static str, &'static str) {
    match codec {
        Codec::H264 => ("h264parse", "video/x-h264,stream-format=avc,alignment=au"),
        Codec::H265 => ("h265parse", "video/x-h265,stream-format=hvc1,alignment=au"),
        Codec::Aac => ("aacparse", "audio/mpeg,stream-format=raw,framed=true"),
    }
}

impl Outlets {
    /// Whether a stream of this codec is taken: the first video, and the first AAC where audio is
    /// wanted. Says yes only once for each.
    pub fn takes(&self, codec: Codec) -> bool {
        match codec {
            Codec::Aac => self.want_audio && !self.has_audio.swap(true, Ordering::AcqRel),
            _ => !self.has_video.swap(true, Ordering::AcqRel),
        }
    }

    /// Link `pad`, which carries `codec`, to a parser and a sink.
    pub fn link(&self, pad: &gst::Pad, codec: Codec) -> Result<(), gst::glib::BoolError> {
        let (parser, caps) = parser(codec);
        let (input, sink) = self.tail(parser, caps)?;
        pad.link(&input).map_err(|e| gst::glib::bool_error!("cannot link: {e}"))?;
        sink.sync_state_with_parent()
    }

    /// Adds parser and sink to the pipeline; the pad to link to, and the sink.
    fn tail(&self, parser: &str, caps: &str) -> Result<(gst::Pad, gst::Element), gst::glib::BoolError> {
        let pipeline = self.pipeline.upgrade().ok_or(gst::glib::bool_error!("the pipeline is gone"))?;
        let parse = gst::ElementFactory::make(parser).build()?;
        let caps: gst::Caps = caps.parse()?;
        let sink = gst_app::AppSink::builder().caps(&caps).sync(false).async_(false).build();
        let mut reader = SampleReader { last: None };
        let tx = self.tx.clone();
        let on_sample = move |sink: &gst_app::AppSink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            match reader.read(&sample) {
                Some(piece) => tx.blocking_send(piece).map_err(|_| gst::FlowError::Eos)?,
                None => return Err(gst::FlowError::Error),
            }
            Ok(gst::FlowSuccess::Ok)
        };
        sink.set_callbacks(gst_app::AppSinkCallbacks::builder().new_sample(on_sample).build());
        let sink: gst::Element = sink.upcast();
        pipeline.add_many([&parse, &sink])?;
        parse.link(&sink)?;
        parse.sync_state_with_parent()?;
        let input = parse.static_pad("sink").ok_or(gst::glib::bool_error!("a parser has a sink pad"))?;
        Ok((input, sink))
    }
}

/// Turns samples into pieces; keeps the parameters while the caps stay the same.
struct SampleReader {
    last: Option<(gst::Caps, Arc<Params>)>,
}

impl SampleReader {
    /// `None` where the sample lacks what it must have.
    fn read(&mut self, sample: &gst::Sample) -> Option<Sent> {
        let (buffer, caps) = (sample.buffer()?, sample.caps()?);
        let params = match &self.last {
            Some((known, params)) if known.as_ref() == caps => params.clone(),
            _ => match params_of(caps)? {
                Ok(params) => {
                    let params = Arc::new(params);
                    self.last = Some((caps.to_owned(), params.clone()));
                    params
                }
                Err(e) => return Some(Err(e)),
            },
        };
        let rate =
            caps.structure(0)?.get::<gst::Fraction>("framerate").map_or((0, 1), |f| (f.numer(), f.denom()));
        let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
        let running = |t: Option<gst::ClockTime>| {
            let signed = segment.to_running_time_full(t?)?;
            let ticks =
                |t: gst::ClockTime| (i128::from(t.nseconds()) * i128::from(Pts::HZ) / 1_000_000_000) as i64;
            Some(match signed {
                gst::Signed::Positive(t) => ticks(t),
                gst::Signed::Negative(t) => -ticks(t),
            })
        };
        let flags = buffer.flags();
        Some(Ok(Piece {
            pts: running(buffer.pts()),
            dts: running(buffer.dts()),
            duration: buffer
                .duration()
                .map(|d| (d.nseconds() as i128 * Pts::HZ as i128 / 1_000_000_000) as i64),
            key: !flags.contains(gst::BufferFlags::DELTA_UNIT),
            discontinuous: flags.contains(gst::BufferFlags::DISCONT),
            params,
            rate,
            data: Bytes::copy_from_slice(&buffer.map_readable().ok()?),
        }))
    }
}

fn params_of(caps: &gst::CapsRef) -> Option<Result<Params, params::BadConfig>> {
    let caps = caps.structure(0)?;
    let config = caps.get::<gst::Buffer>("codec_data").ok()?;
    let config = Bytes::copy_from_slice(&config.map_readable().ok()?);
    let size = |name| caps.get::<i32>(name).ok().and_then(|v| u32::try_from(v).ok());
    let video = |codec, config| {
        Some(params::video(codec, size("width")?, size("height")?, config).map(Params::Video))
    };
    match caps.name().as_str() {
        "video/x-h264" => video(Codec::H264, config),
        "video/x-h265" => video(Codec::H265, config),
        _ => Some(params::audio(config).map(Params::Audio)),
    }
}
