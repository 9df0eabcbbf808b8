//! What cameras send beside H.264 over TCP: H.265, UDP, sound.

use std::time::Duration;

use jiff::Timestamp;

use crate::support::cameras::GstServer;
use crate::support::{
    Site, TestServer, media, part_of_machine, server::segment_files, shared_or_skip, wait_for,
};

#[test]
fn sound_and_h265_and_udp_are_recorded_clean() {
    let shared = shared_or_skip!();
    let _machine = part_of_machine();
    if !media::have_ffmpeg() {
        eprintln!("skipped: ffmpeg is not there");
        return;
    }
    let (cars, people) =
        (shared.join("footage/car-detection.mp4"), shared.join("footage/people-detection-1080p25-h265.mp4"));
    let Some(rtsp) = GstServer::start(0, &[("cars", &cars), ("people", &people)], &["--loop"]) else {
        return;
    };
    let cameras = [
        ("cars-tcp", "cars", "tcp", "h264", "aac"),
        ("cars-udp", "cars", "udp", "h264", "aac"),
        ("people-tcp", "people", "tcp", "hevc", ""),
        ("people-udp", "people", "udp", "hevc", ""),
    ];
    let camera = |(id, mount, transport, ..): &(&str, &str, &str, &str, &str)| {
        format!(
            "[[camera]]\nid = \"{id}\"\nurl = \"{}\"\ntransport = \"{transport}\"\nanalytics = \"none\"\n",
            rtsp.url(mount)
        )
    };
    let site = Site::new("[recorder]\nsegment = \"4s\"", &cameras.iter().map(camera).collect::<String>());
    let server = TestServer::start(&site);
    let begun = Timestamp::now().to_string();
    for (id, ..) in &cameras {
        wait_for(&format!("8 s of {id}"), Duration::from_secs(30), || {
            let coverage = server.coverage(id, &begun, &Timestamp::now().to_string());
            (coverage["recorded_seconds"].as_f64()? >= 8.0).then_some(())
        });
    }
    for (id, _, transport, ..) in &cameras {
        let view = server.json(&format!("/api/v1/cameras/{id}"));
        let stream = &view["streams"][0];
        assert_eq!(stream["transport"], *transport, "{view}");
        assert_eq!((&stream["reconnects"], &stream["packets_lost"]), (&0.into(), &0.into()), "{view}");
        let coverage = server.coverage(id, &begun, &Timestamp::now().to_string());
        assert_eq!(coverage["recorded"].as_array().unwrap().len(), 1, "{coverage}");
    }
    assert!(server.stop().success());
    for (id, _, _, video, audio) in &cameras {
        let files = segment_files(&site.archive().join(id));
        assert!(!files.is_empty(), "{id}");
        for file in files {
            let codecs = media::probe(&file, "stream=codec_name");
            let expected: Vec<&str> = [*video, *audio].into_iter().filter(|c| !c.is_empty()).collect();
            assert_eq!(codecs.lines().collect::<Vec<_>>(), expected, "{}", file.display());
            assert_eq!(media::complaints(&file), "", "{}", file.display());
        }
    }
}
