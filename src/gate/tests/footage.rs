//! What the gate reaches on footage, encoded here as cameras encode their sub streams: 640x360, 25
//! pictures a second, at most 0.5 Mbit/s, a keyframe every two seconds; H.264 and H.265, at variable
//! and at constant bitrate. Prints its figures and holds them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};

use crate::base::{CameraId, StreamKind, Wall};
use crate::bench::Scene;
use crate::bench::scene::{Renderer, Variant};
use crate::decode::testing::shared;
use crate::gate::activity::Activity;
use crate::gate::{Gate, Verdict};
use crate::media::slice::Headers;
use crate::media::{Codec, EncodedUnit, Params, Pts, VideoParams, h26x};

const FPS: usize = 25;
/// A decoded picture's word comes so much after the picture.
const LOOK_LATE: usize = FPS / 2;

/// What must be reached, a little below what is.
struct Floor {
    auc: f32,
    recall: f32,
    falsely: f32,
}

const VARIABLE: Floor = Floor { auc: 0.97, recall: 0.9, falsely: 0.03 };
/// The encoder's threads make it differ from run to run: 0.64 to 0.86 of the made scene.
const CONSTANT: Floor = Floor { auc: 0.95, recall: 0.5, falsely: 0.25 };
/// In the empty room somebody has just left: its first seconds are not as calm as the rest.
const ROOM_FALSELY: f32 = 0.4;

const ENCODERS: [(&str, Floor, &str); 4] = [
    (
        "H.264 VBR",
        VARIABLE,
        "x264enc tune=zerolatency speed-preset=veryfast pass=qual quantizer=26 key-int-max=50 \
         vbv-buf-capacity=2000 bitrate=500 option-string=scenecut=0",
    ),
    (
        "H.265 VBR",
        VARIABLE,
        "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=50 \
         option-string=crf=28:vbv-maxrate=500:vbv-bufsize=1000:scenecut=0:bframes=0:log-level=none",
    ),
    (
        "H.264 CBR",
        CONSTANT,
        "x264enc tune=zerolatency speed-preset=veryfast pass=cbr key-int-max=50 bitrate=500 \
         vbv-buf-capacity=1000 option-string=scenecut=0:nal-hrd=cbr",
    ),
    (
        "H.265 CBR",
        CONSTANT,
        "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=50 bitrate=500 \
         option-string=strict-cbr=1:vbv-maxrate=500:vbv-bufsize=500:scenecut=0:bframes=0:log-level=none",
    ),
];

/// Seconds in which something moves.
type Spans = Vec<(f32, f32)>;

#[test]
fn footage_is_told_from_calm() {
    let Some(shared) = shared() else { return };
    let truth = people(&shared);
    let clip = shared.join("footage/people-detection-768x432.mp4");
    let empty = shared.join("footage/empty-room-768x432.mp4");
    let yard = Scene::demo(Variant::Yard, 5);
    let yard_truth = spans_of(&yard);
    let mut below = Vec::new();
    for (name, floor, encoder) in ENCODERS {
        let footage = units(&from_file(&clip, encoder));
        let (recall, idle, auc) = judge(&footage, &truth);
        let made = units(&from_frames(&yard, 40 * FPS, 1.0 / FPS as f32, encoder));
        let (made_recall, made_idle, _) = judge(&made, &yard_truth);
        // The empty room twice, so that there is something after learning; and noise alone, because
        // microseconds after its beginning nobody is in the scene yet.
        let mut room = from_file(&empty, encoder);
        room.extend(from_file(&empty, encoder));
        let room = judge(&units(&room), &vec![]).1;
        let mut noisy = yard.clone();
        noisy.noise = 12;
        let noise = judge(&units(&from_frames(&noisy, 40 * FPS, 1e-5, encoder)), &vec![]).1;
        let reached = format!(
            "{name}: AUC {auc:.3}; recall {recall:.3} of footage, {made_recall:.3} of a made scene; \
             falsely active {idle:.3} between people, {made_idle:.3} in the made scene, {room:.3} in the \
             empty room, {noise:.3} in noise"
        );
        eprintln!("{reached}");
        let holds = auc >= floor.auc
            && recall.min(made_recall) >= floor.recall
            && noise <= floor.falsely
            && room <= ROOM_FALSELY;
        if !holds {
            below.push(reached);
        }
    }
    assert!(below.is_empty(), "below the floor:\n{}", below.join("\n"));
}

