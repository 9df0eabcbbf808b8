//! One camera's decoder.
//!
//! The GStreamer elements (parser if need be, decoder, conversion) are driven by hand: access units are
//! pushed into the first one's pad and pictures come back through the chain function of a pad of
//! ours, all on the caller's thread. There is no appsrc and no appsink, hence no thread and no
//! queue between.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;
use metrics::{Counter, counter};

use super::error::Error;
use super::gate::Gate;
use super::select;
use super::settings::{Mode, Profile};
use super::timeline::Timeline;
use crate::base::CameraId;
use crate::base::metrics::{DECODE_ERRORS, DECODE_FRAMES};
use crate::camera::Frame;
use crate::media::image::Plane;
use crate::media::slice::Headers;
use crate::media::{Codec, EncodedUnit, I420, VideoParams};

/// Takes the frames, on the thread that pushes access units.
pub type Sink = Arc<dyn Fn(Frame) + Send + Sync>;

/// Decodes one stream of one camera. Make a new one when the parameters change.
pub struct Decoder {
    camera: CameraId,
    pipeline: gst::Pipeline,
    bus: gst::Bus,
    /// Ours, linked to the begin of the chain.
    inlet: gst::Pad,
    /// Ours, linked to the end of the chain.
    outlet: gst::Pad,
    gate: Gate,
    out: Arc<Outlet>,
    /// Name of the GStreamer element that decodes.
    element: String,
    /// It would filter in software, which can be left out.
    software: bool,
    /// Of the one stream that it decodes without the loop filter.
    headers: Option<Headers>,
}

impl Decoder {
    /// # Errors
    /// No decoder for the codec works here, or GStreamer lacks an element.
    pub fn open(
        camera: CameraId,
        params: &VideoParams,
        mode: Mode,
        profile: &Profile,
        out: Sink,
    ) -> Result<Decoder, Error> {
        gst::init().map_err(Error::Gstreamer)?;
        let caps = gst::Caps::builder(media(&camera, params.codec)?)
            .field("stream-format", if params.codec == Codec::H264 { "avc" } else { "hvc1" })
            .field("alignment", "au")
            .field("codec_data", gst::Buffer::from_slice(params.config.clone()))
            .field("width", i32::from(params.width))
            .field("height", i32::from(params.height))
            .build();
        let label = camera.to_string();
        let mut decoder = Decoder::build(camera, &label, params.codec, &caps, mode, profile, out)?;
        decoder.headers = (decoder.software && !profile.loop_filter).then(|| Headers::new(params));
        Ok(decoder)
    }

    /// A decoder for keyframes of any camera, each an access unit with start codes (H.264 and H.265 annex B)
    /// and its parameter sets in front. Counts its frames for no camera.
    ///
    /// # Errors
    /// As [`open`](Self::open); the error names `name` in the camera's place.
    pub(super) fn open_shared(
        name: CameraId,
        codec: Codec,
        profile: &Profile,
        out: Sink,
    ) -> Result<Decoder, Error> {
        gst::init().map_err(Error::Gstreamer)?;
        let caps = gst::Caps::builder(media(&name, codec)?)
            .field("stream-format", "byte-stream")
            .field("alignment", "au")
            .build();
        Decoder::build(name, "", codec, &caps, Mode::Keyframes, profile, out)
    }

    fn build(
        camera: CameraId,
        label: &str,
        codec: Codec,
        caps: &gst::Caps,
        mode: Mode,
        profile: &Profile,
        out: Sink,
    ) -> Result<Decoder, Error> {
        let setup = |message: String| Error::Setup { camera: camera.clone(), message };
        let make = |element: &'static str| {
            gst::ElementFactory::make(element)
                .build()
                .map_err(|_| Error::NoElement { camera: camera.clone(), element })
        };
        let decoder = select::decoder(&camera, codec, caps, profile)?;
        // Passes I420 through untouched; only what a hardware decoder gives is converted.
        let convert = make("videoconvert")?;
        let factory = decoder.factory();
        let element = factory.as_ref().map(|f| f.name().to_string()).unwrap_or_default();
        let hardware = factory.is_some_and(|f| f.has_type(gst::ElementFactoryType::HARDWARE));
        // What comes is access units with all their parameters, which libav's decoders take as they are.
        let parser = match element.starts_with("avdec_") {
            true => None,
            false => Some(make(if codec == Codec::H264 { "h264parse" } else { "h265parse" })?),
        };

