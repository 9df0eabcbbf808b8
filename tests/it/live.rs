//! Clips with known truth, served in real time by an RTSP server that is not ours, watched with
//! models: every event is found, nothing else is raised.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use pingan::base::{CameraId, Wall};
use pingan::bench::eval::facts::{self, Score};
use pingan::bench::eval::judge;
use pingan::bench::eval::truth::{ClipTruth, Data};
use pingan::infer::Class;
use pingan::media::BBox;
use pingan::rules::event::Edge;
use pingan::rules::{Anchor, Direction, RuleEvent, RuleId, RuleKind, RuleSpec, Severity, Subject};
use pingan::track::TrackId;
use serde_json::Value;

use crate::support::cameras::GstServer;
use crate::support::{Site, TestServer, machine, shared_or_skip, wait_for};

/// The short clips, or those whose names contain a word of `PINGAN_LIVE` (`people,one-by-one`): they are
/// watched at the same time, two models on each, so name no more than the machine can carry.
fn clips() -> Vec<&'static str> {
    let all = [
        "worker-zone-detection-480x270.mp4",
        "faces-near-640x480.mp4",
        "empty-room-768x432.mp4",
        "people-detection-768x432.mp4",
        "people-detection-1080p25-h264.mp4",
        "people-detection-1080p25-h265.mp4",
        "one-by-one-person-detection.mp4",
    ];
    match std::env::var("PINGAN_LIVE") {
        Ok(words) => all.into_iter().filter(|c| words.split(',').any(|w| c.contains(w))).collect(),
        Err(_) => all[..3].to_vec(),
    }
}

fn camera_id(file: &str) -> String {
    file.trim_end_matches(".mp4").replace('.', "-")
}

/// A rule as it stands in a configuration file.
fn rule_toml(rule: &RuleSpec) -> String {
    let mut text = format!(
        "  [[camera.rule]]\n  id = \"{}\"\n  kind = \"{}\"\n  cooldown = \"0s\"\n  min_score = {}\n",
        rule.id,
        rule.kind.as_str(),
        rule.min_score
    );
    if !matches!(rule.kind, RuleKind::FaceSeen { .. }) {
        let classes: Vec<String> = rule.classes.iter().map(|c| format!("\"{c}\"")).collect();
        let _ = writeln!(text, "  classes = [{}]", classes.join(", "));
    }
    let anchor_name = |a: &Anchor| if *a == Anchor::Foot { "foot" } else { "center" };
    let zone_list = |z: &pingan::media::Polygon| {
        z.points().iter().map(|p| format!("[{:?}, {:?}]", p.x, p.y)).collect::<Vec<_>>().join(", ")
    };
    match &rule.kind {
        RuleKind::LineCrossing { a, b, direction, anchor } => {
            assert_eq!(*direction, Direction::Both);
            let _ = writeln!(
                text,
                "  line = [[{:?}, {:?}], [{:?}, {:?}]]\n  direction = \"both\"\n  anchor = \"{}\"",
                a.x,
                a.y,
                b.x,
                b.y,
                anchor_name(anchor)
            );
        }
        RuleKind::Intrusion { zone, anchor } => {
            let _ = writeln!(text, "  zone = [{}]\n  anchor = \"{}\"", zone_list(zone), anchor_name(anchor));
        }
        RuleKind::Loitering { zone, anchor, dwell } => {
            let _ = writeln!(
                text,
                "  zone = [{}]\n  anchor = \"{}\"\n  dwell = \"{}s\"",
                zone_list(zone),
                anchor_name(anchor),
                dwell.as_secs()
            );
        }
        _ => {}
    }
    text
}

