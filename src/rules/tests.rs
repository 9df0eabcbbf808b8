//! Behaviour of the rules, on made tracks and on the shared scene.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::base::{CameraId, StreamKind, Wall};
use crate::camera::{Attention, GapCause, Need, StreamEvent, StreamWhat, Tampering, ViewReading, WatchLevel};
use crate::infer::Class;
use crate::media::{BBox, Point, Polygon};
use crate::track::{Settings, Track, TrackId, TrackNumbers, TrackSet, Tracker, truth};

const SECOND: Duration = Duration::from_secs(1);

fn camera() -> CameraId {
    CameraId::new("cam").unwrap()
}

fn spec(id: &str, kind: RuleKind) -> RuleSpec {
    RuleSpec {
        id: RuleId(id.into()),
        kind,
        classes: vec![Class::Person],
        min_score: 0.3,
        severity: Severity::Warning,
        schedule: None,
        cooldown: Duration::ZERO,
    }
}

fn one(kind: RuleKind) -> RuleSet {
    RuleSet::new(camera(), vec![spec("r", kind)])
}

fn polygon(points: &[(f32, f32)]) -> Polygon {
    Polygon::new(points.iter().map(|&(x, y)| Point::new(x, y)).collect()).unwrap()
}

/// The right half of the picture.
fn right_half() -> Polygon {
    polygon(&[(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)])
}

fn ms(t: i64) -> Wall {
    Wall(t * 1000)
}

/// A box of 0.1 by 0.2 whose foot is at (x, y).
fn at_foot(x: f32, y: f32) -> BBox {
    BBox::new(x - 0.05, y - 0.2, x + 0.05, y)
}

fn track(id: u64, x: f32, y: f32) -> Track {
    let bbox = at_foot(x, y);
    Track {
        id: TrackId(id),
        class: Class::Person,
        bbox,
        score: 0.9,
        best_score: 0.9,
        observed: true,
        first_seen: ms(0),
        first_bbox: bbox,
        last_seen: ms(0),
    }
}

fn set(at: Wall, mut tracks: Vec<Track>, ended: &[u64]) -> TrackSet {
    for t in tracks.iter_mut().filter(|t| t.observed) {
        t.first_seen = at;
        t.last_seen = at;
    }
    TrackSet { at, tracks, ended: ended.iter().map(|&i| TrackId(i)).collect() }
}

/// `+` and `-` (begin, end), or a crossing's direction, and seconds: short to compare.
fn said(events: &[RuleEvent]) -> Vec<String> {
    let one = |e: &RuleEvent| {
        let what = match (&e.subject, e.edge) {
            (Subject::Track { direction: Some(d), .. }, _) => d,
            (_, Edge::Begin) => "+",
            (_, Edge::End) => "-",
        };
        format!("{what}{}", e.at.micros() as f64 / 1e6)
    };
    events.iter().map(one).collect()
}

/// One track that goes through these foot places at 10 frames a second and then ends.
fn walk(rules: &mut RuleSet, way: &[(f32, f32)]) -> Vec<RuleEvent> {
    let mut out = Vec::new();
    for (i, &(x, y)) in way.iter().enumerate() {
        out.extend(rules.on_tracks(&set(ms(i as i64 * 100), vec![track(1, x, y)], &[])));
    }
    for i in way.len()..way.len() + 100 {
        let ended: &[u64] = if i == way.len() + 10 { &[1] } else { &[] };
        out.extend(rules.on_tracks(&set(ms(i as i64 * 100), vec![], ended)));
    }
    out
}

fn line(direction: Direction) -> RuleKind {
    RuleKind::LineCrossing {
        a: Point::new(0.0, 0.5),
        b: Point::new(1.0, 0.5),
        direction,
        anchor: Anchor::Foot,
    }
}

#[test]
fn crossing_is_told_once_at_the_frame_that_shows_it() {
    let up: Vec<_> = (0..20).map(|i| (0.5, 0.7 - 0.02 * i as f32)).collect();
    assert_eq!(said(&walk(&mut one(line(Direction::Both)), &up)), ["to_left1.1"]);
    assert_eq!(said(&walk(&mut one(line(Direction::ToLeft)), &up)), ["to_left1.1"]);
    assert!(walk(&mut one(line(Direction::ToRight)), &up).is_empty());
}

