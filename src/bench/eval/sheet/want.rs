//! What there is to be shown: everything missed and everything false, with what lies around it.

use crate::base::Wall;
use crate::bench::eval::detections::Compared;
use crate::bench::eval::judge::{FactScore, Wrong};
use crate::bench::eval::play::{Look, Played};
use crate::bench::eval::truth::FrameTruth;
use crate::infer::{Class, Detection};
use crate::media::{BBox, Point};
use crate::rules::{RuleKind, RuleSpec};

/// Pictures of one kind from one clip in one condition, at most.
const MOST_OF_A_KIND: usize = 12;
/// The same from all clips in all conditions: they are in memory until the page is written.
const MOST_OF_ALL: usize = 80 * MOST_OF_A_KIND;

/// What went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    MissedFace,
    FalseFace,
    MissedPerson,
    FalsePerson,
    MissedEvent,
    ExtraEvent,
}

impl Kind {
    pub const ALL: [Kind; 6] = [
        Kind::MissedFace,
        Kind::FalseFace,
        Kind::MissedPerson,
        Kind::FalsePerson,
        Kind::MissedEvent,
        Kind::ExtraEvent,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::MissedFace => "missed face",
            Kind::FalseFace => "false face",
            Kind::MissedPerson => "missed person",
            Kind::FalsePerson => "false person",
            Kind::MissedEvent => "missed event",
            Kind::ExtraEvent => "extra event",
        }
    }
}

/// What a box in a picture stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Of the truth, and found.
    Truth,
    /// Of the truth, and not found.
    Missed,
    /// Of the truth: neither hit nor miss.
    Ignored,
    /// Detected, and right.
    Right,
    /// Detected, and nothing is there.
    False,
    /// Detected on a frame whose boxes nobody knows.
    Seen,
}

/// A box in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Of the whole frame.
    pub bbox: BBox,
    pub role: Role,
    /// What is written at it.
    pub label: String,
}

/// A picture that is to be taken.
#[derive(Clone, Debug)]
pub struct Want {
    pub kind: Kind,
    /// Frame of the clip that was played, from 0.
    pub index: usize,
    /// Its time from the clip's start, seconds.
    pub at_s: f64,
    /// Class or rule.
    pub what: String,
    pub expected: String,
    pub found: String,
    /// Around what the picture is cut out; absent: the whole frame.
    pub focus: Option<BBox>,
    pub marks: Vec<Mark>,
    /// Line (two points) or zone of the rule, in the whole frame.
    pub outline: Vec<Point>,
}

/// What is missed and what is false on a frame whose boxes are known.
pub fn of_boxes(
    truth: &FrameTruth,
    compared: &Compared,
    class: Class,
    min_iou: f32,
    look: &Look,
    start: Wall,
) -> Vec<Want> {
    let mark = |bbox: BBox, role, label: String| Mark { bbox, role, label };
    let ignored = truth.ignore.iter().map(|b| BBox::new(b[0], b[1], b[2], b[3]));
    let mut marks: Vec<Mark> = ignored.map(|b| mark(b, Role::Ignored, String::new())).collect();
    marks.extend(compared.expected.iter().map(|(b, found)| {
        let role = if *found { Role::Truth } else { Role::Missed };
        mark(*b, role, String::new())
    }));
    marks.extend(compared.told.iter().map(|t| {
        let role = if t.right { Role::Right } else { Role::False };
        mark(t.bbox, role, format!("{:.2}", t.score))
    }));
    let best = |of: &BBox, others: &mut dyn Iterator<Item = BBox>| {
        others.map(|o| o.iou(of)).max_by(f32::total_cmp).filter(|iou| *iou > 0.0)
    };
    let want = |kind, focus, expected, found| Want {
        kind,
        index: look.index,
        at_s: seconds(look.at, start),
        what: class.as_str().to_owned(),
        expected,
        found,
        focus: Some(focus),
        marks: marks.clone(),
        outline: Vec::new(),
    };
    let (missed_kind, false_kind) = match class {
        Class::Face => (Kind::MissedFace, Kind::FalseFace),
        _ => (Kind::MissedPerson, Kind::FalsePerson),
    };
    let missed = compared.expected.iter().filter(|(_, found)| !found).map(|(b, _)| {
        let near = match best(b, &mut compared.told.iter().map(|t| t.bbox)) {
            Some(iou) => format!("no {class} from an IoU of {min_iou} on; the best has {iou:.2}"),
            None => format!("no {class} that touches it"),
        };
        want(missed_kind, *b, format!("a {class} here"), near)
    });
    let wrong = compared.told.iter().filter(|t| !t.right).map(|t| {
        let near = match best(&t.bbox, &mut compared.expected.iter().map(|e| e.0)) {
            Some(iou) => format!("nothing from an IoU of {min_iou} on; the truth's nearest has {iou:.2}"),
            None => "nothing".to_owned(),
        };
        want(false_kind, t.bbox, near, format!("{class}, score {:.2}", t.score))
    });
    missed.chain(wrong).collect()
}

