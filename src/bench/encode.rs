//! Encodes made pictures once, with x264 or x265 through GStreamer, into a [`Clip`].

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow, ensure};
use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use shiguredo_mp4::boxes::{
    Avc1Box, AvccBox, Hvc1Box, HvccBox, SampleEntry, VisualSampleEntryFields as Visual,
};
use shiguredo_mp4::{Decode, Encode, Uint, codec_string};

use super::clip::{Clip, ClipUnit};
use crate::media::{Codec, I420, Pts, VideoParams, h26x};

/// How pictures are encoded. There are never B frames, as in most cameras.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodeSettings {
    pub codec: Codec,
    pub width: u32,
    pub height: u32,
    /// Pictures per second.
    pub fps: u32,
    /// Bits per second.
    pub bitrate: u32,
    /// Constant quantiser of predicted pictures in place of the bitrate, 1 to 50: the higher, the worse.
    /// Keyframes get a few steps less.
    pub qp: Option<u8>,
    /// Pictures from one keyframe to the next.
    pub gop: u32,
    /// x264's and x265's preset: `ultrafast` to `veryslow`.
    pub preset: String,
    /// H.264 only: fill up to the bitrate, so that a load run sends what it says even where the
    /// picture is calm. The filling is NAL units of type 12, as of cameras at constant bitrate.
    pub fill: bool,
}

impl EncodeSettings {
    /// A main stream: 1920x1080, 25 pictures per second, 4 Mbit/s, a keyframe every 2 s.
    pub fn main() -> Self {
        EncodeSettings {
            codec: Codec::H264,
            width: 1920,
            height: 1080,
            fps: 25,
            bitrate: 4_000_000,
            qp: None,
            gop: 50,
            preset: "ultrafast".into(),
            fill: true,
        }
    }

    /// A sub stream: 640x360, 12 pictures per second, 0.5 Mbit/s, a keyframe every 2 s.
    pub fn sub() -> Self {
        EncodeSettings {
            width: 640,
            height: 360,
            fps: 12,
            bitrate: 500_000,
            gop: 24,
            preset: "veryfast".into(),
            fill: false,
            ..Self::main()
        }
    }

    /// The sub stream of a load run: 640x360, 25 pictures per second, 0.5 Mbit/s, a keyframe every 2 s.
    pub fn load_sub() -> Self {
        EncodeSettings { fps: 25, gop: 50, ..Self::sub() }
    }

    fn launch_line(&self) -> String {
        let kbit = self.bitrate.div_ceil(1000);
        let rate = match (self.codec, self.qp) {
            (Codec::H265, Some(qp)) => format!("qp={qp}"),
            (_, Some(qp)) => format!("pass=quant quantizer={qp}"),
            (Codec::H265, None) => format!("bitrate={kbit}"),
            (_, None) => format!("bitrate={kbit} vbv-buf-capacity=1000"),
        };
        match self.codec {
            Codec::H265 => format!(
                "{} name=enc tune=zerolatency speed-preset={} {rate} key-int-max={} \
                 option-string=bframes=0:scenecut=0:open-gop=0:repeat-headers=0:info=0 \
                 ! h265parse ! video/x-h265,stream-format=hvc1,alignment=au",
                element(self.codec),
                self.preset,
                self.gop
            ),
            // With several threads the rate control sees how far each has come: other bits each time.
            _ => format!(
                "{} name=enc threads=1 tune=zerolatency speed-preset={} {rate} key-int-max={} \
                 bframes=0 aud=false option-string=scenecut=0{} \
                 ! video/x-h264,stream-format=avc,alignment=au",
                element(self.codec),
                self.preset,
                self.gop,
                if self.fill { ":nal-hrd=cbr" } else { "" }
            ),
        }
    }
}

/// Name of the GStreamer element that encodes.
pub fn element(codec: Codec) -> &'static str {
    match codec {
        Codec::H265 => "x265enc",
        _ => "x264enc",
    }
}

/// What the encoder's thread hands over.
#[derive(Default)]
struct Encoded {
    config: Option<Bytes>,
    units: Vec<Bytes>,
}

/// Encodes `count` pictures, `frame(0)` to `frame(count - 1)`. Takes its time: not for async code.
pub fn encode(
    name: &str,
    settings: &EncodeSettings,
    count: usize,
    mut frame: impl FnMut(usize) -> I420,
) -> anyhow::Result<Clip> {
    ensure!(count > 0, "nothing to encode for {name}");
    encode_all(name, settings, (0..count).map(|i| Ok(frame(i))))
}

