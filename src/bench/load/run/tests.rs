//! Load runs around servers that are none.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::super::site::Site;
use super::*;
use crate::bench::encode::{EncodeSettings, encode};
use crate::media::I420;

fn small_run(folder: &Path) -> LoadRun {
    let settings =
        EncodeSettings { width: 64, height: 48, bitrate: 200_000, gop: 10, ..EncodeSettings::main() };
    let frame = |i: usize| I420::packed(64, 48, vec![i as u8 * 4; 64 * 72]).unwrap();
    let clip = encode("grey", &settings, 50, frame).unwrap();
    LoadRun {
        cameras: 1,
        measured: Duration::from_secs(1),
        settle: Duration::from_secs(1),
        clips: vec![CameraClips::recorded(Arc::new(clip))],
        send: Send::PerUnit,
        together: false,
        folder: folder.into(),
        disk_budget: 1_000_000_000,
        watched: false,
        compare: Vec::new(),
    }
}

fn under_test<'a>(
    config: impl Fn(&Site) -> anyhow::Result<String> + 'a,
    serve: impl Fn(&Path) -> Command + 'a,
) -> Server<'a> {
    Server { config: Box::new(config), serve: Box::new(serve), token: None }
}

/// ffmpeg stands in for the server: the harness must find every frame it sent in ffmpeg's file.
#[tokio::test(flavor = "multi_thread")]
async fn every_frame_sent_is_found_in_the_recording_of_a_server_that_loses_none() {
    if Command::new("ffmpeg").arg("-version").output().is_err() {
        eprintln!("skipped: ffmpeg is not there");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let run = small_run(dir.path());
    let config = |site: &Site| Ok(format!("{} {}", site.cameras[0].url, site.data.display()));
    let server = |file: &Path| {
        let text = fs::read_to_string(file).unwrap();
        let (url, data) = text.split_once(' ').unwrap();
        let mut command = Command::new("ffmpeg");
        // Without the limit ffmpeg looks at the stream for 5 s before it writes the first frame.
        command.args(["-nostdin", "-v", "error", "-analyzeduration", "100000", "-probesize", "1000"]);
        // A silent stream keeps ffmpeg from seeing SIGTERM; after 2 s it ends by itself.
        command.args(["-timeout", "2000000", "-rtsp_transport", "tcp", "-i", url, "-c", "copy"]);
        command.args(["-movflags", "frag_keyframe+empty_moov"]).arg(format!("{data}/out.mp4"));
        command
    };
    let report = run.measure(&under_test(config, server), &Stop::new()).await.unwrap().record;
    assert!(report.frames_sent >= 25 && report.frames_unsent == 0, "{report}");
    assert_eq!(report.frames_lost, 0, "{report}");
    assert!(report.costs.rss_mb > 1.0 && report.seconds >= 1.0, "{report}");
    let json = serde_json::to_value(&report).unwrap();
    for key in ["cpu_ms_per_camera_second", "rss_mb_per_camera", "generator_cpu_ms_per_camera_second"] {
        assert!(json[key].is_f64(), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_is_an_error_with_its_last_words() {
    let dir = tempfile::tempdir().unwrap();
    let server = |_: &Path| {
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'disk on fire'; exit 3"]);
        command
    };
    let server = under_test(|_| Ok(String::new()), server);
    let error = small_run(dir.path()).measure(&server, &Stop::new()).await.unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("ended before") && error.contains("disk on fire"), "{error}");
}
