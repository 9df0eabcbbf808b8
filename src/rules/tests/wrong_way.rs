//! Wrong way.

use super::*;

/// Right is from left to right, over the right half of the picture.
fn rule(tolerance: f32, distance: Option<f32>) -> RuleSet {
    let heading = Heading { from: Point::new(0.1, 0.2), to: Point::new(0.4, 0.2), tolerance, distance };
    one(RuleKind::WrongWay { zone: right_half(), anchor: Anchor::Foot, heading })
}

/// Twenty frames, two seconds, straight on; (x, y) from and to.
fn straight(from: (f32, f32), to: (f32, f32)) -> Vec<(f32, f32)> {
    let at = |i: i32, a: f32, b: f32| a + (b - a) * i as f32 / 20.0;
    (0..20).map(|i| (at(i, from.0, to.0), at(i, from.1, to.1))).collect()
}

fn told(rules: &mut RuleSet, way: &[(f32, f32)]) -> Vec<String> {
    said(&walk(rules, way))
}

#[test]
fn who_goes_against_the_way_is_told_once_when_he_has_gone_his_height() {
    // 0.2 of a picture in twenty steps; his height of 0.2 picture heights is 0.1125 of 16:9's width.
    assert_eq!(told(&mut rule(60.0, None), &straight((0.9, 0.5), (0.7, 0.5))), ["+1.2"]);
    assert_eq!(told(&mut rule(60.0, Some(0.08)), &straight((0.9, 0.5), (0.7, 0.5))), ["+0.5"]);
    assert!(told(&mut rule(60.0, None), &straight((0.7, 0.5), (0.9, 0.5))).is_empty(), "the right way");
    assert!(told(&mut rule(60.0, None), &straight((0.9, 0.5), (0.82, 0.5))).is_empty(), "not far");
    assert!(told(&mut rule(60.0, None), &straight((0.45, 0.5), (0.05, 0.5))).is_empty(), "elsewhere");
}

#[test]
fn only_what_leads_back_within_the_tolerance_counts() {
    // 45 degrees off the opposite, on the screen: 0.27 of the width back, 0.48 of the height aside.
    let slanting = straight((0.95, 0.3), (0.68, 0.78));
    assert_eq!(told(&mut rule(60.0, None), &slanting).len(), 1);
    assert_eq!(told(&mut rule(46.0, None), &slanting).len(), 1);
    assert!(told(&mut rule(44.0, None), &slanting).is_empty());
    assert!(told(&mut rule(89.0, None), &straight((0.75, 0.9), (0.75, 0.3))).is_empty(), "across");
}

#[test]
fn who_turns_round_is_told_when_he_has_gone_back_by_the_distance() {
    let mut way = straight((0.6, 0.5), (0.8, 0.5));
    way.extend(straight((0.8, 0.5), (0.6, 0.5)));
    assert_eq!(told(&mut rule(60.0, None), &way), ["+3.2"]);
}

#[test]
fn trembling_and_single_jumps_do_not_count() {
    let tremble: Vec<_> = (0..60).map(|i| (0.75 + 0.03 * (i % 3 - 1) as f32, 0.5)).collect();
    assert!(told(&mut rule(60.0, None), &tremble).is_empty());
    let jump: Vec<_> = (0..60).map(|i| (if i == 30 { 0.6 } else { 0.9 }, 0.5)).collect();
    assert!(told(&mut rule(60.0, None), &jump).is_empty());
}

#[test]
fn a_second_visit_is_told_again() {
    let mut way = straight((0.9, 0.5), (0.4, 0.5));
    way.extend([(0.4, 0.5); 10]);
    way.extend(straight((0.9, 0.5), (0.4, 0.5)));
    assert_eq!(told(&mut rule(60.0, None), &way).len(), 2);
}

#[test]
fn what_was_done_before_the_track_became_known_counts() {
    let mut rules = rule(60.0, None);
    let late = |x| Track { first_bbox: at_foot(0.95, 0.5), ..track(1, x, 0.5) };
    let mut out = Vec::new();
    for (i, x) in [0.8, 0.78].into_iter().enumerate() {
        let mut set = set(ms(300 + 100 * i as i64), vec![late(x)], &[]);
        set.tracks[0].first_seen = ms(0);
        out.extend(rules.on_tracks(&set));
    }
    assert_eq!(said(&out), ["+0.3"]);
}