        let pipeline = gst::Pipeline::new();
        let chain: Vec<_> = parser.iter().chain([&decoder, &convert]).collect();
        pipeline.add_many(&chain).map_err(|e| setup(e.to_string()))?;
        gst::Element::link_many(&chain).map_err(|e| setup(e.to_string()))?;
        let bus = pipeline.bus().expect("invariant: every pipeline has a bus");

        let out = Arc::new(Outlet::new(camera.clone(), label, out));
        let inlet = gst::Pad::builder(gst::PadDirection::Src).name("inlet").build();
        let outlet = outlet_pad(&out);
        let pad = |e: &gst::Element, name| {
            e.static_pad(name).expect("invariant: one-to-one elements have this pad")
        };
        inlet.link(&pad(chain[0], "sink")).map_err(|e| setup(e.to_string()))?;
        pad(&convert, "src").link(&outlet).map_err(|e| setup(e.to_string()))?;

        let decoder = Decoder {
            gate: Gate::new(mode, codec),
            camera: camera.clone(),
            pipeline,
            bus,
            inlet,
            outlet,
            out,
            element,
            software: !hardware,
            headers: None,
        };
        decoder.start(caps, mode).map_err(|e| setup(decoder.trouble().unwrap_or(e)))?;
        Ok(decoder)
    }

    fn start(&self, caps: &gst::Caps, mode: Mode) -> Result<(), String> {
        self.outlet.set_active(true).map_err(|e| e.to_string())?;
        self.pipeline.set_state(gst::State::Playing).map_err(|e| e.to_string())?;
        self.inlet.set_active(true).map_err(|e| e.to_string())?;
        let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
        if mode == Mode::Keyframes {
            // GstVideoDecoder then drains after each keyframe, so that a stream with B frames
            // gives its picture at once and not as many keyframes later as it reorders.
            segment.set_flags(gst::SegmentFlags::TRICKMODE | gst::SegmentFlags::TRICKMODE_KEY_UNITS);
        }
        self.inlet.push_event(gst::event::StreamStart::new(self.camera.as_str()));
        self.inlet.push_event(gst::event::Caps::new(caps));
        self.inlet.push_event(gst::event::Segment::new(&segment));
        Ok(())
    }

    /// Name of the GStreamer element that decodes, such as `avdec_h264`.
    pub fn element(&self) -> &str {
        &self.element
    }

    /// The data of a unit with these parameters as it is decoded without the loop filter.
    pub(super) fn light(&self, params: &VideoParams, data: &Bytes) -> Bytes {
        let changed = self.software.then(|| Headers::new(params).unfiltered(data)).flatten();
        changed.map_or_else(|| data.clone(), Bytes::from)
    }

    /// Decode one access unit, here and now; frames that are ready go to the sink before this
    /// returns. Units that are of no use (before a keyframe, after a loss) are passed over.
    /// Damaged data is counted and costs its pictures, not the decoder.
    ///
    /// # Errors
    /// [`Error::GaveUp`]: the decoder is of no more use; open a new one.
    pub fn push(&mut self, unit: &EncodedUnit) -> Result<(), Error> {
        if !self.gate.admits(unit) {
            return Ok(());
        }
        let (pts, dts) = self.out.timeline().enter(unit);
        let changed = self.headers.as_ref().and_then(|headers| headers.unfiltered(&unit.data));
        let mut buffer = gst::Buffer::from_slice(changed.map_or_else(|| unit.data.clone(), Bytes::from));
        let fields = buffer.get_mut().expect("invariant: a new buffer has one owner");
        fields.set_pts(gst::ClockTime::from_nseconds(pts));
        fields.set_dts(gst::ClockTime::from_nseconds(dts));
        if !unit.key {
            fields.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        let flow = self.inlet.push(buffer);
        // Always read, so that messages do not gather.
        let trouble = self.trouble();
        match flow {
            Ok(_) => Ok(()),
            Err(flow) => {
                self.out.errors.increment(1);
                self.gate.close();
                let message = trouble.unwrap_or_else(|| format!("flow {flow:?}"));
                Err(Error::GaveUp { camera: self.camera.clone(), message })
            }
        }
    }

    /// End of the stream: the pictures still held for reordering go to the sink.
    pub fn drain(self) {
        self.inlet.push_event(gst::event::Eos::new());
    }

    /// The last error on the bus, which is emptied.
    fn trouble(&self) -> Option<String> {
        let mut last = None;
        while let Some(message) = self.bus.pop() {
            if let gst::MessageView::Error(e) = message.view() {
                last = Some(e.error().to_string());
            }
        }
        last
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        let _ = self.inlet.set_active(false);
        let _ = self.pipeline.set_state(gst::State::Null);
        let _ = self.outlet.set_active(false);
    }
}

