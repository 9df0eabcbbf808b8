//! A rule as text, in the form in which it is configured. Equal rules have equal texts, so that a text's hash is
//! a version; and the text makes the rule again when the configuration has long changed.

use std::time::Duration;

use jiff::civil::{Time, Weekday};
use toml::{Table, Value};

use crate::media::{Point, Polygon};
use crate::rules::{RuleKind, RuleSpec, Schedule};

/// The rule as a `[[rule]]` of a file of rules; [`rules`](super::rules) reads it.
pub fn rule_text(rule: &RuleSpec) -> String {
    let mut table = Table::new();
    let mut put = |key: &str, value: Value| drop(table.insert(key.into(), value));
    put("id", text(&rule.id.0));
    put("kind", text(rule.kind.as_str()));
    put("severity", text(rule.severity.as_str()));
    put("cooldown", duration(rule.cooldown));
    if let Some(s) = &rule.schedule {
        put("schedule", schedule(s));
    }
    if !about_camera(&rule.kind) {
        put_things(rule, &mut put);
    }
    put_kind(&rule.kind, &mut put);
    let rules = Value::Array(vec![Value::Table(table)]);
    toml::to_string(&Table::from_iter([("rule".to_owned(), rules)]))
        .expect("invariant: texts and numbers are TOML")
}

fn about_camera(kind: &RuleKind) -> bool {
    matches!(kind, RuleKind::CameraLost { .. } | RuleKind::UnderWatched { .. } | RuleKind::Tamper { .. })
}

/// What rules about things have in common.
fn put_things(rule: &RuleSpec, put: &mut impl FnMut(&str, Value)) {
    let fixed = matches!(rule.kind, RuleKind::FaceSeen { .. } | RuleKind::Motion { .. });
    if !fixed {
        put("classes", Value::Array(rule.classes.iter().map(|c| text(c.as_str())).collect()));
    }
    if !matches!(rule.kind, RuleKind::Motion { .. }) {
        put("min_score", number(rule.min_score));
    }
    put("min_size", number(rule.limits.min_size));
    put("max_size", number(rule.limits.max_size));
    if let Some(still) = rule.limits.ignore_still {
        put("ignore_still", duration(still));
    }
}

fn put_kind(kind: &RuleKind, put: &mut impl FnMut(&str, Value)) {
    use RuleKind::*;
    if let Intrusion { zone, .. } | Loitering { zone, .. } | WrongWay { zone, .. } | Crowd { zone, .. } = kind
    {
        put("zone", polygon(zone));
    }
    if let FaceSeen { zone: Some(zone) }
    | Motion { zone: Some(zone) }
    | AbandonedObject { zone: Some(zone), .. }
    | RemovedObject { zone: Some(zone), .. } = kind
    {
        put("zone", polygon(zone));
    }
    if let Intrusion { anchor, .. }
    | LineCrossing { anchor, .. }
    | Loitering { anchor, .. }
    | WrongWay { anchor, .. }
    | Crowd { anchor, .. } = kind
    {
        put("anchor", word(anchor));
    }
    match kind {
        LineCrossing { a, b, direction, .. } => {
            put("line", points(&[*a, *b]));
            put("direction", word(direction));
        }
        Loitering { dwell, .. } | AbandonedObject { dwell, .. } | RemovedObject { dwell, .. } => {
            put("dwell", duration(*dwell));
        }
        WrongWay { heading, .. } => {
            put("way", points(&[heading.from, heading.to]));
            put("tolerance", number(heading.tolerance));
            if let Some(distance) = heading.distance {
                put("distance", number(distance));
            }
        }
        Crowd { count, hold, .. } => {
            put("count", Value::Integer(*count as i64));
            put("hold", duration(*hold));
        }
        CameraLost { after } => put("after", duration(*after)),
        UnderWatched { below, hold } => {
            put("below", number(*below));
            put("hold", duration(*hold));
        }
        Tamper { signs, hold } => {
            put("signs", Value::Array(signs.iter().map(word).collect()));
            put("hold", duration(*hold));
        }
        Intrusion { .. } | FaceSeen { .. } | Motion { .. } => {}
    }
}

fn text(s: &str) -> Value {
    Value::String(s.into())
}

/// A word as the configuration spells it.
fn word(v: &impl serde::Serialize) -> Value {
    Value::try_from(v).expect("invariant: an enumeration of words")
}

/// The shortest number that means this one: 0.3, not 0.30000001192.
fn number(v: f32) -> Value {
    Value::Float(v.to_string().parse().unwrap_or_else(|_| f64::from(v)))
}

fn duration(d: Duration) -> Value {
    match d.subsec_millis() {
        0 => text(&format!("{}s", d.as_secs())),
        _ => text(&format!("{}ms", d.as_millis())),
    }
}

fn polygon(p: &Polygon) -> Value {
    points(p.points())
}

fn points(points: &[Point]) -> Value {
    Value::Array(points.iter().map(|p| Value::Array(vec![number(p.x), number(p.y)])).collect())
}

