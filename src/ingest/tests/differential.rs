//! Our client and retina see the same access units in the same packets.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::bench::clip::Clip;
use crate::camera::Transport;
use crate::ingest::direct::DirectSource;
use crate::ingest::rtsp::RtspSource;
use crate::ingest::{Error, Source, SourceUnit};
use crate::media::{Codec, Params};

use super::cut::Cutter;
use super::scripted::{Script, framed};
use super::{clip, wanted};

/// What is played.
struct Case {
    clip: Arc<Clip>,
    /// Of the RTP packets, 0 to 1.
    loss: f64,
    seed: u64,
    /// RTP time of the first picture.
    begin: u32,
    /// Parameter sets stand in the session description; otherwise with each keyframe.
    described: bool,
}

/// Parameter sets of an avcC or hvcC.
fn sets(codec: Codec, config: &[u8]) -> Vec<Bytes> {
    let (arrays, mut rest) =
        if codec == Codec::H265 { (usize::from(config[22]), &config[23..]) } else { (2, &config[5..]) };
    let mut found = Vec::new();
    for _ in 0..arrays {
        let count = if codec == Codec::H265 {
            let count = u16::from_be_bytes([rest[1], rest[2]]);
            rest = &rest[3..];
            count
        } else {
            let count = u16::from(rest[0] & 0x1f);
            rest = &rest[1..];
            count
        };
        for _ in 0..count {
            let len = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
            let nal = &rest[2..2 + len];
            // x265's record also holds a message about itself.
            if codec != Codec::H265 || (32..=34).contains(&(nal[0] >> 1)) {
                found.push(Bytes::copy_from_slice(nal));
            }
            rest = &rest[2 + len..];
        }
    }
    found
}

fn described(codec: Codec, sets: &[Bytes]) -> String {
    let sets: Vec<String> = sets.iter().map(|s| BASE64.encode(s)).collect();
    match (codec, &sets[..]) {
        (Codec::H265, [vps, sps, pps]) => {
            format!("a=fmtp:96 sprop-vps={vps};sprop-sps={sps};sprop-pps={pps}\r\n")
        }
        _ => format!("a=fmtp:96 packetization-mode=1;sprop-parameter-sets={}\r\n", sets.join(",")),
    }
}

const UNITS: usize = 150;

/// The clip's packets as a camera would send them; and how many are missing.
fn script(case: &Case) -> (Script, usize) {
    let clip = &case.clip;
    let codec = clip.params.codec;
    let sets = sets(codec, &clip.params.config);
    let mut video = Cutter::new(codec, 96, case.seed);
    for unit in clip.units.iter().take(UNITS) {
        let timestamp = case.begin.wrapping_add(unit.pts.0 as u32);
        let sets = if unit.key && !case.described { &sets[..] } else { &[] };
        video.picture(timestamp, sets, &unit.data);
    }
    let lost = video.lose(case.loss);
    let mut media: Vec<Vec<u8>> = video.packets.iter().map(|p| framed(0, p)).collect();
    let mut rng = StdRng::seed_from_u64(case.seed);
    let coding = if codec == Codec::H265 { "H265" } else { "H264" };
    let mut sdp = format!(
        "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\na=control:*\r\n\
         m=video 0 RTP/AVP 96\r\na=rtpmap:96 {coding}/90000\r\na=control:video\r\n"
    );
    if case.described {
        sdp += &described(codec, &sets);
    }
    let mut info = format!("url=video;seq=0;rtptime={}", case.begin);
    if let Some(audio) = &clip.audio {
        let rate = audio.params.sample_rate;
        let mut sound = Cutter::new(Codec::Aac, 97, case.seed);
        let mut frames = &audio.frames[..UNITS];
        while !frames.is_empty() {
            let (some, rest) = frames.split_at(frames.len().min(rng.random_range(1..4)));
            let at = some[0].0.0 * i64::from(rate) / 90_000;
            let data: Vec<Bytes> = some.iter().map(|(_, f)| f.clone()).collect();
            sound.sound(case.begin.wrapping_add(at as u32), &data);
            frames = rest;
        }
        let config: String = audio.params.config.iter().map(|b| format!("{b:02x}")).collect();
        sdp += &format!(
            "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/{rate}/2\r\na=control:audio\r\n\
             a=fmtp:97 mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config={config}\r\n"
        );
        info += &format!(",url=audio;seq=0;rtptime={}", case.begin);
        // Between the pictures, in order.
        for packet in sound.packets.iter().rev() {
            media.insert(rng.random_range(0..media.len() / 4), framed(2, packet));
        }
        let mut sounds = sound.packets.iter();
        for slot in media.iter_mut().filter(|m| m[1] == 2) {
            *slot = framed(2, sounds.next().unwrap());
        }
    }
    let pieces = (0..7).map(|_| rng.random_range(1..40_000)).collect();
    let script = Script { sdp, media: media.concat(), pieces, rtp_info: Some(info), ..Script::default() };
    (script, lost)
}

/// All units up to the end of the connection.
async fn all(mut source: Box<dyn Source>) -> Vec<SourceUnit> {
    let mut units = Vec::new();
    loop {
        match source.next().await {
            Ok(Some(unit)) => units.push(unit),
            Err(Error::Closed { .. }) => return units,
            other => panic!("after {} units: {other:?}", units.len()),
        }
    }
}

/// What both clients must agree on, of one kind of stream.
fn seen(units: &[SourceUnit], video: bool) -> Vec<(i64, bool, &Bytes)> {
    let of_kind = units.iter().filter(|u| u.params.video().is_some() == video);
    of_kind.map(|u| (u.pts, u.key, &u.data)).collect()
}

