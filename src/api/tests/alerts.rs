//! Alerts read and worked on.

use std::time::Duration;

use uuid::Uuid;

use super::kit::{START, Site, camera};
use crate::alerts::Alert;
use crate::api::Role;
use crate::infer::Class;
use crate::media::BBox;
use crate::rules::{Edge, RuleEvent, RuleId, Severity, Subject};
use crate::track::TrackId;

/// Somebody (number `who`, never seen before) enters `who` seconds after the start.
pub fn raise(site: &Site, who: u64) -> Alert {
    raise_with(site, who, None)
}

fn raise_with(site: &Site, who: u64, snapshot: Option<Vec<u8>>) -> Alert {
    let event = RuleEvent {
        camera: camera("gate"),
        rule: RuleId("no-entry".into()),
        kind: "intrusion",
        severity: Severity::Critical,
        at: START + Duration::from_secs(who),
        subject: Subject::Track {
            id: TrackId(who),
            class: Class::Person,
            bbox: BBox::new(0.1, 0.2, 0.3, 0.4),
            score: 0.9,
            direction: None,
            dwell: None,
        },
        edge: Edge::Begin,
        message: "A person is in the yard.".into(),
        cooldown: Duration::ZERO,
    };
    site.state.alerts.raise(&event, snapshot).unwrap().expect("nobody like this was seen before")
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
    let id = raise(&site, 1).id;
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
    let id = raise(&site, 1).id;
    let detail = site.get(&format!("/api/v1/alerts/{id}/snapshot.jpg")).await.problem(404);
    assert!(detail.contains("clip.mp4"), "{detail}");
    site.get(&format!("/api/v1/alerts/{id}/clip.mp4")).await.problem(404);
    site.get(&format!("/api/v1/alerts/{}", Uuid::now_v7())).await.problem(404);
}

#[tokio::test]
async fn the_picture_of_an_alert_is_sent_once() {
    let site = Site::new();
    let id = raise_with(&site, 1, Some(b"\xff\xd8jpeg".to_vec())).id;
    let alert = site.get(&format!("/api/v1/alerts/{id}")).await.json();
    let address = alert["snapshot"].as_str().unwrap();
    let first = site.get(address).await;
    assert_eq!((first.header("content-type"), &first.body[..]), ("image/jpeg", &b"\xff\xd8jpeg"[..]));
    let tag = [("if-none-match", first.header("etag"))];
    let again = site.ask_with(Some(Role::Viewer), &format!("GET {address}"), "", &tag).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
}
