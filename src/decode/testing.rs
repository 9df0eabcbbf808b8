//! Access units of the shared footage, for the tests of decoding and inference.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;

use super::{Decoder, Mode, Profile};
use crate::base::{CameraId, StreamKind, Wall};
use crate::camera::Frame;
use crate::media::{Codec, EncodedUnit, Params, Pts, VideoParams};

/// The shared folder, or `None` with a visible word.
pub(crate) fn shared() -> Option<PathBuf> {
    let dir = std::env::var_os("PINGAN_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")));
    if !dir.is_dir() {
        eprintln!("skipped: ../shared is not there");
        return None;
    }
    Some(dir)
}

/// All video access units of an MP4 file of the shared footage.
pub(crate) fn clip(name: &str) -> Option<Vec<EncodedUnit>> {
    let path = shared()?.join("footage").join(name);
    gst::init().unwrap();
    let pipeline = gst::parse::launch(
        "filesrc name=f ! qtdemux ! appsink name=s sync=false caps=video/x-h264,alignment=au;video/x-h265,alignment=au",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    pipeline.by_name("f").unwrap().set_property("location", path.to_str().unwrap());
    let sink = pipeline.by_name("s").unwrap().downcast::<AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut units = Vec::new();
    let mut params = None;
    while let Ok(sample) = sink.pull_sample() {
        let params = params.get_or_insert_with(|| Arc::new(Params::Video(video(sample.caps().unwrap()))));
        let buffer = sample.buffer().unwrap();
        let pts = Pts::from_micros(buffer.pts().unwrap().useconds() as i64);
        units.push(EncodedUnit {
            camera: CameraId::new("test-camera").unwrap(),
            stream: StreamKind::Main,
            connection: 1,
            pts,
            dts: Pts::from_micros(buffer.dts().unwrap_or(gst::ClockTime::ZERO).useconds() as i64),
            received: Wall::from_secs(1_700_000_000) + pts.since(Pts(0)),
            key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            lost_before: 0,
            params: params.clone(),
            data: Bytes::copy_from_slice(&buffer.map_readable().unwrap()),
        });
    }
    pipeline.set_state(gst::State::Null).unwrap();
    Some(units)
}

fn video(caps: &gst::CapsRef) -> VideoParams {
    let s = caps.structure(0).unwrap();
    let config: gst::Buffer = s.get("codec_data").unwrap();
    VideoParams {
        codec: if s.name() == "video/x-h264" { Codec::H264 } else { Codec::H265 },
        width: s.get::<i32>("width").unwrap() as u16,
        height: s.get::<i32>("height").unwrap() as u16,
        config: Bytes::copy_from_slice(&config.map_readable().unwrap()),
        rfc6381: String::new(),
    }
}

/// All frames of these units, in the order in which the decoder gives them.
pub(crate) fn decode_all(units: &[EncodedUnit]) -> Vec<Frame> {
    let frames = Arc::new(Mutex::new(Vec::new()));
    let kept = frames.clone();
    each_frame(units, move |f| kept.lock().unwrap().push(f));
    Arc::try_unwrap(frames).unwrap().into_inner().unwrap()
}

/// Hand each frame to `look`, holding none.
pub(crate) fn each_frame(units: &[EncodedUnit], look: impl Fn(Frame) + Send + Sync + 'static) {
    let params = units[0].params.video().unwrap();
    let camera = units[0].camera.clone();
    let mut decoder =
        Decoder::open(camera, params, Mode::Follow, &Profile::default(), Arc::new(look)).unwrap();
    for unit in units {
        decoder.push(unit).unwrap();
    }
    decoder.drain();
}
