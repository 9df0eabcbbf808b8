//! A camera whose profile looks at nothing costs no decoding.

use std::time::Duration;

use crate::support::{Site, TestServer, shared_or_skip, wait_for};

#[test]
fn a_camera_that_is_only_recorded_is_not_decoded() {
    let clip = shared_or_skip!().join("footage/people-detection-768x432.mp4");
    let camera = |id: &str, profile: &str| {
        format!("[[camera]]\nid = \"{id}\"\nurl = \"{}\"\nanalytics = \"{profile}\"\n", clip.display())
    };
    let site = Site::new("", &(camera("recorded", "none") + &camera("watched", "motion")));
    let server = TestServer::start(&site);
    let units = |id: &str| server.json(&format!("/api/v1/cameras/{id}"))["streams"][0]["units"].as_u64();
    wait_for("a recorded stream", Duration::from_secs(20), || units("recorded").filter(|n| *n > 24));
    let decoded = |id: &str| {
        let metrics = String::from_utf8(server.get("/metrics").1).unwrap();
        metrics.lines().any(|l| l.starts_with("pingan_decode_frames_total{") && l.contains(id))
    };
    wait_for("a decoded frame", Duration::from_secs(20), || decoded("watched").then_some(()));
    assert!(!decoded("recorded"));
}
