//! Footage as access units, and a way to store it without the recorder. For tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shiguredo_mp4::TrackKind;
use shiguredo_mp4::boxes::SampleEntry;
use shiguredo_mp4::demux::{Input, Mp4FileDemuxer};

use super::fmp4::{Entries, Facts, PastGap, Sample, Track, encode_header, encode_tables, tracks};
use super::{Archive, DiskId, FragmentRef, NewSegment, Retention, RunId, SegmentRow, Settings};
use crate::base::{CameraId, SimClock, StreamKind, Wall, WallSpan};
use crate::media::{AudioParams, Codec, EncodedUnit, Params, Pts, VideoParams};

/// When the tests' footage begins.
pub const START: Wall = Wall::from_secs(1_800_000_000);
pub const ALWAYS: WallSpan = WallSpan::new(Wall::MIN, Wall::MAX);

pub fn cam(name: &str) -> CameraId {
    CameraId::new(name).unwrap()
}

/// An archive in a folder, with a clock that stands at [`START`].
pub fn archive(folder: &Path, retention: Retention) -> (Arc<Archive>, Arc<SimClock>) {
    let clock = Arc::new(SimClock::new(START));
    (open_at(folder, retention, clock.clone()), clock)
}

pub fn open_at(folder: &Path, retention: Retention, clock: Arc<SimClock>) -> Arc<Archive> {
    open_disks(folder, &[], retention, clock)
}

/// As [`open_at`], with further disks in these folders of it.
pub fn open_disks(folder: &Path, more: &[&str], retention: Retention, clock: Arc<SimClock>) -> Arc<Archive> {
    let settings = Settings {
        root: folder.join("media"),
        more_roots: more.iter().map(|name| folder.join(name)).collect(),
        index: folder.join("index.db"),
        retention,
        observations: folder.join("observations.db"),
        observations_max_age: None,
    };
    Arc::new(Archive::open(settings, clock).unwrap())
}

pub fn keep_all() -> Retention {
    Retention { max_age: None, max_bytes: None, min_free_bytes: 0 }
}

