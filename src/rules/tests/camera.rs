//! Rules about the camera itself.

use super::*;

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

#[test]
fn how_a_camera_begins_is_not_held_against_it() {
    let mut rules = one(RuleKind::UnderWatched { below: 0.8, hold: 10 * SECOND });
    let mut out = Vec::new();
    for t in 0..90_u32 {
        let level = WatchLevel { window: t.min(60) * SECOND, ..watched(if t < 55 { 0.4 } else { 0.9 }) };
        out.extend(rules.on_watched(&level, ms(i64::from(t) * 1000)));
    }
    assert_eq!(said(&out), ["-55"]);
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