/// Windows of a second in which something moves all the time and the gate was active by 0.3 s after
/// them at the latest; windows in which nothing does and it was active at any time; and the AUC of
/// the effort. Looks say what decoded pictures would: a keyframe every four seconds, five pictures a
/// second while the camera is followed, half a second late.
fn judge(units: &[EncodedUnit], truth: &Spans) -> (f32, f32, f32) {
    let time = |i: usize| i as f32 / FPS as f32;
    let moves = |t: f32| truth.iter().any(|&(from, to)| t >= from && t <= to);
    let (mut gate, mut looks, mut followed_until) = (Gate::new(), VecDeque::new(), 0);
    let mut verdicts = Vec::new();
    for (i, unit) in units.iter().enumerate() {
        let verdict = gate.push(unit);
        verdicts.push(verdict);
        let follow = verdict == Verdict::Active || i < followed_until;
        if (follow && i % (FPS / 5) == 0) || i % (4 * FPS) == 0 {
            looks.push_back(i);
        }
        while let Some(&at) = looks.front().filter(|&&at| at + LOOK_LATE <= i) {
            looks.pop_front();
            gate.looked(units[at].received, moves(time(at)));
            if moves(time(at)) {
                followed_until = i + 3 * FPS;
            }
        }
    }
    let (mut hits, mut moving, mut wrong, mut calm) = (0, 0, 0, 0);
    for start in (0..units.len().saturating_sub(FPS)).step_by(FPS / 2) {
        let (from, to) = (time(start), time(start + FPS));
        let until = (start + FPS + FPS * 3 / 10).min(verdicts.len());
        if verdicts[start..start + FPS].contains(&Verdict::Learning) {
            continue;
        }
        if truth.iter().any(|&(a, z)| from >= a && to <= z) {
            moving += 1;
            hits += usize::from(verdicts[start..until].contains(&Verdict::Active));
        } else if !truth.iter().any(|&(a, z)| to > a - 0.5 && from < z + 2.0) {
            calm += 1;
            wrong += usize::from(verdicts[start..start + FPS].contains(&Verdict::Active));
        }
    }
    let part = |n: usize, of: usize, none: f32| if of == 0 { none } else { n as f32 / of as f32 };
    (part(hits, moving, 1.0), part(wrong, calm, 0.0), auc(units, &moves))
}

/// How probably a picture while something moves has a higher level than one while nothing does.
fn auc(units: &[EncodedUnit], moves: &impl Fn(f32) -> bool) -> f32 {
    let headers = Headers::new(units[0].params.video().unwrap());
    let mut activity = Activity::new(900.0);
    let (mut moving, mut calm) = (Vec::new(), Vec::new());
    for (i, unit) in units.iter().enumerate() {
        let step = Duration::from_secs_f32(1.0 / FPS as f32);
        let picture = headers.read(&unit.data);
        assert!(picture.qp.is_some(), "the header of unit {i} is not read");
        let t = i as f32 / FPS as f32;
        if let Some(reading) = activity.push(picture, unit.key, true, step) {
            // What goes on right after motion is neither.
            match (moves(t), moves(t - 1.5)) {
                (true, _) => moving.push(reading.level),
                (false, false) => calm.push(reading.level),
                _ => {}
            }
        }
    }
    if moving.is_empty() {
        return 1.0;
    }
    calm.sort_unstable_by(f32::total_cmp);
    let below: usize = moving.iter().map(|m| calm.partition_point(|c| c < m)).sum();
    below as f32 / (moving.len() * calm.len()) as f32
}

