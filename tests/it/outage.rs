//! A camera goes away and comes back.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::support::cameras::GstServer;
use crate::support::{Site, TestServer, let_pass, part_of_machine, shared_or_skip, wait_for};

#[test]
fn an_outage_becomes_a_gap_and_an_alert_that_clears() {
    let shared = shared_or_skip!();
    let _machine = part_of_machine();
    let clip = shared.join("footage/people-detection-768x432.mp4");
    let Some(rtsp) = GstServer::start(0, &[("people", &clip)], &["--loop"]) else { return };
    let port = rtsp.port;
    let site = Site::new(
        "",
        &format!(
            "[[camera]]\nid = \"gate\"\nurl = \"rtsp://127.0.0.1:{port}/people\"\nsilence = \"3s\"\nanalytics = \"none\"\n\
             [[camera.rule]]\nid = \"lost\"\nkind = \"camera_lost\"\nafter = \"2s\"\n"
        ),
    );
    let server = TestServer::start(&site);
    let begun = Timestamp::now().to_string();
    wait_for("online", Duration::from_secs(20), || (server.state("gate") == "online").then_some(()));
    let_pass(Duration::from_secs(5));

    drop(rtsp);
    wait_for("camera lost", Duration::from_secs(20), || {
        server.alerts("kind=camera_lost").first().filter(|a| a["ended"].is_null()).cloned()
    });
    assert_eq!(server.state("gate"), "offline");

    let Some(_rtsp) = GstServer::start(port, &[("people", &clip)], &["--loop"]) else { return };
    let back = Timestamp::now();
    let segments = |server: &TestServer| {
        let c = server.coverage("gate", &begun, &Timestamp::now().to_string());
        c["recorded"].as_array().unwrap().len()
    };
    wait_for("recording again", Duration::from_secs(15), || (segments(&server) == 2).then_some(()));
    let coverage = server.coverage("gate", &begun, &Timestamp::now().to_string());
    // The first recorded picture: the gap ends there, though its fragment is listed only when whole.
    let again: Timestamp = coverage["recorded"][1]["from"].as_str().unwrap().parse().unwrap();
    let waited = again.duration_since(back);
    println!("recorded again {waited:#} after the camera came back");
    assert!(waited < SignedDuration::from_secs(5), "{waited:#}");
    let gaps = coverage["gaps"].as_array().unwrap();
    let outage =
        gaps.iter().find(|g| g["cause"] == "camera_lost").unwrap_or_else(|| panic!("no gap in {coverage}"));
    assert!(!outage["note"].as_str().unwrap().is_empty(), "{outage}");
    let alerts = wait_for("the alert cleared", Duration::from_secs(10), || {
        let alerts = server.alerts("kind=camera_lost");
        (!alerts[0]["ended"].is_null()).then_some(alerts)
    });
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert!(server.stop().success());
}