/// What a rule missed or told too much: the frame that models looked at nearest to it, with the rule's line or
/// zone and what was detected of its classes.
pub fn of_fact(fact: &FactScore, rule: Option<&RuleSpec>, played: &Played) -> Vec<Want> {
    let wants = fact.wrong.iter().filter_map(|wrong| {
        let look = nearest(played, wrong.at_s)?;
        let seen = |d: &Detection| Mark {
            bbox: d.bbox,
            role: Role::Seen,
            label: format!("{} {:.2}", d.class, d.score),
        };
        let of_rule = |d: &&Detection| rule.is_none_or(|r| r.classes.contains(&d.class));
        let mut marks: Vec<Mark> = look.found.iter().filter(of_rule).map(seen).collect();
        marks.extend(wrong.bbox.map(|bbox| Mark { bbox, role: Role::False, label: "this one".into() }));
        let Wrong { extra, expected, found, .. } = wrong.clone();
        Some(Want {
            kind: if extra { Kind::ExtraEvent } else { Kind::MissedEvent },
            index: look.index,
            at_s: seconds(look.at, played.start),
            what: fact.rule.clone(),
            expected,
            found,
            focus: None,
            marks,
            outline: rule.map(outline).unwrap_or_default(),
        })
    });
    wants.collect()
}

/// Where the truth gives no time, the middle of the clip.
fn nearest(played: &Played, at_s: Option<f64>) -> Option<&Look> {
    let Some(at_s) = at_s else { return played.looks.get(played.looks.len() / 2) };
    let far = |l: &&Look| (seconds(l.at, played.start) - at_s).abs();
    played.looks.iter().min_by(|a, b| far(a).total_cmp(&far(b)))
}

fn outline(rule: &RuleSpec) -> Vec<Point> {
    match &rule.kind {
        RuleKind::LineCrossing { a, b, .. } => vec![*a, *b],
        RuleKind::Intrusion { zone, .. } | RuleKind::Loitering { zone, .. } => zone.points().to_vec(),
        _ => Vec::new(),
    }
}

fn seconds(at: Wall, start: Wall) -> f64 {
    (at.0 - start.0) as f64 / 1e6
}

/// How many pictures of a kind each of so many jobs may take.
pub fn most_of_a_kind(jobs: usize) -> usize {
    (MOST_OF_ALL / jobs.max(1)).clamp(1, MOST_OF_A_KIND)
}