#[test]
fn trembling_on_the_line_and_single_jumps_do_not_count() {
    let tremble: Vec<_> = (0..40).map(|i| (0.5, if i % 2 == 0 { 0.499 } else { 0.501 })).collect();
    assert!(walk(&mut one(line(Direction::Both)), &tremble).is_empty());
    let jump: Vec<_> = (0..40).map(|i| (0.5, if i == 20 { 0.3 } else { 0.7 })).collect();
    assert!(walk(&mut one(line(Direction::Both)), &jump).is_empty());
}

#[test]
fn way_past_the_end_of_the_line_does_not_count() {
    let kind = RuleKind::LineCrossing {
        a: Point::new(0.0, 0.5),
        b: Point::new(0.4, 0.5),
        direction: Direction::Both,
        anchor: Anchor::Foot,
    };
    let up: Vec<_> = (0..20).map(|i| (0.6, 0.7 - 0.02 * i as f32)).collect();
    assert!(walk(&mut one(kind), &up).is_empty());
}

#[test]
fn crossing_before_the_track_became_known_counts() {
    let mut rules = one(line(Direction::Both));
    let late = |y| Track { first_bbox: at_foot(0.5, 0.6), ..track(1, 0.5, y) };
    let mut out = rules.on_tracks(&set(ms(300), vec![late(0.4)], &[]));
    out.extend(rules.on_tracks(&set(ms(400), vec![late(0.35)], &[])));
    assert_eq!(said(&out), ["to_left0.3"]);
}

#[test]
fn who_is_lost_on_the_way_over_the_line_has_crossed_it() {
    // Towards the line until 0.3 s, then only a course: `over` is where it leads.
    let lost = |over: &[f32], back: bool| {
        let mut rules = one(line(Direction::Both));
        let mut out = Vec::new();
        for (i, y) in [0.7, 0.63, 0.57, 0.52].into_iter().enumerate() {
            out.extend(rules.on_tracks(&set(ms(100 * i as i64), vec![track(1, 0.5, y)], &[])));
        }
        for (i, y) in over.iter().enumerate() {
            let at = ms(400 + 100 * i as i64);
            let coasting = Track { observed: false, last_seen: ms(300), ..track(1, 0.5, *y) };
            out.extend(rules.on_tracks(&set(at, vec![coasting], &[])));
        }
        if back {
            out.extend(rules.on_tracks(&set(ms(1200), vec![track(1, 0.5, 0.55)], &[])));
        }
        out.extend(rules.on_tracks(&set(ms(1300), vec![], &[1])));
        said(&out)
    };
    assert_eq!(lost(&[0.495, 0.45, 0.4], false), ["to_left0.5"]);
    assert!(lost(&[0.51, 0.505], false).is_empty(), "the course never led over the line");
    assert_eq!(lost(&[0.51, 0.51, 0.51, 0.51, 0.51, 0.45], false), [""; 0], "not within half a second");
    assert!(lost(&[0.45, 0.4], true).is_empty(), "it was seen again before the line");
}

#[test]
fn visit_gives_one_begin_and_one_end() {
    let way: Vec<_> = (0..40).map(|i| (if (10..30).contains(&i) { 0.7 } else { 0.3 }, 0.5)).collect();
    let kind = RuleKind::Intrusion { zone: right_half(), anchor: Anchor::Foot };
    assert_eq!(said(&walk(&mut one(kind.clone()), &way)), ["+1", "-2.9"]);
    // Lost inside: the end is when it was seen last.
    assert_eq!(said(&walk(&mut one(kind.clone()), &way[..20])), ["+1", "-1.9"]);
    // One frame inside is a box that jumped.
    let jump: Vec<_> = (0..40).map(|i| (if i == 10 { 0.7 } else { 0.3 }, 0.5)).collect();
    assert!(walk(&mut one(kind), &jump).is_empty());
}