/// Encodes pictures as they come, at even distances. Takes its time: not for async code.
///
/// # Errors
/// The first error among the pictures; there is none, or one of another size than the settings say;
/// there is no encoder, or it fails.
pub fn encode_all(
    name: &str,
    settings: &EncodeSettings,
    mut pictures: impl Iterator<Item = anyhow::Result<I420>>,
) -> anyhow::Result<Clip> {
    ensure!(settings.fps > 0, "{name} has no frame rate");
    gst::init().context("GStreamer does not start")?;
    let line = format!("appsrc name=src ! {} ! appsink name=sink sync=false", settings.launch_line());
    let pipeline = gst::parse::launch(&line)
        .context("cannot build the encoder; install gstreamer1.0-plugins-ugly and -bad")?
        .downcast::<gst::Pipeline>()
        .map_err(|_| anyhow!("the encoder is no pipeline"))?;
    let result = drive(&pipeline, settings, &mut pictures);
    // A pipeline must be stopped before it is dropped, also after an error.
    let stopped = pipeline.set_state(gst::State::Null);
    let (encoded, count) = result.with_context(|| format!("encoding {name} failed"))?;
    stopped.context("the encoder does not stop")?;

    ensure!(encoded.units.len() == count, "{name}: {} of {count} pictures encoded", encoded.units.len());
    let config = encoded.config.context("the encoder gave no parameter sets")?;
    let tick = |i: usize| Pts(i as i64 * Pts::HZ / i64::from(settings.fps));
    let units = encoded.units.into_iter().enumerate().map(|(i, data)| ClipUnit {
        pts: tick(i),
        dts: tick(i),
        key: h26x::is_random_access(settings.codec, &data),
        data: without_parameter_sets(settings.codec, data),
    });
    let units: Vec<_> = units.collect();
    ensure!(units[0].key, "{name}: the first picture is no keyframe");
    let params = params(settings, config)?;
    Ok(Clip { name: name.into(), params, units, duration: tick(count), audio: None })
}

/// In `avc1` and `hvc1` the parameter sets stand in the record only (ISO 14496-15 §5.3.2, §8.4.1);
/// the encoders leave them in front of keyframes as well.
fn without_parameter_sets(codec: Codec, data: Bytes) -> Bytes {
    let is_set = |nal: &[u8]| match (codec, nal.first()) {
        (Codec::H265, Some(b)) => (32..=34).contains(&(b >> 1 & 0x3f)),
        (_, Some(b)) => matches!(b & 0x1f, 7 | 8),
        (_, None) => true,
    };
    if !h26x::nals(&data).any(is_set) {
        return data;
    }
    let kept = h26x::nals(&data).filter(|n| !is_set(n));
    kept.flat_map(|n| (n.len() as u32).to_be_bytes().into_iter().chain(n.iter().copied())).collect()
}

fn drive(
    pipeline: &gst::Pipeline,
    settings: &EncodeSettings,
    pictures: &mut impl Iterator<Item = anyhow::Result<I420>>,
) -> anyhow::Result<(Encoded, usize)> {
    let src: gst_app::AppSrc = by_name(pipeline, "src")?;
    let sink: gst_app::AppSink = by_name(pipeline, "sink")?;
    src.set_caps(Some(
        &gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", settings.width as i32)
            .field("height", settings.height as i32)
            .field("framerate", gst::Fraction::new(settings.fps as i32, 1))
            .build(),
    ));
    src.set_format(gst::Format::Time);
    src.set_block(true);
    src.set_max_bytes(u64::from(settings.width * settings.height) * 6);
    let out = Arc::new(Mutex::new(Encoded::default()));
    let into = out.clone();
    let take = move |sink: &gst_app::AppSink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        collect(&sample, &mut into.lock().unwrap_or_else(PoisonError::into_inner))
    };
    sink.set_callbacks(gst_app::AppSinkCallbacks::builder().new_sample(take).build());
    pipeline.set_state(gst::State::Playing).context("the encoder does not start")?;
    let mut count = 0;
    for (i, picture) in pictures.enumerate() {
        let mut buffer = gst::Buffer::from_slice(packed(&picture?, settings)?);
        let at = |i: usize| gst::ClockTime::from_nseconds(i as u64 * 1_000_000_000 / u64::from(settings.fps));
        let b = buffer.get_mut().context("a new buffer has one owner")?;
        b.set_pts(at(i));
        b.set_duration(at(i + 1) - at(i));
        count = i + 1;
        if src.push_buffer(buffer).is_err() {
            break; // the bus below says why
        }
    }
    ensure!(count > 0, "there is no picture to encode");
    // Fails only where the pipeline has already stopped; then the bus says why.
    let _ = src.end_of_stream();
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    loop {
        let message = bus.timed_pop(gst::ClockTime::from_seconds(60)).context("the encoder hangs")?;
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(e) => return Err(anyhow!("{}", e.error())),
            _ => {}
        }
    }
    Ok((std::mem::take(&mut *out.lock().unwrap_or_else(PoisonError::into_inner)), count))
}

