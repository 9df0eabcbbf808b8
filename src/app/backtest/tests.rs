//! What would be told beside what was.

use std::time::Duration;

use super::compare::{Told, compare};
use crate::alerts::{Alert, AlertId, AlertState};
use crate::api::{Counts, Standing};
use crate::base::{CameraId, Wall};
use crate::rules::{RuleId, Severity};

/// Tenths of a second.
fn at(tenths: i64) -> Wall {
    Wall(1_700_000_000_000_000 + tenths * 100_000)
}

fn would(rule: &str, tenths: i64, direction: Option<&'static str>) -> Told {
    Told {
        rule: rule.into(),
        kind: "line_crossing",
        severity: Severity::Info,
        at: at(tenths),
        ended: None,
        message: "m".into(),
        boxes: Vec::new(),
        direction,
    }
}

fn was(n: u128, rule: &str, tenths: i64, direction: Option<&str>) -> Alert {
    Alert {
        id: AlertId(uuid::Uuid::from_u128(n)),
        seq: n as u64,
        camera: CameraId::new("c").unwrap(),
        rule: RuleId(rule.into()),
        kind: "line_crossing".into(),
        severity: Severity::Info,
        at: at(tenths),
        ended: None,
        raised: at(tenths) + Duration::from_secs(1),
        message: "m".into(),
        boxes: Vec::new(),
        track: None,
        direction: direction.map(str::to_owned),
        state: AlertState::Open,
        history: Vec::new(),
        snapshot: false,
        origin: None,
    }
}

/// Each alert as its sign, rule and tenth, `=` with the number of the one it is.
fn shown(told: Vec<Told>, raised: Vec<Alert>) -> (String, Counts) {
    let (alerts, counts) = compare(told, raised);
    let one = |a: &crate::api::TrialAlert| {
        let tenths = (a.at.micros() - at(0).micros()) / 100_000;
        let id = a.alert.as_ref().map(|id| id.parse::<uuid::Uuid>().unwrap().as_u128());
        match a.standing {
            Standing::Kept => format!("={}{tenths}:{}", a.rule, id.unwrap()),
            Standing::New => format!("+{}{tenths}", a.rule),
            Standing::Gone => format!("-{}{tenths}:{}", a.rule, id.unwrap()),
        }
    };
    (alerts.iter().map(one).collect::<Vec<_>>().join(" "), counts)
}

#[test]
fn what_is_told_at_the_same_time_is_the_same_and_nothing_is_counted_twice() {
    let told = vec![would("a", 0, None), would("a", 15, None), would("a", 100, None)];
    let raised = vec![was(1, "a", 1, None), was(2, "a", 16, None), was(3, "a", 200, None)];
    let (text, counts) = shown(told, raised);
    assert_eq!(text, "=a0:1 =a15:2 +a100 -a200:3");
    assert_eq!(counts, Counts { kept: 2, new: 1, gone: 1 });
    // One alert cannot be two.
    assert_eq!(
        shown(vec![would("a", 0, None), would("a", 3, None)], vec![was(1, "a", 2, None)]).0,
        "+a0 =a3:1"
    );
}

#[test]
fn the_other_way_over_a_line_is_another_thing() {
    let told = vec![would("a", 0, Some("to_left"))];
    assert_eq!(shown(told, vec![was(1, "a", 0, Some("to_right"))]).0, "+a0 -a0:1");
}

#[test]
fn a_rule_under_another_name_is_known_again_but_its_namesake_comes_first() {
    assert_eq!(shown(vec![would("new", 0, None)], vec![was(1, "old", 2, None)]).0, "=new0:1");
    let raised = vec![was(1, "old", 0, None), was(2, "a", 10, None)];
    assert_eq!(shown(vec![would("a", 0, None)], raised).0, "=a0:2 -old0:1");
    assert_eq!(
        shown(vec![would("a", 0, None)], vec![was(1, "a", 21, None)]).0,
        "+a0 -a21:1",
        "too far apart"
    );
}