#[test]
fn box_cut_at_the_bottom_edge_is_in_a_zone_that_reaches_it() {
    let kind = RuleKind::Intrusion { zone: right_half(), anchor: Anchor::Foot };
    assert_eq!(said(&walk(&mut one(kind), &[(0.7, 1.02); 20])), ["+0", "-1.9"]);
}

#[test]
fn parked_car_is_told_once_although_its_track_is_lost_again_and_again() {
    let mut rules = one(RuleKind::Intrusion { zone: right_half(), anchor: Anchor::Foot });
    let mut out = Vec::new();
    for i in 0..3000i64 {
        // 20 s seen, 10 s not, under a new number each time.
        let (round, in_round) = (i / 300, i % 300);
        let seen = if in_round < 200 { vec![track(round as u64 + 1, 0.7, 0.5)] } else { vec![] };
        let ended: &[u64] = if in_round == 210 { &[round as u64 + 1] } else { &[] };
        out.extend(rules.on_tracks(&set(ms(i * 100), seen, ended)));
    }
    assert_eq!(said(&out), ["+0", "-19.9"]);
}

#[test]
fn loiterer_is_told_at_the_dwell_also_when_his_track_breaks() {
    let kind =
        RuleKind::Loitering { zone: right_half(), anchor: Anchor::Foot, dwell: Duration::from_secs(5) };
    let mut rules = one(kind.clone());
    let mut out = Vec::new();
    for i in 0..120i64 {
        // Lost from 2 s to 4 s; found again under another number.
        let seen = match i {
            0..20 => vec![track(1, 0.7, 0.5)],
            40..80 => vec![track(2, 0.71, 0.5)],
            _ => vec![],
        };
        let ended: &[u64] = if i == 30 { &[1] } else { &[] };
        let ended = if i == 90 { &[2][..] } else { ended };
        out.extend(rules.on_tracks(&set(ms(i * 100), seen, ended)));
    }
    assert_eq!(said(&out), ["+5", "-7.9"]);
    // Too short, and passing through.
    assert!(walk(&mut one(kind.clone()), &[(0.7, 0.5); 49]).is_empty());
    let out_and_in: Vec<_> = (0..90).map(|i| (if (30..60).contains(&i) { 0.3 } else { 0.7 }, 0.5)).collect();
    assert!(walk(&mut one(kind), &out_and_in).is_empty());
}

#[test]
fn crowd_needs_count_and_hold_and_survives_a_blink() {
    let mut rules =
        one(RuleKind::Crowd { zone: right_half(), anchor: Anchor::Foot, count: 2, hold: 2 * SECOND });
    let mut out = Vec::new();
    for i in 0..100i64 {
        let two = (10..60).contains(&i) && i != 25;
        let x = if two { 0.8 } else { 0.2 };
        out.extend(rules.on_tracks(&set(ms(i * 100), vec![track(1, 0.6, 0.5), track(2, x, 0.5)], &[])));
    }
    assert_eq!(said(&out), ["+3", "-6"]);
}

#[test]
fn face_behind_a_hand_appears_once() {
    let mut rules = RuleSet::new(
        camera(),
        vec![RuleSpec { classes: vec![Class::Face], ..spec("f", RuleKind::FaceSeen { zone: None }) }],
    );
    let mut out = Vec::new();
    for i in 0..200i64 {
        let id = if i < 40 { 1 } else { 2 };
        let seen = !(20..40).contains(&i) && i < 100;
        let tracks = if seen { vec![Track { class: Class::Face, ..track(id, 0.5, 0.5) }] } else { vec![] };
        let ended: &[u64] = if i == 30 { &[1] } else { &[] };
        let ended = if i == 110 { &[2][..] } else { ended };
        out.extend(rules.on_tracks(&set(ms(i * 100), tracks, ended)));
    }
    assert_eq!(said(&out), ["+0", "-9.9"]);
}

