//! What a rule does not look at: sizes, and what stands.

use std::collections::BTreeMap;

use super::*;

fn limited(kind: RuleKind, limits: Limits) -> RuleSet {
    RuleSet::new(camera(), vec![RuleSpec { limits, ..spec("r", kind) }])
}

fn intrusion() -> RuleKind {
    RuleKind::Intrusion { zone: right_half(), anchor: Anchor::Foot }
}

fn still(seconds: u64) -> Limits {
    Limits { ignore_still: Some(Duration::from_secs(seconds)), ..Limits::default() }
}

/// Plays one frame a second; where each track is, by second. Each remembers where it was found first.
fn play(rules: &mut RuleSet, seconds: i64, tracks: impl Fn(i64) -> Vec<Track>) -> Vec<String> {
    let mut out = Vec::new();
    let mut living: BTreeMap<TrackId, (Wall, BBox)> = BTreeMap::new();
    for t in 0..seconds {
        let mut set = set(ms(t * 1000), tracks(t), &[]);
        set.ended = living.keys().copied().filter(|l| set.tracks.iter().all(|t| t.id != *l)).collect();
        living.retain(|id, _| !set.ended.contains(id));
        for track in &mut set.tracks {
            let first = *living.entry(track.id).or_insert((set.at, track.bbox));
            (track.first_seen, track.first_bbox) = first;
        }
        out.extend(rules.on_tracks(&set));
    }
    said(&out)
}

#[test]
fn a_box_that_is_too_low_or_too_high_is_not_looked_at() {
    // The box is 0.2 high.
    for (min_size, max_size, looked_at) in [(0.1, 0.3, true), (0.21, 1.0, false), (0.0, 0.19, false)] {
        let limits = Limits { min_size, max_size, ignore_still: None };
        let told = play(&mut limited(intrusion(), limits), 20, |_| vec![track(1, 0.7, 0.5)]);
        assert_eq!(!told.is_empty(), looked_at, "{min_size} {max_size}: {told:?}");
    }
    // Only what is inside the picture counts: of this one, half.
    let limits = Limits { min_size: 0.15, ..Limits::default() };
    assert!(play(&mut limited(intrusion(), limits), 20, |_| vec![track(1, 0.7, 1.1)]).is_empty());
    let limits = Limits { max_size: 0.11, ..Limits::default() };
    assert_eq!(play(&mut limited(intrusion(), limits), 20, |_| vec![track(1, 0.7, 1.1)]).len(), 1);
}

#[test]
fn who_becomes_too_small_for_a_moment_has_not_left() {
    let limits = Limits { min_size: 0.15, ..Limits::default() };
    let told = play(&mut limited(intrusion(), limits), 30, |t| {
        let y = if (10..12).contains(&t) { 1.1 } else { 0.5 };
        vec![track(1, 0.7, y)]
    });
    assert_eq!(told, ["+0"]);
}

#[test]
fn who_was_too_small_before_counts_from_when_he_is_large_enough() {
    let limits = Limits { min_size: 0.15, ..Limits::default() };
    // Half of him is below the picture for ten seconds.
    let comes = |t: i64| vec![track(1, 0.7, if t < 10 { 1.1 } else { 0.9 })];
    assert_eq!(play(&mut limited(intrusion(), limits), 30, comes), ["+10"]);
}

#[test]
fn what_stood_there_when_watching_began_is_told_when_it_moves() {
    let parked = |t: i64| vec![track(1, if t < 60 { 0.7 } else { 0.9 }, 0.5)];
    assert_eq!(play(&mut limited(intrusion(), still(300)), 90, parked), ["+60"]);
    // Also where the detector loses it again and again.
    let lost = |t: i64| if t % 30 < 20 { vec![track(1 + t as u64 / 30, 0.7, 0.5)] } else { vec![] };
    assert!(play(&mut limited(intrusion(), still(300)), 600, lost).is_empty());
    // Who walks in while watching begins counts.
    let walks = |t: i64| vec![track(1, 0.3 + 0.06 * t as f32, 0.5)];
    assert_eq!(play(&mut limited(intrusion(), still(300)), 9, walks), ["+4"]);
}

#[test]
fn what_has_stood_for_long_does_not_count_in_a_crowd_until_it_moves() {
    let crowd = RuleKind::Crowd { zone: right_half(), anchor: Anchor::Foot, count: 2, hold: 5 * SECOND };
    // Two cars park at 20 s; a third comes at 200 s, and one of the first leaves its place at 250 s.
    let cars = |t: i64| {
        let away = |since: i64, x: f32| track(1, if t < since { 0.2 } else { x }, 0.5);
        let moved = if t < 250 { 0.6 } else { 0.95 };
        let second = Track { id: TrackId(2), ..away(20, moved) };
        let third = Track {
            id: TrackId(3),
            bbox: at_foot(if t < 200 { 0.2 } else { 0.8 }, 0.9),
            ..track(3, 0.2, 0.9)
        };
        vec![Track { bbox: at_foot(if t < 20 { 0.2 } else { 0.7 }, 0.5), ..away(20, 0.7) }, second, third]
    };
    assert_eq!(play(&mut limited(crowd.clone(), Limits::default()), 300, cars), ["+25"]);
    assert_eq!(play(&mut limited(crowd, still(60)), 300, cars), ["+25", "-80", "+255", "-260"]);
}