/// GStreamer's name of the coded stream.
fn media(camera: &CameraId, codec: Codec) -> Result<&'static str, Error> {
    match codec {
        Codec::H264 => Ok("video/x-h264"),
        Codec::H265 => Ok("video/x-h265"),
        Codec::Aac => Err(Error::NotVideo { camera: camera.clone(), codec: codec.as_str() }),
    }
}

/// The pad in which the chain ends: takes I420 in system memory with any strides.
fn outlet_pad(out: &Arc<Outlet>) -> gst::Pad {
    let caps = gst_video::VideoCapsBuilder::new().format(gst_video::VideoFormat::I420).build();
    let template = gst::PadTemplate::new("outlet", gst::PadDirection::Sink, gst::PadPresence::Always, &caps)
        .expect("invariant: the template is well formed");
    let (for_buffers, for_events) = (out.clone(), out.clone());
    gst::Pad::builder_from_template(&template)
        .name("outlet")
        .chain_function(move |_, _, buffer| for_buffers.take(buffer))
        .event_function(move |pad, parent, event| {
            if let gst::EventView::Caps(caps) = event.view() {
                return for_events.set_caps(caps.caps());
            }
            gst::Pad::event_default(pad, parent, event)
        })
        .query_function(|pad, parent, query| {
            if let gst::QueryViewMut::Allocation(q) = query.view_mut() {
                offer(q);
                return true;
            }
            gst::Pad::query_default(pad, parent, query)
        })
        .build()
}

/// The decoder may hand out its own buffers with their padding, uncopied. avdec does so only from a
/// pool of ours where the coded height is not the picture's (360 and 1080 lines are no whole
/// macroblocks): it takes its own one for too large.
fn offer(allocation: &mut gst::query::Allocation) {
    allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
    let caps = allocation.get().0.map(gst_video::VideoInfo::from_caps);
    if let Some(Ok(info)) = caps {
        let pool = gst_video::VideoBufferPool::new();
        allocation.add_allocation_pool(Some(&pool), info.size() as u32, 0, 0);
    }
}

/// What the chain ends in.
struct Outlet {
    camera: CameraId,
    sink: Sink,
    timeline: Mutex<Timeline>,
    info: Mutex<Option<gst_video::VideoInfo>>,
    frames: Counter,
    errors: Counter,
}

impl Outlet {
    fn new(camera: CameraId, label: &str, sink: Sink) -> Self {
        let frames = counter!(DECODE_FRAMES, "camera" => label.to_owned());
        let errors = counter!(DECODE_ERRORS, "camera" => label.to_owned());
        Outlet { camera, sink, timeline: Mutex::default(), info: Mutex::default(), frames, errors }
    }

    fn timeline(&self) -> std::sync::MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_caps(&self, caps: &gst::CapsRef) -> bool {
        let info = gst_video::VideoInfo::from_caps(caps).ok();
        let known = info.is_some();
        *self.info.lock().unwrap_or_else(PoisonError::into_inner) = info;
        known
    }

    fn take(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        // A picture with holes would look like motion.
        if buffer.flags().contains(gst::BufferFlags::CORRUPTED) {
            self.errors.increment(1);
            return Ok(gst::FlowSuccess::Ok);
        }
        let info = self.info.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let info = info.ok_or(gst::FlowError::NotNegotiated)?;
        let origin = buffer.pts().and_then(|pts| self.timeline().leave(pts.nseconds()));
        let (Some((pts, at)), Some(image)) = (origin, picture(&info, buffer)) else {
            self.errors.increment(1);
            return Ok(gst::FlowSuccess::Ok);
        };
        self.frames.increment(1);
        (self.sink)(Frame { camera: self.camera.clone(), pts, at, image: Arc::new(image) });
        Ok(gst::FlowSuccess::Ok)
    }
}

