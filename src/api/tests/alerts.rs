//! Alerts read and worked on.

use std::time::Duration;

use uuid::Uuid;

use super::kit::{START, Site, camera};
use crate::alerts::{Alert, AlertBox, AlertId, AlertState};
use crate::api::Role;
use crate::infer::Class;
use crate::media::BBox;
use crate::rules::{RuleId, Severity};

/// Store an alert and tell the live readers.
pub fn raise(site: &Site, seq: u64) -> AlertId {
    let id = AlertId(Uuid::now_v7());
    site.state.alerts.put(Alert {
        id,
        seq,
        camera: camera("gate"),
        rule: RuleId("no-entry".into()),
        kind: "intrusion".into(),
        severity: Severity::Critical,
        at: START + Duration::from_secs(seq),
        ended: None,
        raised: START,
        message: "A person is in the yard.".into(),
        boxes: vec![AlertBox { class: Class::Person, bbox: BBox::new(0.1, 0.2, 0.3, 0.4), score: 0.9 }],
        track: Some(3),
        direction: None,
        state: AlertState::Open,
        history: vec![],
        snapshot: false,
    });
    id
}

#[tokio::test]
async fn pages_lead_through_all_alerts_once() {
    let site = Site::new();
    for seq in 1..=5 {
        raise(&site, seq);
    }
    let mut seqs = Vec::new();
    let mut path = "/api/v1/alerts?limit=2".to_owned();
    loop {
        let page = site.get(&path).await.json();
        seqs.extend(page["alerts"].as_array().unwrap().iter().map(|a| a["seq"].as_u64().unwrap()));
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/alerts?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seqs, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn an_alert_is_worked_on_with_actor_and_reason() {
    let site = Site::new();
    let id = raise(&site, 1);
    let base = format!("/api/v1/alerts/{id}");
    let alert = site.get(&base).await.json();
    assert_eq!((&alert["state"], &alert["at"]), (&"open".into(), &"2026-11-23T08:00:01.000Z".into()));
    assert_eq!(
        (&alert["boxes"][0]["class"], &alert["snapshot"]),
        (&"person".into(), &serde_json::Value::Null)
    );

    let ask = async |what: &str, body: &str| {
        site.ask(Some(Role::Operator), &format!("POST {base}/{what}"), body).await
    };
    let acked = ask("ack", "").await.json();
    assert_eq!(
        (&acked["state"], &acked["history"][0]["actor"]),
        (&"acknowledged".into(), &"operator".into())
    );
    for no_reason in ["", "{}", r#"{"reason": "  "}"#, r#"{"reason": null}"#] {
        assert!(ask("dismiss", no_reason).await.problem(400).contains("reason"), "{no_reason}");
    }
    ask("dismiss", r#"{"because": "x"}"#).await.problem(400);
    let long = format!("{{\"reason\": \"{}\"}}", "x".repeat(1001));
    ask("dismiss", &long).await.problem(400);
    let done = ask("dismiss", r#"{"reason": " the cleaner "}"#).await.json();
    assert_eq!((&done["state"], &done["history"][1]["reason"]), (&"dismissed".into(), &"the cleaner".into()));
    ask("resolve", "").await.problem(409);
    let unknown = format!("POST /api/v1/alerts/{}/ack", Uuid::now_v7());
    site.ask(Some(Role::Operator), &unknown, "").await.problem(404);
}

#[tokio::test]
async fn what_an_alert_lacks_is_said() {
    let site = Site::new();
    let id = raise(&site, 1);
    let detail = site.get(&format!("/api/v1/alerts/{id}/snapshot.jpg")).await.problem(404);
    assert!(detail.contains("clip.mp4"), "{detail}");
    site.get(&format!("/api/v1/alerts/{id}/clip.mp4")).await.problem(404);
    site.get(&format!("/api/v1/alerts/{}", Uuid::now_v7())).await.problem(404);
}
