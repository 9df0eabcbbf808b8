//! Cameras over RTSP: every access unit arrives, whatever the way in.

use std::io::Write;

use crate::camera::{GapCause, SecretRef, StreamWhat, Transport};
use crate::ingest::gst_rtsp::GstRtspSource;
use crate::ingest::rtsp::Login;
use crate::ingest::{CertificateCheck, Settings, Source};
use crate::media::Codec;

use super::server::Server;
use super::{Running, check_line, clip};

/// A password as a `file:` reference.
fn secret(password: &str) -> (tempfile::NamedTempFile, SecretRef) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{password}").unwrap();
    let reference = SecretRef::File(file.path().into());
    (file, reference)
}

/// Plays the whole of `name` and expects `frames` pictures of `format`.
async fn check(name: &str, args: &[&str], transport: Transport, frames: usize, format: (Codec, u16, u16)) {
    let Some(path) = clip(name) else { return };
    let Some(server) = Server::start(&path, args) else { return };
    let (_file, password) = secret("right horse");
    let login = args.contains(&"--user").then_some(("viewer", password));
    let running = Running::start(server.spec("/cam", login, transport), false);
    let enough = |events: &[StreamWhat]| events.iter().any(|e| matches!(e, StreamWhat::Lost { .. }));
    let seen = running.seen.clone();
    seen.wait("end of the clip", |units, events| units.len() >= frames || enough(events)).await;
    let seen = running.stop().await;
    let first: Vec<_> = seen.pictures().into_iter().filter(|u| u.connection == 1).collect();
    let places: Vec<i64> = first.iter().map(|u| u.pts.0 / 900).collect();
    assert_eq!(first.len(), frames, "{name} {args:?}: {:?}; pictures at {places:?} (10 ms)", seen.lost());
    check_line(&first);
    let params = first[0].params.video().unwrap();
    assert_eq!((params.codec, params.width, params.height), format);
    assert_eq!(first.iter().map(|u| u.lost_before).sum::<u32>(), 0);
    assert_eq!(
        seen.events.lock().unwrap()[..2],
        [StreamWhat::Connecting, StreamWhat::Online { connection: 1 }]
    );
}

const HEADS: &str = "head-pose-face-detection-female-and-male-480x270.mp4";
const H264_480: (Codec, u16, u16) = (Codec::H264, 480, 270);

#[tokio::test]
async fn h264_over_tcp_loses_nothing() {
    check("worker-zone-detection-480x270.mp4", &[], Transport::Tcp, 71, H264_480).await;
}

#[tokio::test]
async fn h264_over_udp_loses_nothing() {
    check(HEADS, &[], Transport::Udp, 56, H264_480).await;
}

#[tokio::test]
async fn digest_lets_us_in() {
    let args = ["--user", "viewer", "--password", "right horse", "--auth", "digest"];
    check("cars_320x240.h264", &args, Transport::Tcp, 30, (Codec::H264, 320, 240)).await;
}

#[tokio::test]
async fn basic_lets_us_in() {
    let args = ["--user", "viewer", "--password", "right horse", "--auth", "basic"];
    check("cars_320x240.h264", &args, Transport::Tcp, 30, (Codec::H264, 320, 240)).await;
}

#[tokio::test]
async fn h265_with_b_frames_keeps_its_times() {
    check("cars_320x240.h265", &[], Transport::Tcp, 30, (Codec::H265, 320, 240)).await;
}

/// A self-signed certificate and its key; `None`, said aloud, without the openssl command.
fn certificate() -> Option<(tempfile::TempDir, String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name).to_str().unwrap().to_owned();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=camera"])
        .args(["-keyout", &key, "-out", &cert])
        .stderr(std::process::Stdio::null())
        .status();
    if !made.is_ok_and(|s| s.success()) {
        eprintln!("skipped: the openssl command is not there");
        return None;
    }
    Some((folder, cert, key))
}

#[tokio::test]
async fn rtsps_with_a_self_signed_certificate_on_a_private_address() {
    let Some((_folder, cert, key)) = certificate() else { return };
    let Some(path) = clip(HEADS) else { return };
    let Some(server) = Server::start(&path, &["--tls", &cert, &key]) else { return };
    let running = Running::start(server.cam(), false);
    // Not to the end: rtspsrc stops by its own clock where the server tells how long the clip is,
    // as no camera does, and that is some pictures early.
    running.seen.wait("40 pictures", |units, _| units.len() >= 40).await;
    let pictures = running.stop().await.pictures();
    check_line(&pictures[..40]);
    assert!(
        pictures.windows(2).all(|p| (7_400..7_600).contains(&(p[1].pts.0 - p[0].pts.0))),
        "pictures are missing"
    );
}