fn by_name<T: IsA<gst::Element>>(pipeline: &gst::Pipeline, name: &str) -> anyhow::Result<T> {
    let element = pipeline.by_name(name).with_context(|| format!("no element {name}"))?;
    element.downcast::<T>().map_err(|_| anyhow!("{name} is of another type"))
}

fn collect(sample: &gst::Sample, into: &mut Encoded) -> Result<gst::FlowSuccess, gst::FlowError> {
    if into.config.is_none() {
        let caps = sample.caps().and_then(|c| c.structure(0));
        let data = caps.and_then(|s| s.get::<gst::Buffer>("codec_data").ok());
        let map = data.as_ref().and_then(|b| b.map_readable().ok());
        into.config = map.map(|m| Bytes::copy_from_slice(&m));
    }
    let map =
        sample.buffer().ok_or(gst::FlowError::Error)?.map_readable().map_err(|_| gst::FlowError::Error)?;
    into.units.push(Bytes::copy_from_slice(&map));
    Ok(gst::FlowSuccess::Ok)
}

/// The picture in GStreamer's default layout of I420: rows padded to 4 bytes.
fn packed(image: &I420, settings: &EncodeSettings) -> anyhow::Result<Vec<u8>> {
    let (w, h) = (settings.width as usize, settings.height as usize);
    ensure!((image.width as usize, image.height as usize) == (w, h), "a picture of another size");
    ensure!(w.is_multiple_of(2) && h.is_multiple_of(2), "width and height must be even, not {w}x{h}");
    let mut out = Vec::with_capacity((w + 8) * h * 3 / 2);
    for (plane, w, h) in [(0, w, h), (1, w / 2, h / 2), (2, w / 2, h / 2)] {
        let (bytes, stride) = image.plane(plane);
        for row in bytes.chunks(stride).take(h) {
            out.extend_from_slice(&row[..w]);
            out.resize(out.len() + w.next_multiple_of(4) - w, 0);
        }
    }
    Ok(out)
}

fn params(settings: &EncodeSettings, config: Bytes) -> anyhow::Result<VideoParams> {
    let params = VideoParams {
        codec: settings.codec,
        width: settings.width as u16,
        height: settings.height as u16,
        config,
        rfc6381: String::new(),
    };
    let entry = sample_entry(&params)?;
    let config = match &entry {
        SampleEntry::Avc1(b) => Bytes::from(b.avcc_box.encode_to_vec()?).slice(8..),
        _ => params.config,
    };
    Ok(VideoParams { rfc6381: codec_string::from_sample_entry(&entry)?, config, ..params })
}

