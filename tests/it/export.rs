//! A range is taken away as MP4 and played as HLS.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::support::cameras::GstServer;
use crate::support::{Site, TestServer, let_pass, media, part_of_machine, shared_or_skip, wait_for};

/// The clip's GOP: 24 frames at 12 fps.
const GOP: f64 = 2.0;

#[test]
fn a_range_is_exported_within_one_gop_with_its_wall_clock() {
    let shared = shared_or_skip!();
    let _machine = part_of_machine();
    if !media::have_ffmpeg() {
        eprintln!("skipped: ffmpeg is not there");
        return;
    }
    let clip = shared.join("footage/people-detection-768x432.mp4");
    let Some(rtsp) = GstServer::start(0, &[("people", &clip)], &["--loop"]) else { return };
    let site = Site::new(
        "[recorder]\nsegment = \"4s\"",
        &format!(
            "[[camera]]\nid = \"hall\"\nurl = \"rtsp://127.0.0.1:{}/people\"\nanalytics = \"none\"\n",
            rtsp.port
        ),
    );
    let server = TestServer::start(&site);
    wait_for("online", Duration::from_secs(20), || (server.state("hall") == "online").then_some(()));
    let online = Timestamp::now();
    let_pass(Duration::from_secs(14));
    let from = online + SignedDuration::from_secs(3);
    let to = from + SignedDuration::from_secs(7);

    let (status, body) = server.get(&format!("/api/v1/cameras/hall/export.mp4?from={from}&to={to}"));
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    let file = site.dir.path().join("export.mp4");
    std::fs::write(&file, &body).unwrap();
    assert_eq!(media::complaints(&file), "");
    let seconds: f64 = media::probe(&file, "format=duration").parse().unwrap();
    assert!((7.0 - 0.2..=7.0 + 2.0 * GOP).contains(&seconds), "{seconds} s");
    let created: Timestamp = media::probe(&file, "format_tags=creation_time").parse().unwrap();
    let early = from.duration_since(created).as_secs_f64();
    assert!((-0.2..=GOP + 1.0).contains(&early), "starts {early} s before what was asked");

    let (status, playlist) = server.get(&format!("/api/v1/cameras/hall/playback.m3u8?from={from}&to={to}"));
    let playlist = String::from_utf8(playlist).unwrap();
    assert_eq!(status, 200, "{playlist}");
    assert!(playlist.contains("#EXT-X-MAP") && playlist.contains("#EXT-X-PROGRAM-DATE-TIME"), "{playlist}");
    let told: f64 = playlist
        .lines()
        .filter_map(|l| l.strip_prefix("#EXTINF:")?.trim_end_matches(',').parse::<f64>().ok())
        .sum();
    assert!((7.0 - 0.2..=7.0 + 2.0 * GOP).contains(&told), "{told} s in {playlist}");
    let before = online - SignedDuration::from_hours(2);
    let (status, _) = server.get(&format!(
        "/api/v1/cameras/hall/export.mp4?from={before}&to={}",
        before + SignedDuration::from_secs(9)
    ));
    assert_eq!(status, 404);
    assert!(server.stop().success());
}
