//! How verdicts go with a stream, and how looks change them.

use bytes::Bytes;

use super::stream::{Camera, active_seconds, params, unit_of, until};
use crate::gate::Verdict::{Active, Calm, Learning};
use crate::media::slice::{Headers, Kind};

#[test]
fn larger_pictures_are_motion_within_a_third_of_a_second() {
    let mut camera = Camera::new(0.15);
    let quiet = camera.run(60.0, 300.0, 26);
    assert!(until(&quiet, Calm).unwrap() <= 6.0, "{:?}", until(&quiet, Calm));
    assert_eq!(active_seconds(&quiet), 0.0);
    let moving = camera.run(5.0, 900.0, 26);
    assert!(until(&moving, Active).unwrap() <= 0.3, "{:?}", until(&moving, Active));
    let after = camera.run(10.0, 300.0, 26);
    assert!(until(&after, Calm).unwrap() <= 2.5, "{:?}", until(&after, Calm));
}

#[test]
fn at_constant_bitrate_the_qp_speaks() {
    let mut camera = Camera::new(0.05);
    assert_eq!(active_seconds(&camera.run(60.0, 2400.0, 24)), 0.0);
    let moving = camera.run(5.0, 2400.0, 28);
    assert!(until(&moving, Active).unwrap() <= 0.5, "{:?}", until(&moving, Active));
}

#[test]
fn a_lower_qp_with_larger_pictures_is_no_motion() {
    let mut camera = Camera::new(0.1);
    camera.run(60.0, 1000.0, 26);
    // The rate control spends what it has left over.
    assert_eq!(active_seconds(&camera.run(10.0, 2000.0, 23)), 0.0);
}

#[test]
fn a_stream_that_holds_sizes_and_qp_says_little() {
    let mut camera = Camera::new(0.02);
    camera.run(20.0, 2400.0, 26);
    assert!(camera.gate.says_little());
    let mut camera = Camera::new(0.2);
    camera.run(20.0, 2400.0, 26);
    assert!(!camera.gate.says_little(), "sizes that vary can speak");
    let mut camera = Camera::new(0.02);
    camera.run(20.0, 60.0, 26);
    assert!(!camera.gate.says_little(), "empty pictures are calm");
}

#[test]
fn without_a_readable_header_only_sizes_speak() {
    let mut camera = Camera::new(0.15);
    camera.params = strange();
    assert_eq!(active_seconds(&camera.run(60.0, 300.0, 26)), 0.0);
    assert!(!camera.gate.says_little());
    assert!(until(&camera.run(5.0, 900.0, 26), Active).unwrap() <= 0.3);
    let mut camera = Camera::new(0.1);
    camera.params = strange();
    camera.run(60.0, 2400.0, 26);
    assert!(camera.gate.says_little());
}

/// Parameters whose sets are cut short.
fn strange() -> std::sync::Arc<crate::media::Params> {
    let known = params(26);
    let mut video = known.video().unwrap().clone();
    video.config = Bytes::copy_from_slice(&video.config[..10]);
    std::sync::Arc::new(crate::media::Params::Video(video))
}

#[test]
fn who_starts_in_motion_is_calm_soon_after_it_ends() {
    let mut camera = Camera::new(0.15);
    camera.run(30.0, 1200.0, 28);
    camera.run(20.0, 300.0, 26);
    assert!(until(&camera.run(3.0, 900.0, 27), Active).unwrap() <= 0.3);
}

#[test]
fn looks_that_see_motion_keep_it_learning() {
    let mut camera = Camera::new(0.15);
    let moving = camera.run(1.0, 1200.0, 28);
    assert_eq!(moving.last(), Some(&Learning));
    for _ in 0..60 {
        camera.run(0.2, 1200.0, 28);
        camera.gate.looked(camera.now(), true);
    }
    assert_eq!(camera.push(1200.0, 28), Learning);
    camera.run(8.0, 300.0, 26);
    assert_eq!(camera.push(300.0, 26), Calm);
    assert!(until(&camera.run(3.0, 900.0, 27), Active).unwrap() <= 0.3);
}

#[test]
fn dusk_is_no_motion() {
    let mut camera = Camera::new(0.15);
    let mut verdicts = camera.run(30.0, 300.0, 26);
    // Noise doubles the sizes over ten minutes, and the light comes back.
    for minute in (0..10).chain((0..10).rev()) {
        for part in 0..6 {
            let size = 300.0 * (1.0 + (minute as f32 + part as f32 / 6.0) / 10.0);
            verdicts.extend(camera.run(10.0, size, 26));
        }
    }
    assert!(active_seconds(&verdicts) <= 0.01, "{}", active_seconds(&verdicts));
    assert!(until(&camera.run(3.0, 900.0, 27), Active).unwrap() <= 0.3);
}

#[test]
fn a_lamp_that_stays_on_is_calm_once_looks_see_nothing() {
    let mut camera = Camera::new(0.15);
    camera.run(120.0, 300.0, 26);
    let lit = camera.watched(60.0, 3000.0, 28, false);
    assert!(until(&lit, Active).unwrap() <= 0.3);
    let calm_from = lit.iter().rposition(|&v| v == Active).unwrap() as f32 / 25.0;
    assert!(calm_from <= 15.0, "calm only after {calm_from} s");
    assert!(until(&camera.run(3.0, 9000.0, 30), Active).unwrap() <= 0.3);
}

