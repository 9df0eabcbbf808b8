//! The rules on a shared scene whose truth is known.

use super::*;
use crate::track::{Settings, TrackNumbers, Tracker, truth};

fn seconds(v: &serde_json::Value) -> f64 {
    v.as_f64().unwrap()
}

#[test]
fn real_scene_gives_every_crossing_and_zone_span_of_the_truth_and_nothing_else() {
    let Some(frames) = truth::detections("people-detection.dets.txt", 596) else { return };
    let text = std::fs::read_to_string(truth::path("events.json").expect("beside the detections")).unwrap();
    let truth: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (clip, tolerance) = (&truth["clips"][0], seconds(&truth["tolerance_s"]));
    let points = |v: &serde_json::Value| -> Vec<Point> {
        let point = |p: &serde_json::Value| Point::new(seconds(&p[0]) as f32, seconds(&p[1]) as f32);
        v.as_array().unwrap().iter().map(point).collect()
    };
    let anchor = |v: &serde_json::Value| if v["anchor"] == "foot" { Anchor::Foot } else { Anchor::Center };

    let mut specs = Vec::new();
    // Rule and direction with the times at which it must speak.
    let mut expected: Vec<(String, &str, Vec<f64>)> = Vec::new();
    for l in clip["line_crossings"].as_array().unwrap() {
        let (ab, name) = (points(&l["line"]), l["name"].as_str().unwrap());
        let (a, b) = (ab[0], ab[1]);
        specs
            .push(spec(name, RuleKind::LineCrossing { a, b, direction: Direction::Both, anchor: anchor(l) }));
        let times = |k: &str| -> Vec<f64> {
            let all = l.get(k).and_then(|v| v.as_array()).cloned().unwrap_or_default();
            all.iter().map(|c| seconds(&c["t"])).collect()
        };
        // A line from left to right has up on its left; one from top to bottom has right there.
        let (left, right) = if name == "entry" { ("upward", "downward") } else { ("rightward", "leftward") };
        expected.push((name.into(), "to_left", times(left)));
        expected.push((name.into(), "to_right", times(right)));
    }
    let zone = &clip["zones"][0];
    let polygon = Polygon::new(points(&zone["polygon"])).unwrap();
    specs.push(spec("zone", RuleKind::Intrusion { zone: polygon, anchor: anchor(zone) }));

    // 12 and 6 frames a second.
    for every in [1, 2] {
        let mut tracker = Tracker::new(Settings::default(), TrackNumbers::default());
        let mut rules = RuleSet::new(camera(), specs.clone());
        let mut events = Vec::new();
        for (_, at, detections) in frames.iter().skip(every - 1).step_by(every) {
            events.extend(rules.on_tracks(&tracker.step(*at, detections)));
        }
        for (name, direction, times) in &expected {
            let of = |e: &&RuleEvent| {
                e.rule.0 == *name
                    && matches!(e.subject, Subject::Track { direction: Some(d), .. } if d == *direction)
            };
            let mut found: Vec<f64> = events.iter().filter(of).map(|e| e.at.as_secs_f64()).collect();
            found.sort_by(f64::total_cmp);
            let near = found.iter().zip(times).all(|(f, t)| (f - t).abs() <= tolerance);
            assert!(found.len() == times.len() && near, "{name} {direction}: {found:?}, truth {times:?}");
        }
        let spans = occupied(&events, &RuleId("zone".into()), Wall::from_secs(50));
        let truth: Vec<_> = zone["occupied"].as_array().unwrap().iter().collect();
        eprintln!("zone spans at each {every}th frame: {spans:?}");
        assert_eq!(spans.len(), truth.len(), "{spans:?}");
        for (span, t) in spans.iter().zip(truth) {
            let starts = (span.start.as_secs_f64() - seconds(&t[0])).abs();
            let ends = (span.end.as_secs_f64() - seconds(&t[1])).abs();
            assert!(starts <= tolerance && ends <= tolerance, "{span:?} against {t}");
        }
    }
}
