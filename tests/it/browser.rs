//! Recordings and live pictures play in a browser with hls.js.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::sim::Sim;
use crate::support::{Site, TestServer, let_pass, part_of_machine, shared_or_skip, wait_for};

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");

/// What is missing for this test, if anything is.
fn missing() -> Option<&'static str> {
    let runs = |what: &str| Command::new(what).arg("--version").output().is_ok_and(|o| o.status.success());
    if !runs("node") {
        return Some("node");
    }
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".into());
    if !Path::new(&chromium).exists() {
        return Some("chromium");
    }
    (!Path::new(DIR).join("node_modules/hls.js").is_dir())
        .then_some("tests/browser/node_modules (npm ci in tests/browser)")
}

fn play(server: &TestServer, plays: &[Value]) -> Vec<Value> {
    let mut node = Command::new("node")
        .arg("play.js")
        .current_dir(DIR)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let job = json!({"api": server.base, "token": server.token(), "plays": plays});
    node.stdin.take().unwrap().write_all(job.to_string().as_bytes()).unwrap();
    let out = node.wait_with_output().unwrap();
    assert!(out.status.success(), "the browser failed");
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn a_recording_a_gap_and_the_live_picture_play_in_hls_js() {
    let shared = shared_or_skip!();
    let _machine = part_of_machine();
    if let Some(what) = missing() {
        eprintln!("skipped: {what} is not there");
        return;
    }
    let clip = shared.join("footage/people-detection-768x432.mp4");
    let sim = Sim::of_clips(&[("people", &clip)]);
    let camera = |on: bool| {
        format!(
            "[[camera]]\nid = \"hall\"\nurl = \"rtsp://127.0.0.1:{}/people\"\nrecord = {on}\nanalytics = \"none\"\n",
            sim.port()
        )
    };
    let stretches = |server: &TestServer, from: Timestamp| -> Vec<f64> {
        let coverage = server.coverage("hall", &from.to_string(), &Timestamp::now().to_string());
        let time = |v: &Value| v.as_str().unwrap().parse::<Timestamp>().unwrap();
        let recorded = coverage["recorded"].as_array().unwrap();
        recorded.iter().map(|s| time(&s["to"]).duration_since(time(&s["from"])).as_secs_f64()).collect()
    };
    let site = Site::new("[recorder]\nsegment = \"4s\"", &camera(true));
    let server = TestServer::start(&site);
    let begun = Timestamp::now();
    wait_for("a first stretch", Duration::from_secs(40), || {
        (*stretches(&server, begun).first()? > 9.9).then_some(())
    });
    // Recording is switched off and on again.
    site.write("[recorder]\nsegment = \"4s\"", &camera(false));
    wait_for("off", Duration::from_secs(10), || {
        (server.json("/api/v1/cameras/hall")["record"] == json!(false)).then_some(())
    });
    let_pass(Duration::from_secs(2));
    site.write("[recorder]\nsegment = \"4s\"", &camera(true));
    wait_for("a second stretch", Duration::from_secs(40), || {
        (*stretches(&server, begun).get(1)? > 7.9).then_some(())
    });
    let told = stretches(&server, begun);
    let to = Timestamp::now();
    let range =
        |from: Timestamp, to: Timestamp| format!("/api/v1/cameras/hall/playback.m3u8?from={from}&to={to}");
    let one_stretch = begun + SignedDuration::from_secs(9);
    let seen = play(
        &server,
        &[
            json!({"url": range(begun, one_stretch), "seconds": 6, "rate": 2, "patience": 30}),
            json!({"url": range(begun, to), "seconds": told[0] + 4.0, "rate": 2, "patience": 40}),
            json!({"url": "/api/v1/cameras/hall/live.m3u8", "seconds": 4, "rate": 1, "patience": 40}),
        ],
    );
    for (what, seen) in ["range", "gap", "live"].iter().zip(&seen) {
        println!("{what}: {seen}");
        assert_eq!(seen["fatal"], json!([]), "{what}: {seen}");
        assert_eq!(seen["why"], "played", "{what}: {seen}");
        assert_eq!((&seen["width"], &seen["height"]), (&json!(768), &json!(432)), "{what}");
        assert!(seen["shown"].as_u64().unwrap() > 20, "{what}: {seen}");
        // Another file: the player went over a segment's end.
        assert!(seen["files"].as_array().unwrap().len() >= 2, "{what}: {seen}");
    }
    assert_eq!(seen[0]["breaks"].as_array().unwrap().len(), 1, "{}", seen[0]);
    assert_eq!(seen[1]["breaks"].as_array().unwrap().len(), 2, "{}", seen[1]);
    assert!(server.stop().success());
}
