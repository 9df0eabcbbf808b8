//! What holds whatever happens.

use proptest::prelude::*;

use super::*;

/// From the right to the left, over the right half of the picture, is the wrong way.
fn wrong_way() -> RuleKind {
    let heading =
        Heading { from: Point::new(0.0, 0.5), to: Point::new(1.0, 0.5), tolerance: 60.0, distance: None };
    RuleKind::WrongWay { zone: right_half(), anchor: Anchor::Foot, heading }
}

fn loitering(millis: u64) -> RuleKind {
    RuleKind::Loitering { zone: right_half(), anchor: Anchor::Foot, dwell: Duration::from_millis(millis) }
}

fn intrusion() -> RuleKind {
    RuleKind::Intrusion { zone: right_half(), anchor: Anchor::Foot }
}

/// Who goes straight on from `from` to `to` in `seconds`, seen at `fps` with every detection, and then
/// not any more. The first picture is taken `late` (of a period) after the beginning.
fn straight(
    kind: &RuleKind,
    from: (f32, f32),
    to: (f32, f32),
    seconds: f32,
    period: f32,
    late: f32,
) -> Vec<RuleEvent> {
    let mut rules = one(kind.clone());
    let mut out = Vec::new();
    let mut number = 0;
    let at = |n: i64| (n as f32 + late) * period;
    while at(number) <= seconds {
        let part = at(number) / seconds;
        let (x, y) = (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part);
        let now = Wall((at(number) * 1e6) as i64);
        out.extend(rules.on_tracks(&set(now, vec![track(1, x, y)], &[])));
        number += 1;
    }
    for more in 0..60 {
        let now = Wall((at(number + more) * 1e6) as i64);
        let ended: &[u64] = if more == 5 { &[1] } else { &[] };
        out.extend(rules.on_tracks(&set(now, vec![], ended)));
    }
    out
}

proptest! {
    #[test]
    fn who_stays_outside_never_triggers(
        way in proptest::collection::vec((0.0f32..0.49, 0.0f32..1.0), 1..80),
        beside in proptest::collection::vec((0.0f32..1.0, 0.55f32..1.0), 1..80),
    ) {
        let (zone, anchor) = (right_half(), Anchor::Foot);
        let mut rules = RuleSet::new(camera(), vec![
            spec("i", intrusion()),
            spec("l", loitering(1)),
            spec("w", wrong_way()),
            spec("c", RuleKind::Crowd { zone, anchor, count: 1, hold: Duration::ZERO }),
        ]);
        prop_assert!(walk(&mut rules, &way).is_empty());
        // Nor does who stays on one side of a line cross it.
        prop_assert!(walk(&mut one(line(Direction::Both)), &beside).is_empty());
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
            let still = Limits { ignore_still: Some(SECOND), ..Limits::default() };
            let mut rules = RuleSet::new(camera(), vec![
                spec("i", intrusion()),
                RuleSpec { limits: still, ..spec("s", intrusion()) },
                spec("d", loitering(500)),
                spec("w", wrong_way()),
                spec("l", line(Direction::Both)),
                spec("c", RuleKind::Crowd {
                    zone: right_half(), anchor: Anchor::Foot, count: 2, hold: Duration::ZERO,
                }),
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

    /// Others in the picture, far enough away not to be taken for him, change nothing for him.
    #[test]
    fn unrelated_tracks_change_nothing(
        way in proptest::collection::vec((0.0f32..1.0, 0.6f32..1.0), 30),
        other in proptest::collection::vec((0.0f32..1.0, 0.1f32..0.3), 30),
    ) {
        let run = |alone: bool| {
            let mut rules = RuleSet::new(camera(), vec![
                spec("i", intrusion()),
                spec("d", loitering(500)),
                spec("w", wrong_way()),
                spec("l", line(Direction::Both)),
            ]);
            let mut out = Vec::new();
            for i in 0..30 {
                let mut tracks = vec![track(1, way[i].0, way[i].1)];
                if !alone {
                    tracks.insert(0, track(2, other[i].0, other[i].1));
                }
                out.extend(rules.on_tracks(&set(ms(i as i64 * 100), tracks, &[])));
            }
            out.retain(|e| matches!(e.subject, Subject::Track { id: TrackId(1), .. }));
            out
        };
        prop_assert_eq!(run(true), run(false));
    }

    /// At half the frame rate the same is told, at most one of its frames earlier or later.
    #[test]
    fn half_the_frame_rate_shifts_times_by_a_frame_at_most(
        from in (0.0f32..1.0, 0.3f32..1.0),
        to in (0.0f32..1.0, 0.3f32..1.0),
        seconds in 4.0f32..12.0,
        period in 0.05f32..0.2,
        late in 0.0f32..1.0,
    ) {
        for kind in [intrusion(), loitering(1500), wrong_way(), line(Direction::Both)] {
            let fast = straight(&kind, from, to, seconds, period, late);
            let slow = straight(&kind, from, to, seconds, period * 2.0, late / 2.0);
            let frame = period * 2.0 + 1e-3;
            // What hangs by a frame at the picture's or the zone's edge may be seen at one rate only.
            let sure = |events: &[RuleEvent]| events.iter().filter(|e| e.edge == Edge::Begin).count();
            for (one, other) in [(&fast, &slow), (&slow, &fast)] {
                for e in one.iter() {
                    let near = other.iter().any(|o| {
                        o.edge == e.edge && (o.at.as_secs_f64() - e.at.as_secs_f64()).abs() <= f64::from(frame)
                    });
                    let brief = brevity(&kind, from, to, seconds) <= 3.0 * period * 2.0;
                    prop_assert!(near || brief, "{kind:?}: {} against {}, {:?} {:?}", sure(one), sure(other), said(one), said(other));
                }
            }
        }
    }
}

/// For how many seconds the walker does that which the rule tells of: what is over within a few frames may
/// be missed at the lower rate.
fn brevity(kind: &RuleKind, from: (f32, f32), to: (f32, f32), seconds: f32) -> f32 {
    // Parts of the way at which x = 0.5 and y = 0.5 are passed.
    let pass = |a: f32, b: f32| if (a - b).abs() < 1e-4 { f32::INFINITY } else { (0.5 - a) / (b - a) };
    match kind {
        RuleKind::LineCrossing { .. } => {
            // Clear of the line by 3 % of a box of 0.2 on both sides, and twice seen there.
            let speed = (to.1 - from.1).abs() / seconds;
            ((from.1 - 0.5).abs().min((to.1 - 0.5).abs()) - 0.006).max(0.0) / speed.max(1e-6)
        }
        RuleKind::Loitering { dwell, .. } => {
            let inside = inside(pass(from.0, to.0), from.0, to.0) * seconds;
            // How long he stays beyond the dwell, or short of it.
            (inside - dwell.as_secs_f32()).abs()
        }
        RuleKind::WrongWay { .. } => {
            let inside = inside(pass(from.0, to.0), from.0, to.0);
            let far = (inside * (to.0 - from.0) * 16.0 / 9.0).hypot(inside * (to.1 - from.1));
            let speed = ((to.0 - from.0) * 16.0 / 9.0).hypot(to.1 - from.1) / seconds;
            (far - 0.2).abs() / speed.max(1e-6)
        }
        _ => inside(pass(from.0, to.0), from.0, to.0) * seconds,
    }
}

/// Which part of the way lies in the right half.
fn inside(pass: f32, from: f32, to: f32) -> f32 {
    match (from >= 0.5, to >= 0.5) {
        (true, true) => 1.0,
        (false, false) => 0.0,
        (true, false) => pass,
        (false, true) => 1.0 - pass,
    }
}