/// The first `most` of each kind, and how many are left out.
pub fn first_of_each_kind(wants: Vec<Want>, most: usize) -> (Vec<Want>, usize) {
    let all = wants.len();
    let mut taken = Kind::ALL.map(|kind| (kind, 0));
    let kept: Vec<Want> = wants
        .into_iter()
        .filter(|want| {
            let Some((_, n)) = taken.iter_mut().find(|(kind, _)| *kind == want.kind) else { return false };
            *n += 1;
            *n <= most
        })
        .collect();
    let left_out = all - kept.len();
    (kept, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::eval::detections::compare;

    fn look(found: Vec<Detection>) -> Look {
        Look { index: 7, at: Wall(2_500_000), found }
    }

    fn face(x: f32, score: f32) -> Detection {
        let bbox = BBox::new(x, x, x + 0.1, x + 0.1);
        Detection { class: Class::Face, bbox, score, landmarks: None }
    }

    #[test]
    fn what_is_missed_and_what_is_false_on_a_frame_is_wanted_with_all_its_boxes() {
        let boxes = vec![[0.1, 0.1, 0.2, 0.2], [0.5, 0.5, 0.6, 0.6]];
        let truth = FrameTruth { file: "a".into(), frame: 7, boxes, ignore: vec![[0.8, 0.8, 0.9, 0.9]] };
        let look = look(vec![face(0.1, 0.9), face(0.57, 0.8), face(0.3, 0.7)]);
        let compared = compare(&truth, &look.found, Class::Face, 0.4);
        let wants = of_boxes(&truth, &compared, Class::Face, 0.4, &look, Wall(0));
        let kinds: Vec<_> = wants.iter().map(|w| w.kind).collect();
        assert_eq!(kinds, [Kind::MissedFace, Kind::FalseFace, Kind::FalseFace]);
        let missed = &wants[0];
        assert_eq!((missed.index, missed.at_s), (7, 2.5));
        assert!(
            missed.found.starts_with("no face from an IoU of 0.4 on; the best has 0.0"),
            "{}",
            missed.found
        );
        assert_eq!(wants[2].found, "face, score 0.70");
        assert_eq!(wants[2].expected, "nothing");
        let count = |role| missed.marks.iter().filter(|m| m.role == role).count();
        let roles = [Role::Truth, Role::Missed, Role::Ignored, Role::Right, Role::False, Role::Seen];
        assert_eq!(roles.map(count), [1, 1, 1, 1, 2, 0]);
    }

    #[test]
    fn an_event_is_shown_at_the_nearest_look_and_one_without_a_time_in_the_middle() {
        let looks =
            [0, 1, 2, 3, 4].map(|i| Look { index: i * 10, at: Wall(i as i64 * 1_000_000), found: vec![] });
        let played =
            Played { frames: 50, start: Wall(0), end: Wall(4_000_000), events: vec![], looks: looks.into() };
        let wrong = |extra, at_s| Wrong {
            extra,
            at_s,
            expected: "e".into(),
            found: "f".into(),
            bbox: Some(BBox::default()),
        };
        let fact = FactScore {
            rule: "r".into(),
            score: Default::default(),
            notes: vec![],
            wrong: vec![wrong(false, Some(2.6)), wrong(true, Some(99.0)), wrong(false, None)],
        };
        let wants = of_fact(&fact, None, &played);
        let got: Vec<_> = wants.iter().map(|w| (w.kind, w.index)).collect();
        assert_eq!(got, [(Kind::MissedEvent, 30), (Kind::ExtraEvent, 40), (Kind::MissedEvent, 20)]);
        assert_eq!(wants[1].marks[0].role, Role::False);
    }

    #[test]
    fn of_many_the_first_of_each_kind_stay_and_the_rest_is_counted() {
        let truth =
            FrameTruth { file: "a".into(), frame: 7, boxes: vec![[0.9, 0.9, 1.0, 1.0]], ignore: vec![] };
        let look = look((0..30).map(|i| face(0.01 * i as f32, 0.5)).collect());
        let compared = compare(&truth, &look.found, Class::Face, 0.4);
        let wants = of_boxes(&truth, &compared, Class::Face, 0.4, &look, Wall(0));
        assert_eq!(wants.len(), 31);
        let (kept, left_out) = first_of_each_kind(wants, 5);
        assert_eq!((kept.len(), left_out), (6, 25));
        assert_eq!([1, 80, 160, 9999].map(most_of_a_kind), [12, 12, 6, 1]);
    }
}