fn people(shared: &std::path::Path) -> Spans {
    let text = std::fs::read_to_string(shared.join("truth/events.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_str(&text).unwrap();
    let people = truth["clips"][0]["people"].as_array().unwrap();
    let second = |p: &serde_json::Value, key: &str| p[key].as_f64().unwrap() as f32;
    people.iter().map(|p| (second(p, "first_visible_s"), second(p, "last_visible_s"))).collect()
}

/// From when to when a figure walks that is mostly in the picture.
fn spans_of(scene: &Scene) -> Spans {
    let truth = scene.truth();
    let before = Duration::from_millis(400);
    let mut spans = Spans::new();
    for i in FPS..40 * FPS {
        let at = Duration::from_secs_f32(i as f32 / FPS as f32);
        let earlier = truth.figures(at - before);
        let walks = truth.figures(at).into_iter().any(|f| {
            let was = earlier.iter().find(|e| e.figure == f.figure);
            let moved = was.is_some_and(|e| (e.bbox.center().x - f.bbox.center().x).abs() > 0.008);
            moved && f.bbox.clamped().area() > 0.4 * f.bbox.area()
        });
        let t = at.as_secs_f32();
        match spans.last_mut().filter(|s| t - s.1 < 0.1) {
            Some(span) if walks => span.1 = t,
            None if walks => spans.push((t, t)),
            _ => {}
        }
    }
    spans
}

fn from_file(path: &std::path::Path, encoder: &str) -> Vec<(Arc<Params>, Bytes)> {
    gst::init().unwrap();
    let line = format!(
        "filesrc name=f ! qtdemux ! h264parse ! avdec_h264 max-threads=1 ! videorate ! videoconvertscale \
         ! video/x-raw,format=I420,width=640,height=360,framerate=25/1 ! {encoder} ! {}",
        sink(encoder)
    );
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("f").unwrap().set_property("location", path.to_str().unwrap());
    collect(&pipeline)
}

fn from_frames(scene: &Scene, count: usize, step: f32, encoder: &str) -> Vec<(Arc<Params>, Bytes)> {
    gst::init().unwrap();
    let line = format!(
        "appsrc name=a format=time block=true max-bytes=4000000 \
         caps=video/x-raw,format=I420,width=640,height=360,framerate=25/1 ! {encoder} ! {}",
        sink(encoder)
    );
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let source = pipeline.by_name("a").unwrap().downcast::<AppSrc>().unwrap();
    let renderer = Renderer::new(scene, 640, 360);
    let feeder = std::thread::spawn(move || {
        for i in 0..count {
            let frame = renderer.frame(Duration::from_secs_f32(i as f32 * step));
            let planes = [(640, 360), (320, 180), (320, 180)].into_iter().enumerate();
            let rows = planes.flat_map(|(p, (w, h))| {
                let (plane, stride) = frame.plane(p);
                (0..h).flat_map(move |y| plane[y * stride..y * stride + w].iter().copied())
            });
            let mut buffer = gst::Buffer::from_slice(rows.collect::<Vec<u8>>());
            let at = gst::ClockTime::from_mseconds(i as u64 * 1000 / FPS as u64);
            buffer.get_mut().unwrap().set_pts(at);
            source.push_buffer(buffer).unwrap();
        }
        source.end_of_stream().unwrap();
    });
    let units = collect(&pipeline);
    feeder.join().unwrap();
    units
}

fn sink(encoder: &str) -> &'static str {
    if encoder.starts_with("x265") {
        "h265parse ! video/x-h265,stream-format=hvc1,alignment=au ! appsink name=s sync=false"
    } else {
        "video/x-h264,stream-format=avc,alignment=au ! appsink name=s sync=false"
    }
}

fn collect(pipeline: &gst::Pipeline) -> Vec<(Arc<Params>, Bytes)> {
    let sink = pipeline.by_name("s").unwrap().downcast::<AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut units = Vec::new();
    let mut params: Option<Arc<Params>> = None;
    while let Ok(sample) = sink.pull_sample() {
        let params = params.get_or_insert_with(|| {
            let caps = sample.caps().unwrap().structure(0).unwrap();
            let config: gst::Buffer = caps.get("codec_data").unwrap();
            let codec = if caps.name() == "video/x-h265" { Codec::H265 } else { Codec::H264 };
            let config = Bytes::copy_from_slice(&config.map_readable().unwrap());
            Arc::new(Params::Video(VideoParams {
                codec,
                width: 640,
                height: 360,
                config,
                rfc6381: String::new(),
            }))
        });
        let data = Bytes::copy_from_slice(&sample.buffer().unwrap().map_readable().unwrap());
        units.push((params.clone(), data));
    }
    pipeline.set_state(gst::State::Null).unwrap();
    units
}

fn units(coded: &[(Arc<Params>, Bytes)]) -> Vec<EncodedUnit> {
    let one = |(i, (params, data)): (usize, &(Arc<Params>, Bytes))| {
        let pts = Pts(i as i64 * Pts::HZ / FPS as i64);
        EncodedUnit {
            camera: CameraId::new("footage").unwrap(),
            stream: StreamKind::Sub,
            connection: 1,
            pts,
            dts: pts,
            received: Wall::from_secs(1_700_000_000) + pts.since(Pts(0)),
            key: h26x::is_random_access(params.codec(), data),
            lost_before: 0,
            params: params.clone(),
            data: data.clone(),
        }
    };
    coded.iter().enumerate().map(one).collect()
}

/// An hvcC without its fixed fields, and the units with lengths in front, of a raw H.265 stream.
pub(super) fn from_annex_b(file: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut starts: Vec<usize> =
        file.windows(3).enumerate().filter(|w| w.1 == [0, 0, 1]).map(|w| w.0 + 3).collect();
    starts.push(file.len() + 3);
    let (mut config, mut units) = (vec![0xff; 22], Vec::new());
    config.push(0);
    for pair in starts.windows(2) {
        let nal = &file[pair[0]..(pair[1] - 3).min(file.len())];
        let kind = h26x::nal_type(Codec::H265, nal).unwrap_or(63);
        if (32..=34).contains(&kind) && config[22] < 3 {
            config[22] += 1;
            config.extend([kind, 0, 1]);
            config.extend((nal.len() as u16).to_be_bytes());
            config.extend(nal);
        } else if kind < 32 {
            units.push([&(nal.len() as u32).to_be_bytes()[..], nal].concat());
        }
    }
    (config, units)
}