/// The parameters as an MP4 file holds them.
pub fn sample_entry(params: &VideoParams) -> anyhow::Result<SampleEntry> {
    let visual = Visual {
        data_reference_index: Visual::DEFAULT_DATA_REFERENCE_INDEX,
        width: params.width,
        height: params.height,
        horizresolution: Visual::DEFAULT_HORIZRESOLUTION,
        vertresolution: Visual::DEFAULT_VERTRESOLUTION,
        frame_count: Visual::DEFAULT_FRAME_COUNT,
        compressorname: Visual::NULL_COMPRESSORNAME,
        depth: Visual::DEFAULT_DEPTH,
    };
    Ok(match params.codec {
        Codec::H265 => SampleEntry::Hvc1(Hvc1Box {
            visual,
            hvcc_box: HvccBox::decode(&boxed(b"hvcC", &params.config))?.0,
            unknown_boxes: Vec::new(),
        }),
        _ => {
            let mut avcc = AvccBox::decode(&boxed(b"avcC", &params.config))?.0;
            // ISO 14496-15 §5.3.3.1.2 asks for these from High profile on, and GStreamer's x264enc
            // leaves them out; pictures here are 4:2:0 with 8 bits.
            avcc.chroma_format.get_or_insert(Uint::new(1));
            avcc.bit_depth_luma_minus8.get_or_insert(Uint::new(0));
            avcc.bit_depth_chroma_minus8.get_or_insert(Uint::new(0));
            SampleEntry::Avc1(Avc1Box { visual, avcc_box: avcc, unknown_boxes: Vec::new() })
        }
    })
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(settings: EncodeSettings, rfc6381: &str) {
        let (w, h) = (settings.width, settings.height);
        let frame = |i: usize| {
            let noise = (0..w * h * 3 / 2).map(|p| (p.wrapping_mul(2_654_435_761) >> 24) as u8 ^ i as u8);
            I420::packed(w, h, noise.collect()).unwrap()
        };
        let clip = encode("noise", &settings, 25, frame).unwrap();
        let keys: Vec<_> = clip.units.iter().enumerate().filter(|(_, u)| u.key).map(|(i, _)| i).collect();
        assert_eq!(keys, [0, 10, 20]);
        assert!(clip.units.iter().all(|u| h26x::is_well_formed(&u.data)));
        assert_eq!(clip.duration, Pts(90_000));
        assert!(clip.params.rfc6381.starts_with(rfc6381), "{}", clip.params.rfc6381);
    }

    #[test]
    fn h264_has_its_gop_and_no_frame_is_missing() {
        check(EncodeSettings { width: 64, height: 48, gop: 10, ..EncodeSettings::main() }, "avc1.");
    }

    #[test]
    fn h265_has_its_gop_and_no_frame_is_missing() {
        let settings = EncodeSettings { width: 128, height: 64, gop: 10, ..EncodeSettings::main() };
        check(EncodeSettings { codec: Codec::H265, ..settings }, "hvc1.");
    }

    #[test]
    fn a_higher_quantiser_makes_a_smaller_clip_in_both_codecs() {
        for codec in [Codec::H264, Codec::H265] {
            let bytes = |qp: u8| {
                let settings =
                    EncodeSettings { codec, width: 128, height: 64, qp: Some(qp), ..EncodeSettings::sub() };
                let frame = |i: usize| {
                    let bytes = (0..128 * 96usize).map(|p| ((p * 7 + p * p / 61 + i * 9) % 200) as u8);
                    I420::packed(128, 64, bytes.collect()).unwrap()
                };
                let clip = encode("waves", &settings, 12, frame).unwrap();
                clip.units.iter().map(|u| u.data.len()).sum::<usize>()
            };
            let (good, bad) = (bytes(20), bytes(40));
            assert!(bad * 2 < good, "{codec:?}: {bad} bytes at 40, {good} at 20");
        }
    }

    #[test]
    fn a_picture_that_cannot_be_had_ends_it_with_its_error() {
        let settings = EncodeSettings { width: 64, height: 48, ..EncodeSettings::sub() };
        let grey = || I420::packed(64, 48, vec![128; 64 * 72]);
        let pictures = [grey().map_err(Into::into), Err(anyhow!("torn")), grey().map_err(Into::into)];
        let error = encode_all("a", &settings, pictures.into_iter()).unwrap_err();
        assert!(format!("{error:#}").contains("torn"), "{error:#}");
        let error = encode_all("a", &settings, std::iter::empty()).unwrap_err();
        assert!(format!("{error:#}").contains("there is no picture"), "{error:#}");
    }

    #[test]
    fn filling_keeps_the_bitrate_on_a_calm_picture() {
        let settings =
            EncodeSettings { width: 64, height: 48, bitrate: 400_000, gop: 25, ..EncodeSettings::main() };
        let clip =
            encode("grey", &settings, 100, |_| I420::packed(64, 48, vec![128; 64 * 72]).unwrap()).unwrap();
        let rate = clip.bits_per_second();
        assert!((rate - 400_000.0).abs() < 60_000.0, "{rate}");
    }
}
