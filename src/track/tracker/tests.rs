use super::*;

fn person(x: f32, score: f32) -> Detection {
    Detection { class: Class::Person, bbox: BBox::new(x, 0.4, x + 0.1, 0.7), score, landmarks: None }
}

fn ms(t: i64) -> Wall {
    Wall(t * 1000)
}

fn ids(set: &TrackSet) -> Vec<u64> {
    set.tracks.iter().map(|t| t.id.0).collect()
}

#[test]
fn track_becomes_known_with_the_time_and_place_of_its_first_detection() {
    let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
    assert!(t.step(ms(0), &[person(0.1, 0.9)]).tracks.is_empty());
    assert!(t.step(ms(100), &[person(0.11, 0.9)]).tracks.is_empty());
    let set = t.step(ms(200), &[person(0.12, 0.9)]);
    assert_eq!(ids(&set), [1]);
    assert_eq!(set.tracks[0].first_seen, ms(0));
    assert_eq!(set.tracks[0].first_bbox.x1, 0.1);
}

#[test]
fn single_false_detection_is_never_told() {
    let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
    for i in 0..50 {
        let seen = if i % 10 == 0 { vec![person(0.1, 0.9)] } else { vec![] };
        let set = t.step(ms(i * 100), &seen);
        assert!(set.tracks.is_empty() && set.ended.is_empty());
    }
}

#[test]
fn two_detections_suffice_at_a_frame_a_second() {
    let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
    t.step(ms(0), &[person(0.1, 0.9)]);
    assert_eq!(ids(&t.step(ms(1000), &[person(0.13, 0.9)])), [1]);
}

#[test]
fn tracked_is_what_has_a_track_and_was_found_last_where_it_should_be_now() {
    let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
    let x = |t: &Tracker, at: i64| t.tracked(ms(at), 0.0).iter().map(|d| d.bbox.x1).collect::<Vec<_>>();
    for i in 0..3 {
        assert!(x(&t, 100 * i).is_empty(), "{i}");
        t.step(ms(100 * i), &[person(0.1 + 0.02 * i as f32, 0.6)]);
    }
    let [now, later] = [200, 400].map(|at| x(&t, at));
    assert!((now[0] - 0.14).abs() < 0.01 && later[0] > now[0] + 0.01, "{now:?} {later:?}");
    assert_eq!(t.tracked(ms(200), 0.6).len(), 1);
    assert!(t.tracked(ms(200), 0.61).is_empty(), "its score may still be asked for");
    t.step(ms(300), &[person(0.16, 0.2), person(0.7, 0.9)]);
    assert_eq!(t.tracked(ms(300), 0.6).len(), 1, "the newcomer is not known yet");
    t.skip(ms(400));
    assert_eq!(x(&t, 400).len(), 1, "nobody looked");
    t.step(ms(500), &[]);
    assert!(x(&t, 500).is_empty());
}

#[test]
fn low_scores_continue_a_track_and_never_begin_one() {
    let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
    for i in 0..10 {
        let set = t.step(ms(i * 100), &[person(0.1, if i < 3 { 0.9 } else { 0.2 }), person(0.6, 0.3)]);
        assert!(ids(&set).len() <= 1);
        assert!(i < 3 || set.tracks[0].observed);
    }
}

#[test]
fn short_loss_keeps_the_number_and_a_long_one_ends_it_for_good() {
    let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
    let seen = [person(0.1, 0.9)];
    for i in 0..5 {
        t.step(ms(i * 100), &seen);
    }
    for i in 5..13 {
        let set = t.step(ms(i * 100), &[]);
        assert!(!set.tracks[0].observed && set.tracks[0].last_seen == ms(400));
    }
    assert_eq!(ids(&t.step(ms(1300), &seen)), [1]);
    let mut ended = Vec::new();
    for i in 14..30 {
        ended.extend(t.step(ms(i * 100), &[]).ended);
    }
    assert_eq!(ended, [TrackId(1)]);
    let back: Vec<_> = (30..35).flat_map(|i| ids(&t.step(ms(i * 100), &seen))).collect();
    assert_eq!(back, [2, 2, 2]);
}