#[test]
fn a_noisy_camera_is_seldom_followed() {
    let mut camera = Camera::new(0.5);
    let verdicts = camera.run(600.0, 600.0, 30);
    assert!(active_seconds(&verdicts) <= 0.03, "{}", active_seconds(&verdicts));
    assert!(until(&camera.run(3.0, 2400.0, 31), Active).unwrap() <= 0.5);
}

#[test]
fn losses_are_no_motion() {
    let mut camera = Camera::new(0.15);
    camera.run(60.0, 300.0, 26);
    camera.lose_every = 5;
    assert_eq!(active_seconds(&camera.run(60.0, 300.0, 26)), 0.0);
    assert!(until(&camera.run(3.0, 900.0, 27), Active).unwrap() <= 0.4);
}

#[test]
fn a_new_connection_continues_what_was_learnt() {
    let mut camera = Camera::new(0.15);
    camera.run(60.0, 300.0, 26);
    camera.run(2.0, 1200.0, 27);
    camera.reconnect();
    let after = camera.run(10.0, 300.0, 26);
    assert!(after.iter().all(|&v| v == Calm), "{:?}", until(&after, Active));
    assert!(until(&camera.run(3.0, 900.0, 27), Active).unwrap() <= 0.3);
}

#[test]
fn new_parameters_are_learnt_anew() {
    let mut camera = Camera::new(0.15);
    camera.run(60.0, 300.0, 26);
    camera.params = params(26);
    assert_eq!(camera.push(300.0, 26), Calm, "the same parameters, said again");
    (camera.params, camera.init_qp) = (params(30), 30);
    assert_eq!(camera.push(3000.0, 30), Learning);
    assert_eq!(active_seconds(&camera.run(30.0, 3000.0, 30)), 0.0);
}

#[test]
fn looks_that_find_missed_motion_sharpen_the_threshold() {
    let mut camera = Camera::new(0.05);
    camera.run(90.0, 300.0, 26);
    let slight = |c: &mut Camera| until(&c.run(3.0, 430.0, 26), Active);
    assert_eq!(slight(&mut camera), None);
    for _ in 0..6 {
        camera.run(10.0, 300.0, 26);
        camera.run(2.0, 430.0, 26);
        camera.gate.looked(camera.now(), true);
    }
    camera.run(10.0, 300.0, 26);
    assert!(slight(&mut camera).is_some());
}

#[test]
fn looks_that_find_nothing_dull_the_threshold_within_bounds() {
    let mut camera = Camera::new(0.05);
    camera.run(90.0, 300.0, 26);
    // Rain in gusts.
    let mut gusts = Vec::new();
    for _ in 0..60 {
        camera.watched(8.0, 300.0, 26, false);
        gusts.push(active_seconds(&camera.watched(2.0, 540.0, 26, false)));
    }
    assert!(gusts[0] > 0.0, "gusts pass the threshold at first");
    assert!(gusts[40..].iter().all(|&a| a == 0.0), "{gusts:?}");
    assert!(until(&camera.run(3.0, 1800.0, 28), Active).unwrap() <= 0.3);
}

#[test]
fn motion_that_never_shows_makes_it_say_little() {
    let mut camera = Camera::new(0.15);
    camera.run(60.0, 300.0, 26);
    for _ in 0..12 {
        camera.run(4.0, 300.0, 26);
        camera.gate.looked(camera.now(), true);
    }
    assert!(camera.gate.says_little());
}

#[test]
fn intra_coded_streams_say_little() {
    let mut camera = Camera::new(0.15);
    for _ in 0..40 {
        // Every unit begins a GOP.
        camera.reconnect();
        let unit = camera.unit(300.0, 26);
        assert_eq!(camera.gate.push(&unit), Learning);
    }
    assert!(camera.gate.says_little());
}

#[test]
fn slices_of_one_picture_are_one_picture() {
    let mut camera = Camera::new(0.15);
    camera.slices = 4;
    camera.run(60.0, 400.0, 26);
    assert!(until(&camera.run(3.0, 1200.0, 27), Active).unwrap() <= 0.3);

    camera.slices = 2;
    let (small, large) = (camera.unit(200.0, 20), camera.unit(600.0, 32));
    let nals = |u: &crate::media::EncodedUnit| -> Vec<Vec<u8>> {
        crate::media::h26x::nals(&u.data).map(<[u8]>::to_vec).collect()
    };
    let filler = vec![vec![12, 0xff, 0xff, 0xff, 0x80]];
    let both = unit_of(&[nals(&small), nals(&large), filler].concat());
    let picture = Headers::new(camera.params.video().unwrap()).read(&both);
    assert_eq!(picture.kind, Some(Kind::P));
    assert_eq!(picture.bytes as usize, both.len() - 5 * 4 - 5, "filler does not count");
    let (a, b) = (small.data.len() as f32 - 8.0, large.data.len() as f32 - 8.0);
    let mean = (20.0 * a + 32.0 * b) / (a + b);
    assert!((picture.qp.unwrap() - mean).abs() < 0.01, "{:?} and not {mean}", picture.qp);
}