#[test]
fn motion_is_one_event_per_period() {
    let mut rules = RuleSet::new(
        camera(),
        vec![RuleSpec {
            classes: vec![Class::Motion],
            ..spec("m", RuleKind::Motion { zone: Some(right_half()) })
        }],
    );
    let mut out = Vec::new();
    for i in 0..300i64 {
        let moves = (10..30).contains(&i) || (60..70).contains(&i) || (150..160).contains(&i);
        let inside = Track { class: Class::Motion, ..track(1, if moves { 0.48 } else { 0.2 }, 0.5) };
        out.extend(rules.on_tracks(&set(ms(i * 100), vec![inside], &[])));
    }
    assert_eq!(said(&out), ["+1", "-6.9", "+15", "-15.9"]);
}

fn stream(at: i64, stream: StreamKind, what: StreamWhat) -> StreamEvent {
    StreamEvent { camera: camera(), stream, at: ms(at), what }
}

fn lost() -> StreamWhat {
    StreamWhat::Lost { cause: GapCause::CameraLost, message: "connection refused".into() }
}

#[test]
fn lost_camera_is_told_after_a_while_and_clears_by_itself() {
    let mut rules = one(RuleKind::CameraLost { after: 5 * SECOND });
    let mut out = Vec::new();
    let online = || StreamWhat::Online { connection: 1 };
    assert_eq!(said(&rules.on_stream(&stream(0, StreamKind::Main, online()))), ["-0"], "first sign of life");
    out.extend(rules.on_stream(&stream(10_000, StreamKind::Main, lost())));
    out.extend(rules.on_stream(&stream(12_000, StreamKind::Main, online())));
    assert!(out.is_empty(), "a short outage is not told");
    out.extend(rules.on_stream(&stream(20_000, StreamKind::Main, lost())));
    out.extend(rules.on_stream(&stream(21_000, StreamKind::Main, StreamWhat::Connecting)));
    out.extend(rules.on_stream(&stream(22_000, StreamKind::Sub, online())));
    out.extend(rules.tick(ms(24_900)));
    assert!(out.is_empty());
    out.extend(rules.tick(ms(25_100)));
    out.extend(rules.tick(ms(26_100)));
    assert!(out[0].message.contains("connection refused"), "{}", out[0].message);
    out.extend(rules.on_stream(&stream(30_000, StreamKind::Main, online())));
    assert_eq!(said(&out), ["+25", "-30"]);
}

fn watched(ratio: f32) -> WatchLevel {
    WatchLevel {
        attention: Attention::Idle,
        needed: Need { look_every: 4 * SECOND, fps: 5.0 },
        look_every: Some(8 * SECOND),
        fps: None,
        ratio,
        longest: 8 * SECOND,
        unoffered: Duration::ZERO,
        window: 60 * SECOND,
        stretch: 2.0,
    }
}

/// What is told when the ratio is asked for every second; ratios by the second at which they begin.
fn told_of(ratios: &[(i64, f32)], until: i64) -> Vec<String> {
    let mut rules = one(RuleKind::UnderWatched { below: 0.8, hold: 10 * SECOND });
    let mut out = Vec::new();
    for t in 0..until {
        let (_, ratio) = ratios.iter().rev().find(|(begin, _)| *begin <= t).unwrap();
        out.extend(rules.on_watched(&watched(*ratio), ms(t * 1000)));
    }
    said(&out)
}

#[test]
fn a_camera_watched_too_little_is_told_after_a_while_and_clears_by_itself() {
    assert_eq!(told_of(&[(0, 1.0)], 60), ["-0"], "well watched: ends what an earlier run may have told");
    assert_eq!(told_of(&[(0, 0.5), (9, 0.8), (15, 0.5), (24, 0.9)], 30), Vec::<String>::new(), "too short");
    assert_eq!(told_of(&[(0, 0.5)], 60), ["+10"]);
    assert_eq!(told_of(&[(0, 1.0), (20, 0.79), (40, 0.8), (45, 0.5), (50, 0.9)], 90), ["-0", "+30", "-50"]);
    let mut rules = one(RuleKind::UnderWatched { below: 0.8, hold: Duration::ZERO });
    let message = rules.on_watched(&watched(0.5), ms(0)).remove(0).message;
    assert!(message.contains("50 %") && message.contains("a look every 8.0 s instead of 4.0 s"), "{message}");
}

