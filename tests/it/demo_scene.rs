//! The demo's made scenes, served by the simulator and watched without models: motion finds what the
//! scenes' exact truth says.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pingan::bench::scene::demo::ROUND;
use pingan::bench::simulate::demo_scene;
use pingan::rules::{Anchor, Direction};
use serde_json::Value;

use crate::support::sim::Sim;
use crate::support::{Site, TestServer, part_of_machine, wait_for};

/// The demo site's cameras in the order in which the simulator plays its scenes.
const CAMERAS: [&str; 3] = ["yard", "street", "gate"];
/// How far an event may lie from its truth, seconds: five frames of analysis.
const TOLERANCE: f64 = 1.0;

/// Something that happens: kind of the rule, direction of a crossing, seconds since the round's start.
#[derive(Clone, PartialEq, Debug)]
struct Event {
    kind: String,
    direction: Option<String>,
    at: f64,
}

/// What the camera's rules must tell of one round.
fn truth(camera: usize, rules: &Value) -> Vec<Event> {
    let scene = demo_scene(camera, None);
    let truth = scene.truth();
    let mut events = Vec::new();
    for rule in rules.as_array().unwrap() {
        let kind = rule["kind"].as_str().unwrap().to_owned();
        let event = |at: f64, direction: Option<&str>| Event {
            kind: kind.clone(),
            direction: direction.map(Into::into),
            at,
        };
        let (a, b) = scene.variant.line();
        let stays = truth.occupancy(&scene.variant.zone(), Anchor::Foot);
        match kind.as_str() {
            "line_crossing" => events.extend(truth.crossings(a, b, Anchor::Foot).iter().map(|c| {
                let left = c.direction == Direction::ToLeft;
                event(c.at.as_secs_f64(), Some(if left { "to_left" } else { "to_right" }))
            })),
            "intrusion" => events.extend(stays.iter().map(|s| event(s.from.as_secs_f64(), None))),
            "loitering" => {
                let dwell = rule["seconds"].as_f64().unwrap();
                let long = stays.iter().filter(|s| (s.to - s.from).as_secs_f64() > dwell);
                events.extend(long.map(|s| event(s.from.as_secs_f64() + dwell, None)));
            }
            _ => {}
        }
    }
    events
}

/// Each true event with the told one that is nearest, if one is near enough; and what is told beside.
fn matched(truth: &[Event], told: &[Event]) -> (Vec<(Event, Option<f64>)>, Vec<Event>) {
    let mut left = told.to_vec();
    let off = |t: &Event, e: &Event| (e.at - t.at).abs();
    let found = truth
        .iter()
        .map(|t| {
            let same = left
                .iter()
                .enumerate()
                .filter(|(_, e)| e.kind == t.kind && e.direction == t.direction && off(t, e) <= TOLERANCE);
            let best = same.min_by(|x, y| off(t, x.1).total_cmp(&off(t, y.1))).map(|(i, _)| i);
            (t.clone(), best.map(|i| left.remove(i).at - t.at))
        })
        .collect();
    (found, left)
}

#[test]
fn motion_finds_what_happens_in_the_demo_and_nothing_else() {
    let _machine = part_of_machine();
    let sim = Sim::of_scenes();
    let demo = include_str!("../../config/demo.toml");
    // The demo site but for where it listens and keeps its data.
    let cameras = &demo[demo.find("[recorder]").unwrap()..];
    let site = Site::new("", &cameras.replace(":8554", &format!(":{}", sim.port())));
    let server = TestServer::start(&site);
    let view = |camera: &str| server.json(&format!("/api/v1/cameras/{camera}"));
    let time = |v: &Value| v.as_str().and_then(|t| t.parse::<Timestamp>().ok());
    // A session begins at the round's start; the sub stream is the one looked at.
    let starts = CAMERAS.map(|camera| {
        wait_for(camera, Duration::from_secs(20), || {
            let view = view(camera);
            let sub = view["streams"].as_array()?.iter().find(|s| s["stream"] == "sub")?;
            (sub["state"] == "online").then(|| time(&sub["since"])).flatten()
        })
    });
    let round = SignedDuration::try_from(ROUND).unwrap();
    let (mut all, mut lost, mut more) = (0, Vec::new(), Vec::new());
    for (i, (camera, start)) in CAMERAS.iter().zip(starts).enumerate() {
        wait_for("the round's end", ROUND + Duration::from_secs(20), || {
            (time(&view(camera)["analysis"]["last_frame"])? > start + round).then_some(())
        });
        let told: Vec<Event> = server
            .alerts(&format!("camera={camera}&to={}", start + round))
            .iter()
            .map(|a| Event {
                kind: a["kind"].as_str().unwrap().to_owned(),
                direction: a["direction"].as_str().map(Into::into),
                at: time(&a["at"]).unwrap().duration_since(start).as_secs_f64(),
            })
            .collect();
        let (found, extra) = matched(&truth(i, &view(camera)["rules"]), &told);
        for (event, off) in &found {
            println!("{camera} {event:?}: {off:?} s off");
        }
        println!("{camera} beside: {extra:?}");
        all += found.len();
        lost.extend(found.into_iter().filter(|(_, off)| off.is_none()).map(|(e, _)| (camera, e)));
        more.extend(extra.into_iter().map(|e| (camera, e)));
    }
    println!("demo: {} of {all} events found, {} extra", all - lost.len(), more.len());
    assert_eq!(all, 14, "events in the truth");
    assert!(lost.is_empty() && more.is_empty(), "not found: {lost:?}; told beside: {more:?}");
    assert!(server.stop().success());
}
