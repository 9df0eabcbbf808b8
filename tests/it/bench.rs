//! The load harness around a real server. No timing is asserted: the machine may be busy.

use std::path::Path;
use std::process::{Command, Output};

use pingan::bench::{EncodeSettings, Scene, clip_file, scene::Variant};
use serde_json::Value;

use crate::support::{machine, server::BIN};

/// A small moving picture, so that fifty cameras cost little.
fn clips(dir: &Path) {
    let settings = EncodeSettings { width: 320, height: 184, bitrate: 300_000, ..EncodeSettings::main() };
    let mut scene = Scene::demo(Variant::Yard, 1);
    scene.duration = std::time::Duration::from_secs(6);
    clip_file::save(&scene.encode("yard", &settings).unwrap(), &dir.join("yard.mp4")).unwrap();
}

fn bench(args: &[&str], dir: &Path) -> Output {
    let out = Command::new(BIN)
        .arg("bench")
        .args(args)
        .args(["--clips", dir.to_str().unwrap()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out
}

#[test]
fn fifty_cameras_are_recorded_without_a_loss() {
    let _machine = machine();
    let dir = tempfile::tempdir().unwrap();
    clips(dir.path());
    let (folder, page) = (dir.path().to_str().unwrap(), dir.path().join("report.html"));
    let run = ["record", "--cameras", "50", "--seconds", "20", "--json", "--footage", folder];
    let out = bench(&[&run[..], &["--html", page.to_str().unwrap()]].concat(), dir.path());
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    let count = |key: &str| report[key].as_i64().unwrap_or_else(|| panic!("no {key} in {report}"));
    assert_eq!((count("cameras"), count("frames_lost"), count("frames_unsent")), (50, 0, 0), "{report}");
    assert_eq!(count("frames_recorded"), count("frames_sent"), "{report}");
    assert_eq!(count("frames_received"), count("frames_sent"), "{report}");
    assert_eq!((&report["gaps"], count("reconnects")), (&serde_json::json!({}), 0), "{report}");
    // 25 frames a second of each, less what a busy machine lets slip.
    assert!(count("frames_sent") >= 50 * 20 * 20, "{report}");
    for key in [
        "seconds",
        "cpu_ms_per_camera_second",
        "generator_cpu_ms_per_camera_second",
        "machine_cores",
        "rss_mb_per_camera",
        "empty_rss_mb",
        "pss_mb",
        "disk_mb_highest",
    ] {
        assert!(report[key].as_f64().is_some_and(|v| v > 0.0), "{key}: {report}");
    }
    assert!(std::fs::read_to_string(page).unwrap().contains("</svg>"));
}

#[test]
fn cameras_whose_connections_all_break_are_recorded_again() {
    let _machine = machine();
    let dir = tempfile::tempdir().unwrap();
    let out = bench(&["connect", "--cameras", "6", "--mbit", "0.5", "--json"], dir.path());
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(report["sessions"].as_u64() >= Some(12), "{report}");
    for phase in ["start", "break"] {
        let at = |what: &str| report[format!("{phase}_until_all_{what}_s")].as_f64().unwrap();
        assert!(0.0 < at("play") && at("play") <= at("recorded"), "{report}");
    }
}

#[test]
fn a_load_run_without_cameras_is_refused_before_anything_starts() {
    let out = Command::new(BIN).args(["bench", "record", "--cameras", "0"]).output().unwrap();
    assert!(!out.status.success());
    let words = String::from_utf8_lossy(&out.stderr);
    assert!(words.contains("--cameras and --seconds must be at least 1"), "{words}");
}