#[tokio::test]
async fn a_certificate_that_nobody_signed_is_refused_where_it_is_checked() {
    let Some((_folder, cert, key)) = certificate() else { return };
    let Some(path) = clip(HEADS) else { return };
    let Some(server) = Server::start(&path, &["--tls", &cert, &key]) else { return };
    let settings = Settings { certificates: CertificateCheck::Always, ..Settings::default() };
    let running = Running::start_with(server.cam(), false, settings);
    running.seen.wait("loss", |_, events| events.len() >= 2).await;
    let message = running.stop().await.lost().unwrap();
    assert!(message.contains("certificate is not trusted"), "{message}");
}

#[tokio::test]
async fn audio_comes_where_it_is_wanted() {
    let Some(path) = clip("car-detection.mp4") else { return };
    let Some(server) = Server::start(&path, &[]) else { return };
    let running = Running::start(server.cam(), true);
    let is_audio = |u: &crate::media::EncodedUnit| !u.is_video();
    running.seen.wait("audio", |units, _| units.iter().filter(|u| is_audio(u)).count() > 20).await;
    let seen = running.stop().await;
    let units = seen.units.lock().unwrap();
    let audio: Vec<_> = units.iter().filter(|u| is_audio(u)).collect();
    assert_eq!(audio[0].params.codec(), Codec::Aac);
    assert!(audio.windows(2).all(|p| p[1].pts > p[0].pts));
    // Sound and picture of one moment arrive together.
    let video = units.iter().rfind(|u| u.is_video()).unwrap();
    assert!((audio.last().unwrap().pts.0 - video.pts.0).abs() < 2 * 90_000, "sound is off");
}

/// Connects with what is wrong and expects a message with `expected` in it, and no credentials.
async fn check_refusal(path: &str, password: &str, expected: &str) {
    let Some(file) = clip(HEADS) else { return };
    let args = ["--user", "gatekeeper", "--password", "right horse"];
    let Some(server) = Server::start(&file, &args) else { return };
    let (_file, reference) = secret(password);
    let running = Running::start(server.spec(path, Some(("gatekeeper", reference)), Transport::Tcp), false);
    running.seen.wait("loss", |_, events| events.len() >= 2).await;
    let seen = running.stop().await;
    let events = seen.events.lock().unwrap();
    let StreamWhat::Lost { cause, message } = &events[1] else { panic!("{events:?}") };
    assert_eq!(*cause, GapCause::CameraLost);
    assert!(message.contains(expected), "{message}");
    for secret in ["gatekeeper", "right horse", "wrong pony"] {
        assert!(!message.contains(secret), "{message}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    check_refusal("/cam", "wrong pony", "401").await;
}

#[tokio::test]
async fn a_wrong_path_is_said() {
    check_refusal("/nowhere", "right horse", "404").await;
}

/// The client for cameras that retina refuses, over plain RTSP.
#[tokio::test]
async fn the_lenient_client_takes_pictures_and_sound_and_hides_passwords() {
    let Some(path) = clip("car-detection.mp4") else { return };
    let args = ["--user", "gatekeeper", "--password", "right horse"];
    let Some(server) = Server::start(&path, &args) else { return };
    let url = format!("rtsp://127.0.0.1:{}/cam", server.port).parse().unwrap();
    let open = |password: &str| {
        let login = Login { user: "gatekeeper".into(), password: password.into() };
        GstRtspSource::open(&url, Some(login), Transport::Tcp, true, CertificateCheck::Always).unwrap()
    };
    let message = open("wrong pony").next().await.unwrap_err().to_string();
    assert!(
        message.contains("401") && !message.contains("gatekeeper") && !message.contains("pony"),
        "{message}"
    );
    let mut source = open("right horse");
    let (mut pictures, mut sounds) = (0, 0);
    while pictures < 20 || sounds < 20 {
        let unit = source.next().await.unwrap().unwrap();
        assert!(pictures + sounds > 0 || unit.key);
        *(if unit.params.video().is_some() { &mut pictures } else { &mut sounds }) += 1;
    }
    Box::new(source).close().await;
}
