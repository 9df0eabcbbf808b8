//! Files as cameras.

use std::path::PathBuf;

use crate::base::Wall;
use crate::camera::{Pace, SourceSpec, StreamWhat};

use super::{Running, check_line, clip};

fn fast(path: PathBuf) -> SourceSpec {
    SourceSpec::Files { path, pace: Pace::AsFastAsPossible, repeat: false }
}

/// Plays `name` and expects `frames` pictures over `seconds`.
async fn check(name: &str, frames: usize, seconds: f64) {
    let Some(path) = clip(name) else { return };
    let seen = Running::start(fast(path), false).finished().await;
    let pictures = seen.pictures();
    assert_eq!(pictures.len(), frames, "{name}: {:?}", seen.lost());
    check_line(&pictures);
    assert_eq!(seen.events.lock().unwrap().last(), Some(&StreamWhat::Ended));
    // The last picture begins one picture's time before the end.
    let shown = pictures.iter().map(|u| u.pts.0).max().unwrap() as f64 / 90_000.0;
    let expected = seconds * (frames - 1) as f64 / frames as f64;
    assert!((shown - expected).abs() < 0.1, "{name} lasts {shown} s instead of {expected}");
    let received = pictures.last().unwrap().received.since(pictures[0].received).as_secs_f64();
    assert!((received - expected).abs() < 0.2, "{name} is received over {received} s");
}

#[tokio::test]
async fn every_picture_of_every_clip_comes() {
    for (name, frames, seconds) in [
        ("car-detection.mp4", 377, 30.16),
        ("cars_320x240.h264", 30, 1.2),
        ("cars_320x240.h265", 30, 1.2),
        ("classroom-480x270.mp4", 45, 3.75),
        ("crowd-faces-800x450.mp4", 460, 19.19),
        ("empty-room-768x432.mp4", 92, 7.67),
        ("face-demographics-walking-480x270.mp4", 35, 2.92),
        ("faces-mosaic-1080p25.mp4", 250, 10.0),
        ("faces-near-640x480.mp4", 277, 11.08),
        ("head-pose-face-detection-female-and-male-480x270.mp4", 56, 4.67),
        ("one-by-one-person-detection.mp4", 1394, 139.4),
        ("people-detection-1080p25-h264.mp4", 1242, 49.68),
        ("people-detection-1080p25-h265.mp4", 1242, 49.68),
        ("people-detection-768x432.h264", 596, 49.67),
        ("people-detection-768x432.mp4", 596, 49.67),
        ("traffic-640x360.mp4", 480, 20.02),
        ("worker-zone-detection-480x270.mp4", 71, 5.92),
    ] {
        check(name, frames, seconds).await;
    }
}

/// Output order of cars_320x240.h264 by ffmpeg 5.1's decoder (`pkt_pos` of `-show_frames`).
#[tokio::test]
async fn a_raw_stream_gets_its_output_order_from_its_slice_headers() {
    let Some(path) = clip("cars_320x240.h264") else { return };
    let seen = Running::start(fast(path), false).finished().await;
    let places: Vec<i64> = seen.pictures().iter().map(|u| u.pts.0 / 3_600).take(12).collect();
    assert_eq!(places, CARS_PLACES);
    let dts: Vec<i64> = seen.pictures().iter().map(|u| u.dts.0 / 3_600).collect();
    assert!(dts.windows(2).skip(3).all(|p| p[1] - p[0] == 1), "uneven decoding times {dts:?}");
}

const CARS_PLACES: [i64; 12] = [0, 4, 2, 1, 3, 8, 6, 5, 7, 10, 9, 12];

#[tokio::test]
async fn a_folder_plays_in_the_order_of_names_on_one_line() {
    let (Some(a), Some(b)) = (clip("cars_320x240.h265"), clip("cars_320x240.h264")) else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(a, folder.path().join("1.h265")).unwrap();
    std::fs::copy(b, folder.path().join("2.h264")).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "left alone").unwrap();
    std::fs::write(folder.path().join("0-broken.mp4"), "passed over").unwrap();
    let seen = Running::start(fast(folder.path().into()), false).finished().await;
    let pictures = seen.pictures();
    assert_eq!(pictures.len(), 60);
    check_line(&pictures);
    assert_eq!(pictures[29].params.video().unwrap().rfc6381.split('.').next(), Some("hvc1"));
    assert_eq!(pictures[30].params.video().unwrap().rfc6381.split('.').next(), Some("avc1"));
}

#[tokio::test]
async fn repeated_footage_goes_on_on_the_same_line() {
    let Some(path) = clip("cars_320x240.h264") else { return };
    let spec = SourceSpec::Files { path, pace: Pace::AsFastAsPossible, repeat: true };
    let running = Running::start(spec, false);
    running.seen.wait("third round", |units, _| units.len() > 61).await;
    let seen = running.stop().await;
    check_line(&seen.pictures()[..61]);
}

/// Plays a file of `content` under `name` and expects one loss that names it and says `expected`.
async fn check_bad(name: &str, content: &[u8], expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let seen = Running::start(fast(path), false).finished().await;
    let message = seen.lost().expect("nobody complained");
    assert!(message.contains(name) && message.contains(expected), "{message}");
}

#[tokio::test]
async fn what_is_no_footage_is_said_to_be_none() {
    check_bad("letter.mp4", b"Dear Sir or Madam, this is a text file.\n", "neither MP4").await;
    check_bad("nothing.mkv", b"", "empty").await;
    let Some(path) = clip("worker-zone-detection-480x270.mp4") else { return };
    let whole = std::fs::read(path).unwrap();
    check_bad("short.mp4", &whole[..whole.len() / 2], "cut short").await;
}

#[tokio::test]
async fn missing_footage_is_named_and_waited_for() {
    let running = Running::start(fast("/nonexistent/clip.mp4".into()), false);
    running.seen.wait("loss", |_, events| events.len() >= 2).await;
    let message = running.stop().await.lost().unwrap();
    assert!(message.contains("/nonexistent/clip.mp4"), "{message}");
}

#[tokio::test]
async fn real_time_footage_is_received_when_it_is_played() {
    let Some(path) = clip("cars_320x240.h264") else { return };
    let spec = SourceSpec::Files { path, pace: Pace::RealTime, repeat: false };
    let seen = Running::start(spec, false).finished().await;
    let pictures = seen.pictures();
    let (first, last): (Wall, Wall) = (pictures[0].received, pictures[29].received);
    assert!(last.since(first).as_millis() >= 1_000, "{first} to {last}");
    check_line(&pictures);
}