/// The units of a clip in `footage/`, at most `seconds` of them; `None`, said aloud, where it is absent.
pub fn footage(name: &str, seconds: i64) -> Option<Vec<EncodedUnit>> {
    let shared = std::env::var_os("PINGAN_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into());
    let Ok(bytes) = std::fs::read(shared.join("footage").join(name)) else {
        eprintln!("skipped: ../shared is not there");
        return None;
    };
    let mut units = demux(bytes.into());
    units.retain(|u| u.dts < Pts(seconds * Pts::HZ));
    Some(units)
}

fn demux(bytes: Bytes) -> Vec<EncodedUnit> {
    let mut demuxer = Mp4FileDemuxer::new();
    while let Some(need) = demuxer.required_input() {
        let at = need.position as usize;
        let end = need.size.map_or(bytes.len(), |n| (at + n).min(bytes.len()));
        demuxer.handle_input(Input { position: need.position, data: &bytes[at..end] });
    }
    let (mut units, mut video, mut audio) = (Vec::new(), None, None);
    while let Some(s) = demuxer.next_sample().unwrap() {
        let params = if s.track.kind == TrackKind::Video { &mut video } else { &mut audio };
        if let Some(entry) = s.sample_entry {
            *params = Some(Arc::new(params_of(entry)));
        }
        let ticks = |t: i64| Pts((t as i128 * 90_000 / s.track.timescale.get() as i128) as i64);
        let dts = ticks(s.timestamp as i64);
        units.push(EncodedUnit {
            camera: cam("gate"),
            stream: StreamKind::Main,
            connection: 1,
            pts: ticks(s.timestamp as i64 + s.composition_time_offset.unwrap_or(0)),
            dts,
            received: START + dts.since(Pts(0)),
            key: s.keyframe,
            lost_before: 0,
            params: params.clone().unwrap(),
            data: bytes.slice(s.data_offset as usize..s.data_offset as usize + s.data_size),
        });
    }
    units.sort_by_key(|u| u.dts);
    units
}

fn params_of(entry: &SampleEntry) -> Params {
    match entry {
        SampleEntry::Hev1(b) => {
            let hvc1 = shiguredo_mp4::boxes::Hvc1Box {
                visual: b.visual.clone(),
                hvcc_box: b.hvcc_box.clone(),
                unknown_boxes: vec![],
            };
            params_of(&SampleEntry::Hvc1(hvc1))
        }
        SampleEntry::Mp4a(b) => {
            let info = b.esds_box.es.dec_config_descr.dec_specific_info.clone().unwrap();
            Params::Audio(AudioParams {
                sample_rate: b.audio.samplerate.integer as u32,
                channels: b.audio.channelcount,
                config: info.payload.into(),
                rfc6381: tracks::codecs_of(std::iter::once(entry)),
            })
        }
        video => Params::Video(tracks::video_params(video).unwrap()),
    }
}

/// The same units `later`, on a connection of their own.
pub fn again(units: &[EncodedUnit], later: Duration, connection: u32) -> Vec<EncodedUnit> {
    let mut units = units.to_vec();
    units.iter_mut().for_each(|u| (u.received, u.connection) = (u.received + later, connection));
    units
}

/// Store video units as one run of one segment per `gops` GOPs, without the recorder and its padding.
pub fn store(archive: &Archive, units: &[EncodedUnit], gops: usize, gaps_before: Vec<PastGap>) {
    store_on(DiskId(0), archive, units, gops, gaps_before);
}

pub fn store_on(
    disk: DiskId,
    archive: &Archive,
    units: &[EncodedUnit],
    gops: usize,
    gaps_before: Vec<PastGap>,
) {
    let video: Vec<&EncodedUnit> = units.iter().filter(|u| u.is_video()).collect();
    let Params::Video(params) = &*video[0].params else { panic!("no video") };
    let entries = Entries { video: tracks::video_entry(params).unwrap(), audio: None };
    let run = RunId(uuid::Uuid::now_v7());
    let mut groups: Vec<Vec<&EncodedUnit>> = vec![];
    for u in video {
        match groups.last_mut() {
            Some(g) if !u.key => g.push(u),
            _ => groups.push(vec![u]),
        }
    }
    let (base, step) = (units[0].dts, groups[0][1].dts.0 - groups[0][0].dts.0);
    for (seq, chunk) in groups.chunks(gops).enumerate() {
        let first = chunk[0][0];
        let since = archive.expected_since(&first.camera, first.stream).unwrap().unwrap_or(first.received);
        let facts = Facts {
            camera: first.camera.clone(),
            stream: first.stream,
            run: run.0,
            seq_in_run: seq as u32,
            start_us: first.received.micros(),
            expected_since_us: since.micros(),
            gaps_before: if seq == 0 { gaps_before.clone() } else { vec![] },
        };
        let mut bytes = encode_header(&entries, &facts).unwrap();
        let path = archive.path_for(disk, &first.camera, first.stream, first.received);
        let id = archive
            .begin(NewSegment {
                camera: first.camera.clone(),
                stream: first.stream,
                run,
                seq_in_run: seq as u32,
                start: first.received,
                path: path.clone(),
                header_bytes: bytes.len() as u64,
                width: params.width,
                height: params.height,
                codecs: tracks::codecs_of(std::iter::once(&entries.video)),
            })
            .unwrap();
        for gop in chunk {
            let sample = |u: &&EncodedUnit| Sample {
                data: u.data.clone(),
                duration: step as u32,
                offset: (u.pts.0 - u.dts.0) as i32,
                key: u.key,
            };
            let start = (gop[0].dts.0 - base.0) as u64;
            let track = Track { start, samples: gop.iter().map(sample).collect() };
            let offset = bytes.len();
            encode_tables(&mut bytes, 1, gop[0].received, &track, &Track::default()).unwrap();
            track.samples.iter().for_each(|s| bytes.extend_from_slice(&s.data));
            archive.fragment(
                id,
                FragmentRef {
                    offset: offset as u64,
                    bytes: (bytes.len() - offset) as u32,
                    start: gop[0].received,
                    duration_90k: step as u32 * gop.len() as u32,
                    media_start_90k: start,
                    frames: gop.len() as u32,
                    key: true,
                },
            );
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        archive.close(id).unwrap();
    }
}

/// Units that need no footage: `gops` GOPs of two pictures, 1 s each. The data is no video.
pub fn made_up(camera: &str, gops: i64) -> Vec<EncodedUnit> {
    let config = Bytes::from_static(&[1, 66, 0, 30, 255, 225, 0, 4, 0x67, 66, 0, 30, 1, 0, 2, 0x68, 0xce]);
    let rfc6381 = "avc1.42001E".into();
    let params =
        Arc::new(Params::Video(VideoParams { codec: Codec::H264, width: 64, height: 48, config, rfc6381 }));
    let unit = |i: i64| EncodedUnit {
        camera: cam(camera),
        stream: StreamKind::Main,
        connection: 1,
        pts: Pts(i * Pts::HZ / 2),
        dts: Pts(i * Pts::HZ / 2),
        received: START + Duration::from_millis(500 * i as u64),
        key: i % 2 == 0,
        lost_before: 0,
        params: params.clone(),
        data: Bytes::from(vec![0, 0, 0, 4, if i % 2 == 0 { 0x65 } else { 0x41 }, i as u8, 1, 2]),
    };
    (0..gops * 2).map(unit).collect()
}

/// What another program says about a file: `Err` with its words; `None`, said aloud, where it is absent.
pub fn tool(name: &str, args: &[&str]) -> Option<Result<String, String>> {
    let Ok(out) = Command::new(name).args(args).output() else {
        eprintln!("skipped: {name} is not installed");
        return None;
    };
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let clean = out.status.success() && said.is_empty();
    Some(if clean { Ok(String::from_utf8_lossy(&out.stdout).into_owned()) } else { Err(said) })
}

/// Decodes the whole file and panics when ffmpeg finds anything wrong.
pub fn decodes(path: &Path) {
    let path = path.to_str().unwrap();
    let args = ["-v", "error", "-protocol_whitelist", "file", "-i", path, "-f", "null", "-"];
    if let Some(Err(said)) = tool("ffmpeg", &args) {
        panic!("{path}: {said}");
    }
}

/// Rows without their numbers, which a rebuilt index gives anew.
pub fn listing(archive: &Archive, camera: &str) -> Vec<SegmentRow> {
    let mut rows = archive.segments(&cam(camera), StreamKind::Main, ALWAYS).unwrap();
    rows.iter_mut().for_each(|r| r.id = super::SegmentId(0));
    rows
}

/// Gaps of a camera as text, `from..to cause`, in seconds from [`START`].
pub fn gaps(archive: &Archive, camera: &str) -> Vec<String> {
    let span = WallSpan::new(START - Duration::from_secs(3600), START + Duration::from_secs(3600));
    let at = |w: Wall| (w.micros() - START.micros()) as f64 / 1e6;
    let text = |g: super::Gap| {
        let open = if g.open { " open" } else { "" };
        format!("{:.1}..{:.1} {}{open}", at(g.span.start), at(g.span.end), g.cause)
    };
    let covered = archive.coverage(&cam(camera), StreamKind::Main, span).unwrap();
    covered.gaps.into_iter().map(text).collect()
}