fn schedule(s: &Schedule) -> Value {
    let days = s.days.iter().map(|d| text(day(*d))).collect();
    let time = |t: Time| format!("{:02}:{:02}", t.hour(), t.minute());
    let spans = s.spans.iter().map(|&(a, b)| text(&format!("{}-{}", time(a), time(b)))).collect();
    Value::Table(Table::from_iter([
        ("zone".to_owned(), text(s.zone.iana_name().unwrap_or("UTC"))),
        ("days".to_owned(), Value::Array(days)),
        ("spans".to_owned(), Value::Array(spans)),
    ]))
}

fn day(d: Weekday) -> &'static str {
    match d {
        Weekday::Monday => "mon",
        Weekday::Tuesday => "tue",
        Weekday::Wednesday => "wed",
        Weekday::Thursday => "thu",
        Weekday::Friday => "fri",
        Weekday::Saturday => "sat",
        Weekday::Sunday => "sun",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::rules;
    use crate::rules::Limits;

    /// A rule of each kind, with every key that it takes.
    const ALL: &str = r#"
        [[rule]]
        id = "a"
        kind = "intrusion"
        zone = [[0.1, 0.5], [1, 0.5], [1, 1], [0, 1]]
        anchor = "center"
        classes = ["person", "vehicle"]
        min_score = 0.3
        min_size = 0.05
        max_size = 0.7
        ignore_still = "90s"
        severity = "critical"
        cooldown = "1500ms"
        schedule = { zone = "UTC", days = ["sat", "sun"], spans = ["22:00-06:30", "12:00-12:15"] }
        [[rule]]
        id = "b"
        kind = "line_crossing"
        line = [[0, 0.3333], [1, 0.5]]
        direction = "to_left"
        classes = ["motion"]
        schedule = { zone = "UTC" }
        [[rule]]
        id = "c"
        kind = "loitering"
        zone = [[0, 0.5], [1, 0.5], [1, 1]]
        dwell = "15s"
        [[rule]]
        id = "d"
        kind = "wrong_way"
        zone = [[0, 0.5], [1, 0.5], [1, 1]]
        way = [[0.5, 1], [0.5, 0]]
        tolerance = 45
        distance = 0.2
        [[rule]]
        id = "e"
        kind = "crowd"
        zone = [[0, 0.5], [1, 0.5], [1, 1]]
        count = 5
        hold = "3s"
        [[rule]]
        id = "f"
        kind = "face_seen"
        [[rule]]
        id = "g"
        kind = "motion"
        zone = [[0, 0.5], [1, 0.5], [1, 1]]
        [[rule]]
        id = "h"
        kind = "abandoned_object"
        dwell = "2m"
        [[rule]]
        id = "i"
        kind = "removed_object"
        zone = [[0, 0.5], [1, 0.5], [1, 1]]
        [[rule]]
        id = "j"
        kind = "camera_lost"
        after = "20s"
        [[rule]]
        id = "k"
        kind = "under_watched"
        below = 0.5
        [[rule]]
        id = "l"
        kind = "tamper"
        signs = ["covered", "frozen"]
        hold = "30s"
    "#;

    #[test]
    fn a_rule_of_every_kind_comes_back_from_its_text_and_the_text_from_it() {
        let all = rules(ALL, "all.toml".as_ref()).unwrap();
        assert_eq!(all.len(), 12);
        for rule in &all {
            let text = rule_text(rule);
            let again = rules(&text, "text".as_ref()).unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(again, std::slice::from_ref(rule), "{text}");
            assert_eq!(rule_text(&again[0]), text);
        }
    }

    #[test]
    fn rules_that_differ_in_anything_have_different_texts() {
        let rule = rules(ALL, "all.toml".as_ref()).unwrap().remove(0);
        let changed = [
            RuleSpec { min_score: 0.31, ..rule.clone() },
            RuleSpec { limits: Limits { max_size: 0.71, ..rule.limits.clone() }, ..rule.clone() },
            RuleSpec { cooldown: Duration::from_millis(1501), ..rule.clone() },
            RuleSpec { schedule: None, ..rule.clone() },
            RuleSpec { classes: Vec::from([crate::infer::Class::Person]), ..rule.clone() },
        ];
        for other in changed {
            assert_ne!(rule_text(&other), rule_text(&rule), "{other:?}");
        }
    }

    #[test]
    fn a_file_of_rules_has_its_problems_told_with_their_places() {
        let text = "[[rule]]\nid = \"b\"\nkind = \"intrusion\"\n[[rule]]\nid = \"a\"\nkind = \"motion\"\n\
                    [[rule]]\nid = \"a\"\nkind = \"motion\"\n";
        let problems = rules(text, "try.toml".as_ref()).unwrap_err();
        let shown: Vec<String> = problems.problems.iter().map(ToString::to_string).collect();
        assert!(
            shown.iter().any(|p| p.starts_with("try.toml:1:") && p.contains("'zone' is missing")),
            "{shown:?}"
        );
        assert!(
            shown.iter().any(|p| p.starts_with("try.toml:8:") && p.contains("'a' is taken")),
            "{shown:?}"
        );
        assert!(rules("", "none.toml".as_ref()).is_err(), "a file without rules is a mistake");
    }
}
