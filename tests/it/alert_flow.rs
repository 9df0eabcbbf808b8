//! An alert from the picture to the operator's last word, told live and never twice or not at all.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::cameras::GstServer;
use crate::support::sse::AlertStream;
use crate::support::{Site, TestServer, media, part_of_machine, shared_or_skip, wait_for};

const PATIENCE: Duration = Duration::from_secs(40);

#[test]
fn an_alert_is_told_shown_worked_on_and_told_again_after_a_restart() {
    let shared = shared_or_skip!();
    let _machine = part_of_machine();
    if !media::have_ffmpeg() {
        eprintln!("skipped: ffmpeg is not there");
        return;
    }
    let clip = shared.join("footage/people-detection-768x432.mp4");
    let Some(rtsp) = GstServer::start(0, &[("people", &clip)], &["--loop"]) else { return };
    let camera = format!(
        "[[camera]]\nid = \"hall\"\nurl = \"{}\"\nanalytics = \"motion\"\ncamera_lost = false\n\
         [[camera.rule]]\nid = \"moving\"\nkind = \"motion\"\ncooldown = \"1s\"\n",
        rtsp.url("people")
    );
    let site = Site::new("[recorder]\nsegment = \"4s\"", &camera);
    let server = TestServer::start(&site);
    let live = AlertStream::open(&server, None);

    let (first_seq, alert) = live.find(PATIENCE, |a| a["rule"] == "moving");
    assert_eq!((&alert["state"], &alert["camera"]), (&json!("open"), &json!("hall")), "{alert}");
    let id = alert["id"].as_str().unwrap();
    let path = |what: &str| format!("/api/v1/alerts/{id}/{what}");
    let save = |what: &str| {
        let (status, body) = server.get(&path(what));
        assert_eq!(status, 200, "{what}: {}", String::from_utf8_lossy(&body));
        let file = site.dir.path().join(what);
        std::fs::write(&file, body).unwrap();
        assert_eq!(media::complaints(&file), "", "{what}");
        file
    };
    let picture = save("snapshot.jpg");
    assert_eq!(media::probe(&picture, "stream=codec_name,width,height"), "mjpeg\n768\n432");
    assert!(alert["boxes"].as_array().is_some_and(|b| !b.is_empty()), "{alert}");

    let at: Timestamp = alert["at"].as_str().unwrap().parse().unwrap();
    wait_for("the recording around it", Duration::from_secs(20), || {
        let coverage = server.coverage("hall", &at.to_string(), &Timestamp::now().to_string());
        let to: Timestamp = coverage["recorded"][0]["to"].as_str()?.parse().ok()?;
        (to > at + SignedDuration::from_secs(1)).then_some(())
    });
    let video = save("clip.mp4");
    assert_eq!(media::probe(&video, "stream=codec_name,width,height"), "h264\n768\n432");
    let seconds: f64 = media::probe(&video, "format=duration").parse().unwrap();
    let created: Timestamp = media::probe(&video, "format_tags=creation_time").parse().unwrap();
    let into = at.duration_since(created).as_secs_f64();
    assert!((0.0..seconds).contains(&into), "the alert is {into} s into a clip of {seconds} s");

    // open → acknowledged → resolved; nothing leads back or aside.
    assert_eq!(server.post(&path("ack"), &json!({})).0, 200);
    let (_, told) = live.find(PATIENCE, |a| a["id"] == alert["id"] && a["state"] != "open");
    assert_eq!(told["state"], "acknowledged");
    let (status, problem) = server.post(&path("ack"), &json!({}));
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("acknowledged")), "{problem}");
    let (status, done) = server.post(&path("resolve"), &json!({"reason": "a guest, met"}));
    assert_eq!(status, 200, "{done}");
    assert_eq!(server.post(&path("dismiss"), &json!({"reason": "too late"})).0, 409);
    let stored = server.json(&format!("/api/v1/alerts/{id}"));
    assert_eq!(stored["state"], "resolved");
    let history: Vec<_> =
        stored["history"].as_array().unwrap().iter().map(|c| (&c["to"], &c["actor"], &c["reason"])).collect();
    let (tester, none) = (json!("tester"), json!(null));
    let words = [json!("acknowledged"), json!("resolved"), json!("a guest, met")];
    assert_eq!(history, [(&words[0], &tester, &none), (&words[1], &tester, &words[2])]);
    let (resolved_seq, _) = live.find(PATIENCE, |a| a["id"] == alert["id"] && a["state"] == "resolved");
    assert!(resolved_seq > first_seq);

    // The reader goes away; more happens; the server stops and comes back without cameras.
    drop(live);
    let later = wait_for("another alert", PATIENCE, || {
        server.alerts("camera=hall").into_iter().rev().find(|a| a["id"] != alert["id"])
    });
    let (status, _) = server.post(
        &format!("/api/v1/alerts/{}/dismiss", later["id"].as_str().unwrap()),
        &json!({"reason": "known"}),
    );
    assert_eq!(status, 200);
    assert!(server.stop().success());
    site.write("", "");
    let server = TestServer::start(&site);
    let all = server.alerts("camera=hall");
    let missed: BTreeMap<u64, &str> = all
        .iter()
        .map(|a| (a["seq"].as_u64().unwrap(), a["id"].as_str().unwrap()))
        .filter(|(seq, _)| *seq > first_seq)
        .collect();
    assert!(missed.len() >= 2, "{all:?}");
    let again = AlertStream::open(&server, Some(first_seq));
    for (seq, id) in missed {
        let (told, alert) = again.next(PATIENCE);
        assert_eq!((told, alert["id"].as_str().unwrap()), (seq, id));
    }
    assert!(server.stop().success());
}
