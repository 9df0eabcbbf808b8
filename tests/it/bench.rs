//! The load harness around a real server.

use std::process::Command;

use serde_json::Value;

use crate::support::{machine, server::BIN};

#[test]
fn a_load_run_finds_every_frame_that_was_sent_in_the_recordings() {
    let _machine = machine();
    let out = Command::new(BIN)
        .args(["bench", "record", "--cameras", "4", "--seconds", "8", "--json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    let count = |key: &str| report[key].as_i64().unwrap_or_else(|| panic!("no {key} in {report}"));
    assert_eq!((count("cameras"), count("frames_lost"), count("frames_unsent")), (4, 0, 0), "{report}");
    assert_eq!(count("frames_recorded"), count("frames_sent"), "{report}");
    // Four cameras with 25 frames a second, less what a busy machine lets slip.
    assert!(count("frames_sent") >= 4 * 8 * 20, "{report}");
    for key in [
        "seconds",
        "cpu_ms_per_camera_second",
        "generator_cpu_ms_per_camera_second",
        "rss_mb_per_camera",
        "rss_mb_begin",
        "rss_mb_middle",
        "rss_mb",
        "pss_mb",
    ] {
        assert!(report[key].as_f64().is_some_and(|v| v > 0.0), "{key}: {report}");
    }
}

#[test]
fn a_load_run_without_cameras_is_refused_before_anything_starts() {
    let out = Command::new(BIN).args(["bench", "record", "--cameras", "0"]).output().unwrap();
    assert!(!out.status.success());
    let words = String::from_utf8_lossy(&out.stderr);
    assert!(words.contains("--cameras and --seconds must be at least 1"), "{words}");
}