/// What a tamper rule tells of one picture a second: `.` in order, `c` covered, `d` dark, `?` in doubt,
/// `u` unknown, `_` no picture.
fn told_of_views(signs: &[Tampering], script: &str) -> Vec<String> {
    let mut rules = one(RuleKind::Tamper { signs: signs.to_vec(), hold: 5 * SECOND });
    let mut out = Vec::new();
    for (t, c) in script.chars().enumerate() {
        let sign = match c {
            'c' => Some(Tampering::Covered),
            'd' => Some(Tampering::Dark),
            _ => None,
        };
        let doubt = sign.or((c == '?').then_some(Tampering::Covered));
        let reading = ViewReading { sign, doubt, known: c != 'u' };
        if c != '_' {
            out.extend(rules.on_view(&reading, ms(t as i64 * 1000)));
        }
    }
    said(&out)
}

#[test]
fn tampering_is_told_when_it_holds_and_clears_by_itself() {
    let all = &Tampering::ALL;
    let begun = "......";
    assert_eq!(told_of_views(all, begun), ["-0"], "in order: ends what an earlier run may have told");
    assert_eq!(told_of_views(all, "......ccccc......"), ["-0"], "a hand that passes");
    assert_eq!(told_of_views(all, "......cccccccc....cc......"), ["-0", "+11", "-20"]);
    // Doubt neither begins nor ends anything, nor does it begin the count anew.
    assert_eq!(told_of_views(all, "......????????????......"), ["-0"]);
    assert_eq!(told_of_views(all, "......cc??cccc????....??.........."), ["-0", "+11", "-18"]);
    // From a hand in the way to a lens in the dark is one thing.
    assert_eq!(told_of_views(all, "......cccdddddccccddd......"), ["-0", "+11", "-21"]);
    assert_eq!(told_of_views(&[Tampering::Dark], "......ccccccccccdddddddd......"), ["-0", "+21", "-24"]);
    // A view that is not known is not in order.
    assert_eq!(told_of_views(all, "uuuuuuuudddddddduuuuuuuuuu......"), ["+13", "-26"]);
    // What was in between nobody saw.
    let gap = format!("......ccc{}ccc......", "_".repeat(60));
    assert_eq!(told_of_views(all, &gap), ["-0"]);
}

#[test]
fn an_alert_of_tampering_shows_the_picture_and_one_of_a_lost_camera_shows_none() {
    let mut rules = one(RuleKind::Tamper { signs: Tampering::ALL.to_vec(), hold: Duration::ZERO });
    let covered =
        ViewReading { sign: Some(Tampering::Covered), doubt: Some(Tampering::Covered), known: true };
    let told: Vec<_> = (0..3).flat_map(|t| rules.on_view(&covered, ms(t * 1000))).collect();
    assert!(told.len() == 1 && told[0].is_shown() && told[0].message.contains("covered"), "{told:?}");
    let mut rules = one(RuleKind::CameraLost { after: Duration::ZERO });
    let told = rules.on_stream(&stream(0, StreamKind::Main, lost()));
    assert!(told.len() == 1 && !told[0].is_shown(), "{told:?}");
}

#[test]
fn frames_that_stop_coming_end_what_went_on() {
    let mut rules = one(RuleKind::Intrusion { zone: right_half(), anchor: Anchor::Foot });
    let mut out = Vec::new();
    for i in 0..10 {
        out.extend(rules.on_tracks(&set(ms(i * 100), vec![track(1, 0.7, 0.5)], &[])));
    }
    out.extend(rules.tick(ms(9_000)));
    assert_eq!(said(&out), ["+0"]);
    out.extend(rules.tick(ms(11_000)));
    assert_eq!(said(&out), ["+0", "-0.9"]);
}

