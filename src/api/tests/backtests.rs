//! Trials of rules: who may begin them, and what is said of wrong ones.

use super::kit::Site;
use crate::api::Role;

const TRIAL: &str = r#"{"cameras": ["gate"], "from": "2026-11-23T00:00:00Z", "to": "2026-11-24T00:00:00Z"}"#;

#[tokio::test]
async fn operators_begin_trials_and_viewers_only_read_them() {
    let site = Site::new();
    for request in ["POST /api/v1/backtests", "DELETE /api/v1/backtests/1"] {
        site.ask(Some(Role::Viewer), request, TRIAL).await.problem(403);
    }
    let full = site.ask(Some(Role::Operator), "POST /api/v1/backtests", TRIAL).await.problem(503);
    assert!(full.contains("try again"), "{full}");
    let list = site.ask(Some(Role::Viewer), "GET /api/v1/backtests", "").await;
    assert_eq!(list.json()["backtests"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn what_is_wrong_with_a_trial_is_told_before_it_is_taken_on() {
    let site = Site::new();
    let long = TRIAL.replace("2026-11-24", "2027-01-24");
    let many: Vec<String> = (0..1001).map(|i| format!("\"c{i}\"")).collect();
    let many = TRIAL.replace("\"gate\"", &many.join(","));
    for (body, told) in [
        ("{}", "'from' and 'to'"),
        ("", "'from' and 'to'"),
        (long.as_str(), "at most 744 h"),
        (&TRIAL.replace("[\"gate\"]", "[]"), "'cameras' names"),
        (&TRIAL.replace("\"gate\"", "\"No Such\""), "not a camera id"),
        (&TRIAL.replace("cameras", "camera"), "unknown field"),
        (many.as_str(), "'cameras' names 1 to 1000"),
    ] {
        let detail = site.ask(Some(Role::Operator), "POST /api/v1/backtests", body).await.problem(400);
        assert!(detail.contains(told), "{body}: {detail}");
    }
}

#[tokio::test]
async fn a_trial_picture_or_alert_that_is_not_there_is_told_so() {
    let site = Site::new();
    for request in [
        "GET /api/v1/backtests/7",
        "DELETE /api/v1/backtests/7",
        "GET /api/v1/backtests/7/pictures/0",
        "POST /api/v1/alerts/01936f3e-0000-7000-8000-000000000000/replay",
    ] {
        site.ask(Some(Role::Operator), request, "").await.problem(404);
    }
}