/// An alert as the rule events it was made of.
fn events_of(alert: &Value) -> Vec<RuleEvent> {
    let text = |key: &str| alert[key].as_str().unwrap_or_default().to_owned();
    let direction = match alert["direction"].as_str() {
        Some("to_left") => Some("to_left"),
        Some("to_right") => Some("to_right"),
        _ => None,
    };
    let subject = Subject::Track {
        id: TrackId(alert["track"].as_u64().unwrap_or(0)),
        class: Class::Person,
        bbox: BBox::default(),
        score: 1.0,
        direction,
        dwell: None,
    };
    let event = |at: Wall, edge: Edge| RuleEvent {
        camera: CameraId::new("live").unwrap(),
        rule: RuleId(text("rule")),
        kind: "",
        severity: Severity::Info,
        at,
        subject: subject.clone(),
        edge,
        message: String::new(),
        cooldown: Duration::ZERO,
    };
    let mut events = vec![event(text("at").parse().unwrap(), Edge::Begin)];
    if let Some(ended) = alert["ended"].as_str() {
        events.push(event(ended.parse().unwrap(), Edge::End));
    }
    events
}

#[test]
fn every_true_event_is_found_live_and_nothing_else_is_raised() {
    let shared = shared_or_skip!();
    let _machine = machine();
    if pingan::infer::runtime::Runtime::start(None).is_err() {
        eprintln!("skipped: ONNX Runtime is not there");
        return;
    }
    let data = Data(shared.clone());
    let truth = data.events().unwrap();
    let paths: BTreeMap<&str, std::path::PathBuf> = clips().into_iter().map(|c| (c, data.clip(c))).collect();
    let ids: Vec<String> = paths.keys().map(|c| camera_id(c)).collect();
    let mounts: Vec<(&str, &std::path::Path)> =
        ids.iter().zip(paths.values()).map(|(id, p)| (id.as_str(), p.as_path())).collect();
    let Some(rtsp) = GstServer::start(0, &mounts, &[]) else { return };
    let clip_truth = |file: &str| -> &ClipTruth {
        truth.clips.iter().find(|c| c.files.iter().any(|f| f == file)).unwrap()
    };
    let mut cameras = String::new();
    for (file, id) in paths.keys().zip(&ids) {
        let rules = facts::rules(clip_truth(file)).unwrap();
        let _ = writeln!(
            cameras,
            "[[camera]]\nid = \"{id}\"\nurl = \"{}\"\nanalytics = \"people-faces\"\nfps = 12.5\ncamera_lost = false\n",
            rtsp.url(id)
        );
        cameras.extend(rules.iter().map(rule_toml));
    }
    let site = Site::new("", &cameras);
    for model in ["yolox_nano", "yunet"] {
        site.pull(model, &shared.join("models"));
    }
    let server = TestServer::start(&site);
    let begun = Wall::from(jiff::Timestamp::now()).to_string();
    let mut sum = Score::default();
    for (file, id) in paths.keys().zip(&ids) {
        let truth_of = clip_truth(file);
        // The first stretch of recording is the clip, played once.
        let played = wait_for(file, Duration::from_secs(240), || {
            let coverage = server.coverage(id, &begun, &jiff::Timestamp::now().to_string());
            let first = coverage["recorded"][0].clone();
            let end = first["to"].as_str()?.to_owned();
            // RFC 3339 in UTC with milliseconds sorts as text.
            let gaps = coverage["gaps"].as_array()?;
            gaps.iter().any(|g| g["from"].as_str().is_some_and(|from| *from >= *end)).then_some(first)
        });
        let start: Wall = played["from"].as_str().unwrap().parse().unwrap();
        let end: Wall = played["to"].as_str().unwrap().parse().unwrap();
        let events: Vec<RuleEvent> = server
            .alerts(&format!("camera={id}&from={begun}"))
            .iter()
            .flat_map(events_of)
            .filter(|e| e.at <= end + Duration::from_secs(1))
            .collect();
        for fact in judge::score(truth_of, &events, start, end, truth.tolerance_s) {
            println!("{file} {}: {:?} {}", fact.rule, fact.score, fact.notes.join("; "));
            sum += fact.score;
        }
    }
    println!("live: {sum:?}");
    assert_eq!((sum.found, sum.extra), (sum.expected, 0));
    assert!(server.stop().success());
}