#[test]
fn cooldown_silences_the_same_subject_and_what_lasts_is_told_after_it() {
    let kind = RuleKind::Intrusion { zone: right_half(), anchor: Anchor::Foot };
    let mut rules = RuleSet::new(camera(), vec![RuleSpec { cooldown: 4 * SECOND, ..spec("r", kind) }]);
    let inside = |i: i64| (0..10).contains(&i) || (20..30).contains(&i) || (40..70).contains(&i);
    let mut out = Vec::new();
    for i in 0..100i64 {
        let tracks = vec![track(1, if inside(i) { 0.7 } else { 0.3 }, 0.5)];
        out.extend(rules.on_tracks(&set(ms(i * 100), tracks, &[])));
    }
    // The second visit lies in the cooldown; the third outlasts it.
    assert_eq!(said(&out), ["+0", "-0.9", "+4.9", "-6.9"]);
}

#[test]
fn schedule_holds_back_and_cuts_off() {
    let zone = jiff::tz::TimeZone::UTC;
    let time = |s| jiff::civil::time(0, 0, s, 0);
    let schedule = Schedule { zone, days: vec![], spans: vec![(time(2), time(4))] };
    let kind = RuleKind::Intrusion { zone: right_half(), anchor: Anchor::Foot };
    let mut rules = RuleSet::new(camera(), vec![RuleSpec { schedule: Some(schedule), ..spec("r", kind) }]);
    assert_eq!(said(&walk(&mut rules, &[(0.7, 0.5); 60])), ["+2", "-4"]);
}

#[test]
fn weak_and_foreign_things_are_not_looked_at() {
    let mut rules = one(RuleKind::Intrusion { zone: right_half(), anchor: Anchor::Foot });
    for i in 0..50 {
        let weak = Track { score: 0.2, best_score: 0.2, ..track(1, 0.7, 0.5) };
        let car = Track { class: Class::Vehicle, ..track(2, 0.7, 0.5) };
        let lost = Track { observed: false, ..track(3, 0.7, 0.5) };
        assert!(rules.on_tracks(&set(ms(i * 100), vec![weak, car, lost], &[])).is_empty());
    }
}

proptest! {
    #[test]
    fn who_stays_outside_never_triggers(way in proptest::collection::vec((0.0f32..0.49, 0.0f32..1.0), 1..80)) {
        let zone = right_half();
        let anchor = Anchor::Foot;
        let mut rules = RuleSet::new(camera(), vec![
            spec("i", RuleKind::Intrusion { zone: zone.clone(), anchor }),
            spec("l", RuleKind::Loitering { zone: zone.clone(), anchor, dwell: Duration::from_millis(1) }),
            spec("c", RuleKind::Crowd { zone, anchor, count: 1, hold: Duration::ZERO }),
        ]);
        prop_assert!(walk(&mut rules, &way).is_empty());
    }

    #[test]
    fn crossings_of_one_track_alternate(way in proptest::collection::vec((0.0f32..1.0, 0.3f32..0.7), 1..120)) {
        let events = walk(&mut one(line(Direction::Both)), &way);
        let left = events.iter().filter(|e| said(std::slice::from_ref(e))[0].starts_with("to_left")).count();
        let right = events.len() - left;
        prop_assert!(left.abs_diff(right) <= 1, "{} to the left, {} to the right", left, right);
    }

    #[test]
    fn order_of_tracks_does_not_matter(
        ways in proptest::collection::vec(proptest::collection::vec((0.0f32..1.0, 0.0f32..1.0), 30), 2..5),
    ) {
        let run = |turned: bool| {
            let mut rules = RuleSet::new(camera(), vec![
                spec("i", RuleKind::Intrusion { zone: right_half(), anchor: Anchor::Foot }),
                spec("l", line(Direction::Both)),
            ]);
            let mut out = Vec::new();
            for i in 0..30 {
                let mut tracks: Vec<_> =
                    ways.iter().enumerate().map(|(k, w)| track(k as u64 + 1, w[i].0, w[i].1)).collect();
                if turned {
                    tracks.reverse();
                }
                out.extend(rules.on_tracks(&set(ms(i as i64 * 100), tracks, &[])));
            }
            out
        };
        prop_assert_eq!(run(false), run(true));
    }
}

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