fn check_params(ours: &Params, theirs: &Params) {
    let (Params::Video(ours), Params::Video(theirs)) = (ours, theirs) else {
        return assert_eq!(ours, theirs);
    };
    assert_eq!((ours.width, ours.height, &ours.rfc6381), (theirs.width, theirs.height, &theirs.rfc6381));
    let mut theirs_sets = sets(theirs.codec, &theirs.config);
    let mut ours_sets = sets(ours.codec, &ours.config);
    theirs_sets.sort();
    ours_sets.sort();
    assert_eq!(ours_sets, theirs_sets);
}

async fn check(case: Case) {
    let (script, lost) = script(&case);
    let camera = script.serve().await;
    let ours = DirectSource::open(&camera.url, None, wanted(Transport::Tcp, true, 8 << 20)).await.unwrap();
    let ours = all(Box::new(ours)).await;
    let theirs = RtspSource::open(&camera.url, None, Transport::Tcp, true).await.unwrap();
    let theirs = all(Box::new(theirs)).await;
    for video in [true, false] {
        let (ours, theirs) = (seen(&ours, video), seen(&theirs, video));
        let differs = ours.iter().zip(&theirs).position(|(a, b)| a != b);
        assert!(differs.is_none(), "seed {}: unit {differs:?} differs", case.seed);
        assert_eq!(ours.len(), theirs.len(), "seed {}", case.seed);
        assert!(!video || ours.len() > 20, "seed {}: {} units", case.seed, ours.len());
    }
    check_params(&ours[0].params, &theirs[0].params);
    let told: u32 = ours.iter().map(|u| u.lost_before).sum();
    // What is lost behind the last unit is told with none.
    assert!(told as usize <= lost && (lost == 0) == (told == 0), "{told} of {lost} lost packets were told");
    let ours = ours.iter().filter(|u| u.params.video().is_some());
    for (ours, theirs) in ours.zip(theirs.iter().filter(|u| u.params.video().is_some())) {
        assert!(ours.lost_before >= theirs.lost_before, "at {}", ours.pts);
    }
}

fn footage(name: &str) -> Option<Arc<Clip>> {
    Some(Arc::new(Clip::load(&clip(name)?).unwrap()))
}

async fn check_clip(name: &str) {
    let Some(clip) = footage(name) else { return };
    for seed in 0..6 {
        let case = Case {
            clip: clip.clone(),
            loss: [0.0, 0.0005, 0.005][seed as usize % 3],
            seed,
            // The time wraps within the clip.
            begin: if seed % 2 == 0 { u32::MAX - 90_000 } else { 7 },
            // With loss, retina waits for a keyframe that arrives whole before it knows the sets.
            described: seed % 3 != 0,
        };
        check(case).await;
    }
}

/// Over UDP, shuffled within eight packets and thinned out, against the same packets in order over TCP.
async fn check_udp(clip: &Arc<Clip>, loss: f64, seed: u64) {
    let codec = clip.params.codec;
    let mut video = Cutter::new(codec, 96, seed);
    for unit in clip.units.iter().take(40) {
        video.picture(unit.pts.0 as u32, &[], &unit.data);
    }
    video.lose(loss);
    let sets = described(codec, &sets(codec, &clip.params.config));
    let sdp = format!(
        "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n{sets}"
    );
    let media = video.packets.iter().flat_map(|p| framed(0, p)).collect();
    let mut datagrams = video.packets.clone();
    let mut rng = StdRng::seed_from_u64(seed);
    datagrams[1..].chunks_mut(8).for_each(|some| some.shuffle(&mut rng));
    let script = Script { sdp, media, datagrams, pieces: vec![30_000], ..Script::default() };
    let in_order = Script { datagrams: Vec::new(), ..script.clone() }.serve().await;
    let source = DirectSource::open(&in_order.url, None, wanted(Transport::Tcp, false, 8 << 20)).await;
    let expected = all(Box::new(source.unwrap())).await;
    assert!(expected.len() > 10 && (loss > 0.0 || expected.len() >= 39), "{}", expected.len());

    let camera = script.serve().await;
    let source = DirectSource::open(&camera.url, None, wanted(Transport::Udp, false, 8 << 20)).await;
    let mut source = source.unwrap();
    for (n, expected) in expected.iter().enumerate() {
        let unit = source.next().await.unwrap().unwrap();
        let (seen, expected) =
            ((unit.pts, unit.lost_before, unit.data), (expected.pts, expected.lost_before, &expected.data));
        assert!(
            seen.0 == expected.0 && seen.1 == expected.1 && seen.2 == *expected.2,
            "seed {seed}: unit {n}"
        );
    }
}

#[tokio::test]
async fn over_udp_order_is_restored_and_loss_is_counted() {
    let Some(clip) = footage("classroom-480x270.mp4") else { return };
    for seed in 0..4 {
        check_udp(&clip, if seed % 2 == 0 { 0.0 } else { 0.01 }, seed).await;
    }
}

#[tokio::test]
async fn h264_is_seen_the_same() {
    check_clip("people-detection-768x432.mp4").await;
    check_clip("faces-near-640x480.mp4").await;
}

#[tokio::test]
async fn h265_is_seen_the_same() {
    check_clip("people-detection-1080p25-h265.mp4").await;
}

#[tokio::test]
async fn sound_beside_the_picture_is_seen_the_same() {
    check_clip("car-detection.mp4").await;
}
