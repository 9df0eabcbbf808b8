//! Behaviour of the rules, on made tracks and on the shared scene.

use std::time::Duration;

use super::*;
use crate::base::{CameraId, StreamKind, Wall};
use crate::camera::{Attention, GapCause, Need, StreamEvent, StreamWhat, Tampering, ViewReading, WatchLevel};
use crate::infer::Class;
use crate::media::{BBox, Point, Polygon};
use crate::track::{Track, TrackId, TrackSet};

mod camera;
mod left_object;
mod limits;
mod properties;
mod scene;
mod wrong_way;

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
        limits: Limits::default(),
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