#[test]
fn frames_nobody_looked_at_do_not_end_a_track() {
    let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
    for i in 0..5 {
        t.step(ms(i * 100), &[person(0.1, 0.9)]);
    }
    for i in 5..40 {
        t.skip(ms(i * 100));
    }
    assert_eq!(ids(&t.step(ms(4000), &[])), [1], "it was not looked for");
    assert_eq!(ids(&t.step(ms(4100), &[person(0.1, 0.9)])), [1]);
}

#[test]
fn a_truck_that_is_seen_as_a_car_too_is_one_track() {
    let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
    for i in 0..30 {
        let x = 0.1 + 0.01 * i as f32;
        let vehicle = |bbox, score| Detection { class: Class::Vehicle, bbox, score, landmarks: None };
        let truck = vehicle(BBox::new(x, 0.4, x + 0.3, 0.6), if i % 3 == 0 { 0.5 } else { 0.8 });
        let car = vehicle(BBox::new(x + 0.02, 0.42, x + 0.28, 0.6), 0.7);
        let seen = if i % 5 == 4 { vec![car] } else { vec![truck, car] };
        let set = t.step(ms(i * 100), &seen);
        assert!(i < 2 || ids(&set) == [1], "at {i}: {:?}", ids(&set));
    }
}

#[test]
fn who_is_hidden_while_he_walks_or_turns_keeps_his_number() {
    // Found again after 0.9 s where he was going, and where he was last seen.
    for goes_on in [true, false] {
        let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
        for i in 0..10 {
            t.step(ms(i * 100), &[person(0.1 + 0.02 * i as f32, 0.9)]);
        }
        for i in 10..18 {
            t.step(ms(i * 100), &[]);
        }
        let x = if goes_on { 0.46 } else { 0.28 };
        let set = t.step(ms(1800), &[person(x, 0.9)]);
        assert!(ids(&set) == [1] && set.tracks[0].observed, "goes on: {goes_on}");
    }
}

#[test]
fn different_classes_never_join() {
    let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
    let both = [person(0.1, 0.9), Detection { class: Class::Face, ..person(0.1, 0.9) }];
    let last = (0..5).map(|i| t.step(ms(i * 100), &both)).last().unwrap();
    let classes: Vec<_> = last.tracks.iter().map(|t| t.class).collect();
    assert_eq!(classes, [Class::Person, Class::Face]);
}

#[test]
fn two_who_pass_each_other_keep_their_numbers() {
    for step in [40, 100, 200] {
        let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
        let mut last = None;
        for time in (0..4000).step_by(step) {
            let x = 0.1 + 0.15 * time as f32 / 1000.0;
            // One of the two is half hidden while they overlap.
            let hidden = if (x - (0.9 - x)).abs() < 0.05 { 0.3 } else { 0.9 };
            last = Some(t.step(ms(time), &[person(x, 0.9), person(0.8 - x, hidden)]));
        }
        let last = last.unwrap();
        assert_eq!(ids(&last), [1, 2], "at a frame each {step} ms");
        assert!(last.tracks[0].bbox.x1 > last.tracks[1].bbox.x1);
    }
}

#[test]
fn walker_is_followed_at_one_frame_a_second_and_at_uneven_rates() {
    let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
    for time in [0, 1000, 2000, 2040, 2080, 2500, 3500, 4500, 4540] {
        let set = t.step(ms(time), &[person(0.1 + 0.08 * time as f32 / 1000.0, 0.9)]);
        assert!(time == 0 || ids(&set) == [1], "at {time} ms: {:?}", ids(&set));
    }
}

#[test]
fn memory_is_bounded_whatever_is_detected() {
    let mut t = Tracker::new(Settings::default(), TrackNumbers::default());
    for i in 0..200i64 {
        let seen: Vec<_> =
            (0..500).map(|k| person(((i * 7919 + k * 104_729) % 1000) as f32 * 0.01, 0.9)).collect();
        t.step(ms(i * 100), &seen);
    }
    assert!(t.paths.len() <= 4 * 128);
    for i in 200..220 {
        t.step(ms(i * 100), &[]);
    }
    assert!(t.paths.is_empty());
}
