//! Cameras, health and measurements.

use std::sync::Arc;

use super::kit::Site;
use crate::api::{Health, Role};

#[tokio::test]
async fn cameras_tell_their_live_state_and_no_credentials() {
    let site = Site::new();
    let answer = site.get("/api/v1/cameras").await;
    assert!(!answer.text().contains("hunter2") && !answer.text().contains("CAMERA_PASSWORD"));
    let list = answer.json();
    let (gate, yard) = (&list["cameras"][0], &list["cameras"][1]);
    assert_eq!((&gate["id"], &gate["state"]), (&"gate".into(), &"online".into()));
    let stream = &gate["streams"][0];
    assert_eq!(stream["source"], "rtsp://192.0.2.1/gate");
    assert_eq!(stream["since"], "2026-11-23T08:00:00.000Z");
    assert_eq!((&stream["reconnects"], &stream["packets_lost"]), (&2.into(), &1.into()));
    assert_eq!(gate["analysis"]["stream"], "main");
    assert_eq!((&yard["state"], &yard["streams"][0]["cause"]), (&"offline".into(), &"camera_lost".into()));
    assert_eq!(yard["streams"][0]["message"], "connection refused");

    let watch = &gate["watch"];
    assert_eq!((&watch["attention"], &watch["stretch"]), (&"followed".into(), &2.0.into()));
    assert_eq!(
        (&watch["needed"]["look_every_s"], &watch["effective"]["look_every_s"]),
        (&4.0.into(), &8.0.into())
    );
    assert_eq!((&watch["needed"]["fps"], &watch["effective"]["fps"]), (&5.0.into(), &2.5.into()));
    assert_eq!(watch["ratio"], 0.5);

    let detail = site.get("/api/v1/cameras/gate").await.json();
    assert_eq!(detail["name"], "The gate");
    let rule = &detail["rules"][0];
    assert_eq!((&rule["kind"], &rule["severity"]), (&"intrusion".into(), &"critical".into()));
    assert_eq!(rule["zone"].as_array().unwrap().len(), 3);
    assert!(site.get("/api/v1/cameras/attic").await.problem(404).contains("attic"));
}

#[tokio::test]
async fn a_snapshot_is_sent_once_while_it_does_not_change() {
    let site = Site::new();
    let first = site.get("/api/v1/cameras/gate/snapshot.jpg").await;
    assert_eq!((first.status.as_u16(), first.header("content-type")), (200, "image/jpeg"));
    assert_eq!(first.header("last-modified"), "Mon, 23 Nov 2026 08:00:00 GMT");
    let tag = [("if-none-match", first.header("etag"))];
    let again = site.ask_with(Some(Role::Viewer), "GET /api/v1/cameras/gate/snapshot.jpg", "", &tag).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    assert!(site.get("/api/v1/cameras/yard/snapshot.jpg").await.problem(503).contains("offline"));
}

#[tokio::test]
async fn readiness_names_every_reason() {
    let mut site = Site::new();
    assert_eq!(site.ask(None, "GET /healthz", "").await.text(), "ok\n");
    assert_eq!(site.ask(None, "GET /readyz", "").await.json()["ready"], true);
    site.state.health = Arc::new(|| Health::NotReady {
        reasons: vec!["The disk is full.".into(), "No model is loaded.".into()],
    });
    let detail = site.ask(None, "GET /readyz", "").await.problem(503);
    assert!(detail.contains("disk is full") && detail.contains("No model"), "{detail}");
    assert_eq!(site.ask(None, "GET /healthz", "").await.status, 200);
}

#[tokio::test]
async fn requests_are_counted_by_route_and_status() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let mut site = Site::new();
    site.state.metrics = recorder.handle();
    // The test's own thread runs all of its requests.
    let _guard = metrics::set_default_local_recorder(&recorder);
    site.get("/api/v1/cameras/gate").await;
    site.get("/api/v1/cameras/yard").await;
    site.get("/api/v1/cameras/attic").await;
    site.get("/nowhere/4711").await;
    let text = site.get("/metrics").await.text().to_owned();
    for line in [
        r#"pingan_http_requests_total{route="/api/v1/cameras/{id}",status="200"} 2"#,
        r#"pingan_http_requests_total{route="/api/v1/cameras/{id}",status="404"} 1"#,
        r#"pingan_http_requests_total{route="unmatched",status="404"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