/// The decoder's buffer as a picture, mapped and not copied.
fn picture(info: &gst_video::VideoInfo, buffer: gst::Buffer) -> Option<I420> {
    let (offsets, strides) = match buffer.meta::<gst_video::VideoMeta>() {
        Some(meta) => (meta.offset().to_vec(), meta.stride().to_vec()),
        None => (info.offset().to_vec(), info.stride().to_vec()),
    };
    let plane =
        |i: usize| Some(Plane { offset: *offsets.get(i)?, stride: usize::try_from(*strides.get(i)?).ok()? });
    let planes = [plane(0)?, plane(1)?, plane(2)?];
    let bytes = buffer.into_mapped_buffer_readable().ok()?;
    I420::new(info.width(), info.height(), planes, Arc::new(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::decode::testing::{clip, decode_all};
    use crate::media::Pts;

    fn collector() -> (Sink, Arc<Mutex<Vec<Frame>>>) {
        let frames = Arc::new(Mutex::new(Vec::new()));
        let kept = frames.clone();
        (Arc::new(move |f| kept.lock().unwrap().push(f)), frames)
    }

    fn open(units: &[EncodedUnit], mode: Mode, out: Sink) -> Decoder {
        let params = units[0].params.video().unwrap();
        Decoder::open(units[0].camera.clone(), params, mode, &Profile::default(), out).unwrap()
    }

    /// All frames come, in presentation order, each with the time of its access unit.
    fn check_follow(file: &str, frames: usize, size: (u32, u32)) {
        let Some(units) = clip(file) else { return };
        let mut want: Vec<(Pts, _)> = units.iter().map(|u| (u.pts, u.received)).collect();
        want.sort();
        let got = decode_all(&units);
        assert_eq!(got.len(), frames, "{file}");
        assert_eq!(got.iter().map(|f| (f.pts, f.at)).collect::<Vec<_>>(), want, "{file}");
        assert!(got.iter().all(|f| (f.image.width, f.image.height) == size), "{file}");
    }

    #[test]
    fn every_picture_comes_out_in_order_with_its_times() {
        check_follow("worker-zone-detection-480x270.mp4", 71, (480, 270));
        check_follow("crowd-faces-800x450.mp4", 460, (800, 450));
    }

    #[test]
    fn a_keyframe_gives_its_picture_at_once_though_the_stream_reorders() {
        for file in ["one-by-one-person-detection.mp4", "crowd-faces-800x450.mp4"] {
            let Some(units) = clip(file) else { return };
            let (out, frames) = collector();
            let mut decoder = open(&units, Mode::Keyframes, out);
            for unit in units.iter().take(120) {
                frames.lock().unwrap().clear();
                decoder.push(unit).unwrap();
                let got: Vec<Pts> = frames.lock().unwrap().iter().map(|f| f.pts).collect();
                let want = if unit.key { vec![unit.pts] } else { vec![] };
                assert_eq!(got, want, "{file}");
            }
        }
    }

    /// The decoder's own memory shows by what it keeps below the picture: 360 lines are coded as 368.
    #[test]
    fn a_picture_with_half_a_macroblock_at_its_edge_is_not_copied() {
        let Some(units) = clip("traffic-640x360.mp4") else { return };
        let (out, frames) = collector();
        let mut decoder = open(&units, Mode::Follow, out);
        units[..20].iter().for_each(|unit| decoder.push(unit).unwrap());
        let frames = frames.lock().unwrap();
        assert!(frames.len() > 2);
        // The first comes before decoder and outlet have agreed on a pool.
        for frame in &frames[1..] {
            let ([(y, stride), (u, _)], lines) = ([0, 1].map(|i| frame.image.plane(i)), 368);
            let between = u.as_ptr() as usize - y.as_ptr() as usize;
            assert!(between >= stride * lines, "{between} bytes, {stride} a line");
        }
    }

    #[test]
    fn damaged_units_cost_pictures_but_not_the_decoder() {
        let Some(units) = clip("people-detection-768x432.mp4") else { return };
        let (out, frames) = collector();
        let mut decoder = open(&units, Mode::Follow, out);
        let mut seed = 7u32;
        for (i, unit) in units[..120].iter().enumerate() {
            let mut unit = unit.clone();
            if (24..72).contains(&i) {
                let mut data = unit.data.to_vec();
                for _ in 0..8 {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let at = seed as usize % data.len();
                    data[at] ^= (seed >> 24) as u8 | 1;
                }
                unit.data = data.into();
            }
            decoder.push(&unit).unwrap();
        }
        decoder.drain();
        let frames = frames.lock().unwrap();
        let whole: Vec<Pts> = units[72..120].iter().map(|u| u.pts).collect();
        assert!(
            frames.iter().map(|f| f.pts).collect::<Vec<_>>().ends_with(&whole),
            "all is well again from the next whole keyframe on"
        );
    }

    #[test]
    fn frames_wait_for_a_keyframe_after_a_loss() {
        let Some(mut units) = clip("people-detection-768x432.mp4") else { return };
        units.truncate(60);
        units[30].lost_before = 2;
        let got = decode_all(&units);
        let want: Vec<Pts> = units[..30].iter().chain(&units[48..]).map(|u| u.pts).collect();
        assert_eq!(got.iter().map(|f| f.pts).collect::<Vec<_>>(), want);
    }

    /// Pictures are those that ffmpeg decodes with `-skip_loop_filter all`, to the bit.
    fn check_unfiltered(file: &str) {
        let Some(units) = clip(file) else { return };
        let path = crate::decode::testing::shared().unwrap().join("footage").join(file);
        let mut ffmpeg = std::process::Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-skip_loop_filter", "all", "-i"]).arg(path);
        let Ok(out) = ffmpeg.args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]).output() else {
            return eprintln!("skipped: ffmpeg is not there");
        };
        let (sink, frames) = collector();
        let params = units[0].params.video().unwrap();
        let light = Profile::default().light();
        let mut decoder = Decoder::open(units[0].camera.clone(), params, Mode::Follow, &light, sink).unwrap();
        units.iter().for_each(|unit| decoder.push(unit).unwrap());
        decoder.drain();
        let got = frames.lock().unwrap();
        let (w, h) = (got[0].image.width as usize, got[0].image.height as usize);
        let size = w * h + 2 * w.div_ceil(2) * h.div_ceil(2);
        assert_eq!(out.stdout.len(), size * got.len(), "{file}");
        for (n, (frame, want)) in got.iter().zip(out.stdout.chunks(size)).enumerate() {
            let want = &want[..w * h];
            let (luma, stride) = frame.image.luma();
            let same = want.chunks(w).enumerate().all(|(y, row)| luma[y * stride..y * stride + w] == *row);
            assert!(same, "{file}: picture {n} is another one");
        }
    }

    #[test]
    fn no_time_is_spent_on_the_loop_filter() {
        // Without and with B frames and long GOPs.
        check_unfiltered("worker-zone-detection-480x270.mp4");
        check_unfiltered("crowd-faces-800x450.mp4");
    }

    #[test]
    fn h265_pictures_come_out() {
        let Some(mut units) = clip("people-detection-1080p25-h265.mp4") else { return };
        units.truncate(20);
        let got = decode_all(&units);
        assert_eq!(got.len(), 20);
        assert_eq!((got[0].image.width, got[0].image.height), (1920, 1080));
    }

    #[test]
    fn a_missing_decoder_is_told_with_camera_and_profile() {
        let Some(units) = clip("people-detection-768x432.mp4") else { return };
        let profile = Profile { name: "odd".into(), h264: vec!["nosuchdec".into()], ..Profile::default() };
        let (out, _) = collector();
        let params = units[0].params.video().unwrap();
        let e = Decoder::open(units[0].camera.clone(), params, Mode::Follow, &profile, out).err().unwrap();
        let text = e.to_string();
        assert!(
            text.contains("test-camera") && text.contains("nosuchdec") && text.contains("'odd'"),
            "{text}"
        );
    }
}
