//! Cameras that go away, fall silent, or send too much.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::base::task::Stop;
use crate::base::{CameraId, Clock, SimClock, StreamKind, Wall};
use crate::camera::{GapCause, SourceSpec, StreamSpec, StreamWhat, Transport};
use crate::ingest::supervisor::{Client, Open, Supervisor};
use crate::ingest::{ConnectGate, Error, Settings, Source, SourceUnit, StreamJob};

use super::server::Server;
use super::{Collected, Running, clip};

#[tokio::test]
async fn a_camera_that_comes_back_is_connected_again() {
    let Some(path) = clip("faces-near-640x480.mp4") else { return };
    let Some(server) = Server::start(&path, &[]) else { return };
    let port = server.port.to_string();
    let running = Running::start(server.cam(), false);
    running.seen.wait("pictures", |units, _| units.len() > 20).await;
    drop(server);
    running.seen.wait("loss", |_, events| events.iter().any(|e| matches!(e, StreamWhat::Lost { .. }))).await;
    let Some(_again) = Server::start(&path, &["--port", &port]) else { return };
    running.seen.wait("return", |units, _| units.last().is_some_and(|u| u.connection > 1)).await;
    let seen = running.stop().await;
    let events = seen.events.lock().unwrap();
    assert_eq!(events[..2], [StreamWhat::Connecting, StreamWhat::Online { connection: 1 }]);
    let StreamWhat::Lost { cause: GapCause::CameraLost, message } = &events[2] else { panic!("{events:?}") };
    assert!(message.contains("closed the connection") || message.contains("broke"), "{message}");
    let back = seen.pictures().into_iter().find(|u| u.connection > 1).unwrap();
    assert!(back.pts.0 == 0 && back.key, "a new connection begins a new line");
}

#[tokio::test]
async fn a_dead_port_is_said_to_be_dead() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rtsp://{}/cam", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let spec = SourceSpec::Rtsp { url, user: None, password: None, transport: Transport::Tcp };
    let running = Running::start(spec, false);
    running.seen.wait("loss", |_, events| events.len() >= 2).await;
    let message = running.stop().await.lost().unwrap();
    assert!(message.contains("cannot connect") && message.contains("refused"), "{message}");
}

/// Gives out `left` pictures and then nothing, for ever.
struct Faint {
    left: u32,
    unit: SourceUnit,
}

impl Source for Faint {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<SourceUnit>, Error>> {
        Box::pin(async {
            if self.left == 0 {
                std::future::pending::<()>().await;
            }
            self.left -= 1;
            self.unit.pts += 3_600;
            Ok(Some(self.unit.clone()))
        })
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

struct OpenFaint {
    pictures: u32,
    data: &'static [u8],
}

impl Open for OpenFaint {
    fn open(&self, _: Client) -> BoxFuture<'_, Result<Box<dyn Source>, Error>> {
        let video = crate::media::VideoParams {
            codec: crate::media::Codec::H264,
            width: 64,
            height: 64,
            config: bytes::Bytes::new(),
            rfc6381: String::new(),
        };
        let params = Arc::new(crate::media::Params::Video(video));
        let data = bytes::Bytes::from_static(self.data);
        let unit = SourceUnit { pts: 0, dts: None, key: true, lost_before: 0, params, data };
        let left = self.pictures;
        Box::pin(async move { Ok(Box::new(Faint { left, unit }) as Box<dyn Source>) })
    }
}

/// Runs a camera that gives `pictures` of `data` per connection until the second connection.
async fn check_faint(
    pictures: u32,
    data: &'static [u8],
    max_unit_bytes: usize,
    expected: &str,
) -> Arc<Collected> {
    let settings = Settings {
        max_unit_bytes,
        connect_timeout: Duration::from_millis(300),
        backoff_max: Duration::from_millis(10),
        ..Settings::default()
    };
    let settings = Arc::new(settings);
    let clock: Arc<dyn Clock> = Arc::new(SimClock::new(Wall::from_secs(1_700_000_000)));
    let url = "rtsp://camera.invalid/".parse().unwrap();
    let source = SourceSpec::Rtsp { url, user: None, password: None, transport: Transport::Tcp };
    let job = StreamJob {
        camera: CameraId::new("faint").unwrap(),
        kind: StreamKind::Sub,
        spec: StreamSpec { source, silence: Duration::from_millis(200) },
        want_audio: false,
    };
    let (seen, stop) = (Arc::new(Collected::default()), Stop::new());
    let gate = ConnectGate::new(&settings);
    let (sink, stops) = (seen.clone(), stop.clone());
    let run =
        Supervisor { job, sink, gate, settings, clock, stop: stops, connection: 0, client: Client::Direct };
    let opener = OpenFaint { pictures, data };
    let task = tokio::spawn(async move { run.run(&opener).await });
    let connecting = |e: &&StreamWhat| **e == StreamWhat::Connecting;
    seen.wait("second attempt", |_, events| events.iter().filter(connecting).count() == 2).await;
    stop.cancel();
    task.await.unwrap();
    let message = seen.lost().unwrap();
    assert!(message.contains(expected), "{message}");
    seen
}

const PICTURE: &[u8] = &[0, 0, 0, 2, 0x65, 0];

#[tokio::test]
async fn a_silent_camera_is_given_up_and_tried_again() {
    let seen = check_faint(3, PICTURE, 100, "fell silent for 200ms").await;
    assert!(seen.pictures().len() >= 3);
    check_faint(0, PICTURE, 100, "no picture within 300ms").await;
}

#[tokio::test]
async fn a_unit_beyond_the_limit_is_refused() {
    let seen = check_faint(3, PICTURE, 5, "6 bytes is larger than the limit of 5").await;
    assert!(seen.pictures().is_empty());
}

#[tokio::test]
async fn torn_units_are_not_passed_on() {
    let seen = check_faint(3, &PICTURE[..5], 100, "no picture within 300ms").await;
    assert!(seen.pictures().is_empty());
}
