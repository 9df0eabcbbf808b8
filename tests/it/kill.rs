//! `kill -9` at any moment: the files stay good, little is lost, the index tells the truth.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use crate::support::cameras::GstServer;
use crate::support::{
    Site, TestServer, let_pass, machine, media, server::segment_files, shared_or_skip, wait_for,
};

const CAMERAS: usize = 8;
/// The clip's GOP: 24 frames at 12 fps.
const GOP: Duration = Duration::from_secs(2);

/// Kills per run: `PINGAN_KILLS` for the long form.
fn kills() -> usize {
    std::env::var("PINGAN_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(3)
}

fn cameras(port: u16, record: bool) -> String {
    (0..CAMERAS)
        .map(|i| {
            format!(
                "[[camera]]\nid = \"cam-{i}\"\nurl = \"rtsp://127.0.0.1:{port}/people\"\nrecord = {record}\nanalytics = \"none\"\n\n"
            )
        })
        .collect()
}

/// Seconds and pictures of all segment files of a camera.
fn on_disk(dir: &Path) -> (f64, u64) {
    let frames: u64 = segment_files(dir).iter().map(|f| media::frames(f)).sum();
    (frames as f64 / 12.0, frames)
}

fn recorded(coverage: &Value) -> Vec<Value> {
    coverage["recorded"].as_array().unwrap().clone()
}

#[test]
fn kill_at_any_moment_loses_at_most_the_open_gop() {
    let shared = shared_or_skip!();
    let _machine = machine();
    if !media::have_ffmpeg() {
        eprintln!("skipped: ffmpeg is not there");
        return;
    }
    let clip = shared.join("footage/people-detection-768x432.mp4");
    let Some(rtsp) = GstServer::start(0, &[("people", &clip)], &["--loop"]) else { return };
    let site = Site::new("[recorder]\nsegment = \"10s\"", &cameras(rtsp.port, true));
    let begun = Timestamp::now().to_string();
    let mut rng = StdRng::seed_from_u64(9);
    let mut killed = Vec::new();
    for round in 0..kills() {
        let server = TestServer::start(&site);
        for i in 0..CAMERAS {
            wait_for("online", Duration::from_secs(20), || {
                (server.state(&format!("cam-{i}")) == "online").then_some(())
            });
        }
        let_pass(Duration::from_millis(rng.random_range(2500..6000)));
        server.kill();
        killed.push(Timestamp::now());
        for file in segment_files(&site.archive()) {
            let said = media::complaints(&file);
            assert!(said.is_empty(), "round {round}: {}: {said}", file.display());
        }
    }
    // Nothing is recorded any more: what is listed must be what is on the disk.
    site.write("[recorder]\nsegment = \"10s\"", &cameras(rtsp.port, false));
    let listed = listing(&site, &begun);
    for (i, coverage) in listed.iter().enumerate() {
        let dir = site.archive().join(format!("cam-{i}"));
        let (seconds, frames) = on_disk(&dir);
        let told = coverage["recorded_seconds"].as_f64().unwrap();
        assert!(
            frames > 0 && (told - seconds).abs() < 0.3 * killed.len() as f64,
            "cam-{i}: told {told} s, {seconds} s on disk"
        );
        let spans = recorded(coverage);
        for kill in &killed {
            let kept = spans
                .iter()
                .filter_map(|s| s["to"].as_str()?.parse::<Timestamp>().ok())
                .filter(|e| e <= kill)
                .max();
            let kept =
                kept.unwrap_or_else(|| panic!("cam-{i}: nothing before the kill at {kill}: {coverage}"));
            let lost = kill.duration_since(kept).unsigned_abs();
            assert!(
                lost < GOP + Duration::from_millis(700),
                "cam-{i}: {lost:?} lost before the kill at {kill}"
            );
        }
        for file in segment_files(&dir) {
            assert_eq!(media::complaints(&file), "", "{}", file.display());
        }
    }
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", site.index().display()));
    }
    let again = listing(&site, &begun);
    for (a, b) in listed.iter().zip(&again) {
        assert_eq!(recorded(a), recorded(b), "the rebuilt index lists something else");
    }
}

fn listing(site: &Site, from: &str) -> Vec<Value> {
    let server = TestServer::start(site);
    let to = Timestamp::now().to_string();
    let all = (0..CAMERAS).map(|i| server.coverage(&format!("cam-{i}"), from, &to)).collect();
    assert!(server.stop().success());
    all
}
