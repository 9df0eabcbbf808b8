//! Keeps one stream connected: connect, pump, notice that it is gone, wait, connect anew.

use std::ops::ControlFlow;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::base::task::Stop;
use crate::base::{CameraId, Clock, Kind, StreamKind};
use crate::camera::{Pace, SourceSpec, StreamEvent, StreamSpec, StreamWhat};
use crate::media::{EncodedUnit, Params, h26x};

use super::backoff::Backoff;
use super::direct::{DirectSource, Wanted};
use super::error::Error;
use super::files::FilesSource;
use super::gate::{ConnectGate, Leave};
use super::gst_rtsp::GstRtspSource;
use super::rtsp::{Login, RtspSource};
use super::settings::Settings;
use super::sink::Sink;
use super::source::{Source, SourceUnit};
use super::stamp::{SetBack, Stamper, Timing};

/// One stream to keep connected.
#[derive(Clone, Debug)]
pub struct StreamJob {
    pub camera: CameraId,
    pub kind: StreamKind,
    pub spec: StreamSpec,
    pub want_audio: bool,
}

/// Who talks to an RTSP camera: each is slower and more lenient than the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Client {
    /// Ours.
    Direct,
    Retina,
    GStreamer,
}

impl Client {
    /// The first to try.
    fn first(source: &SourceSpec) -> Client {
        match source {
            SourceSpec::Rtsp { url, .. } if url.scheme() == "rtsps" => Client::GStreamer,
            _ => Client::Direct,
        }
    }

    /// Whom to let try when this one failed with `error`.
    fn after(self, error: &Error, source: &SourceSpec) -> Client {
        match (self, error.other_client_may_do()) {
            (same, false) => same,
            (Client::Direct, true) => Client::Retina,
            (Client::Retina, true) => Client::GStreamer,
            (Client::GStreamer, true) => Client::first(source),
        }
    }
}

/// Opens a stream's source; tests replace it.
pub(super) trait Open: Send + Sync {
    fn open(&self, client: Client) -> BoxFuture<'_, Result<Box<dyn Source>, Error>>;
}

/// Runs until `stop`, or until footage that is not repeated has ended or cannot be played.
pub async fn run(
    job: StreamJob,
    sink: Arc<dyn Sink>,
    gate: Arc<ConnectGate>,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    stop: Stop,
) {
    let opener = SpecOpener { job: job.clone(), settings: settings.clone(), clock: clock.clone() };
    let client = Client::first(&job.spec.source);
    let supervisor = Supervisor { job, sink, gate, settings, clock, stop, connection: 0, client };
    supervisor.run(&opener).await;
}

pub(super) struct Supervisor {
    pub job: StreamJob,
    pub sink: Arc<dyn Sink>,
    pub gate: Arc<ConnectGate>,
    pub settings: Arc<Settings>,
    pub clock: Arc<dyn Clock>,
    pub stop: Stop,
    /// Number of the newest connection, from 1.
    pub connection: u32,
    pub client: Client,
}

/// Why a connection is over.
enum Over {
    Stopped,
    Ended,
    Failed(Error),
}

impl Supervisor {
    pub(super) async fn run(mut self, opener: &dyn Open) {
        let seed = rand::random();
        let mut backoff = Backoff::new(self.settings.backoff_min, self.settings.backoff_max, seed);
        loop {
            let error = match self.connect_and_pump(opener, &mut backoff).await {
                Over::Stopped => return,
                Over::Ended => return self.tell(StreamWhat::Ended),
                Over::Failed(error) => error,
            };
            self.tell(StreamWhat::Lost { cause: error.cause(), message: error.to_string() });
            if self.is_hopeless(&error) {
                return;
            }
            // Each client gets its turn while none understands the camera.
            self.client = self.client.after(&error, &self.job.spec.source);
            let wait = backoff.after_failure(error.kind(), self.clock.now());
            tracing::info!(camera = %self.job.camera, stream = %self.job.kind, ?wait, "stream lost: {error}");
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Footage does not heal by itself.
    fn is_hopeless(&self, error: &Error) -> bool {
        matches!(self.job.spec.source, SourceSpec::Files { .. }) && error.kind() == Kind::Invalid
    }

    async fn connect_and_pump(&mut self, opener: &dyn Open, backoff: &mut Backoff) -> Over {
        let stop = self.stop.clone();
        let leave = tokio::select! {
            () = stop.cancelled() => return Over::Stopped,
            leave = self.gate.enter() => leave,
        };
        self.tell(StreamWhat::Connecting);
        self.connection += 1;
        let deadline = Instant::now() + self.settings.connect_timeout;
        let opened = tokio::select! {
            () = stop.cancelled() => return Over::Stopped,
            opened = tokio::time::timeout_at(deadline, opener.open(self.client)) => opened,
        };
        let mut source = match opened {
            Ok(Ok(source)) => source,
            Ok(Err(e)) => return Over::Failed(e),
            Err(_) => return Over::Failed(self.no_picture()),
        };
        let over = tokio::select! {
            () = stop.cancelled() => Over::Stopped,
            over = self.pump(source.as_mut(), deadline, leave, backoff) => over,
        };
        source.close().await;
        over
    }

    /// Passes units on until the source is over. `leave` is given back with the first picture.
    async fn pump(
        &mut self,
        source: &mut dyn Source,
        deadline: Instant,
        leave: Leave,
        backoff: &mut Backoff,
    ) -> Over {
        let fast = self.plays_fast();
        let live = matches!(self.job.spec.source, SourceSpec::Rtsp { .. });
        let timing = if fast { Timing::Stream } else { Timing::Arrival };
        let mut stamper = Stamper::new(timing);
        let (mut leave, mut deadline) = (Some(leave), deadline);
        loop {
            if fast {
                self.sink.ready().await;
            }
            let waits = live || leave.is_some();
            let next = match tokio::time::timeout_at(deadline, source.next()).await {
                Ok(next) => next,
                Err(_) if !waits => {
                    deadline += self.job.spec.silence;
                    continue;
                }
                Err(_) if leave.is_some() => return Over::Failed(self.no_picture()),
                Err(_) => return Over::Failed(self.silent()),
            };
            let unit = match next {
                Ok(Some(unit)) => unit,
                Ok(None) => return Over::Ended,
                Err(e) => return Over::Failed(e),
            };
            match self.deliver(unit, &mut stamper, &mut leave, backoff) {
                ControlFlow::Break(error) => return Over::Failed(error),
                // Sound alone does not show that the camera sees.
                ControlFlow::Continue(false) => {}
                ControlFlow::Continue(true) => deadline = Instant::now() + self.job.spec.silence,
            }
        }
    }

    /// Checks, stamps and hands on one unit; `true` if it was a picture.
    fn deliver(
        &mut self,
        unit: SourceUnit,
        stamper: &mut Stamper,
        leave: &mut Option<Leave>,
        backoff: &mut Backoff,
    ) -> ControlFlow<Error, bool> {
        let limit = self.settings.max_unit_bytes;
        if unit.data.len() > limit {
            let (address, bytes) = (self.job.spec.source.shown(), unit.data.len());
            return ControlFlow::Break(Error::TooLarge { address, bytes, limit });
        }
        let is_video = matches!(*unit.params, Params::Video(_));
        if is_video && !h26x::is_well_formed(&unit.data) {
            metrics::counter!(crate::base::metrics::INGEST_MALFORMED, "camera" => self.job.camera.to_string())
                .increment(1);
            return ControlFlow::Continue(false);
        }
        let (wall, now) = (self.clock.wall(), self.clock.now());
        let stamp = match stamper.stamp(&unit, wall, now) {
            Ok(stamp) => stamp,
            Err(SetBack) => {
                // The connection is well; only its units cannot go on in the same line.
                *stamper = Stamper::new(Timing::Arrival);
                self.connection += 1;
                self.tell(StreamWhat::Online { connection: self.connection });
                match stamper.stamp(&unit, wall, now) {
                    Ok(stamp) => stamp,
                    Err(SetBack) => return ControlFlow::Continue(false),
                }
            }
        };
        if is_video && leave.take().is_some() {
            backoff.online(now);
            self.tell(StreamWhat::Online { connection: self.connection });
        }
        self.sink.unit(EncodedUnit {
            camera: self.job.camera.clone(),
            stream: self.job.kind,
            connection: self.connection,
            pts: stamp.pts,
            dts: stamp.dts,
            received: stamp.received,
            key: unit.key,
            lost_before: unit.lost_before,
            params: unit.params,
            data: unit.data,
        });
        ControlFlow::Continue(is_video)
    }

    fn plays_fast(&self) -> bool {
        matches!(self.job.spec.source, SourceSpec::Files { pace: Pace::AsFastAsPossible, .. })
    }

    fn no_picture(&self) -> Error {
        Error::NoPicture { address: self.job.spec.source.shown(), after: self.settings.connect_timeout }
    }

    fn silent(&self) -> Error {
        Error::Silent { address: self.job.spec.source.shown(), after: self.job.spec.silence }
    }

    fn tell(&self, what: StreamWhat) {
        let (camera, stream) = (self.job.camera.clone(), self.job.kind);
        self.sink.event(StreamEvent { camera, stream, at: self.clock.wall(), what });
    }
}

/// Opens what the configuration names.
struct SpecOpener {
    job: StreamJob,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
}

impl Open for SpecOpener {
    fn open(&self, client: Client) -> BoxFuture<'_, Result<Box<dyn Source>, Error>> {
        Box::pin(self.open_spec(client))
    }
}

impl SpecOpener {
    async fn open_spec(&self, client: Client) -> Result<Box<dyn Source>, Error> {
        let want_audio = self.job.want_audio;
        Ok(match &self.job.spec.source {
            SourceSpec::Files { path, pace, repeat } => {
                Box::new(FilesSource::open(path, *pace, *repeat, want_audio).await?)
            }
            SourceSpec::Rtsp { url, transport, .. } => {
                let login = self.login().await?;
                let settings = &self.settings;
                match client {
                    Client::Direct => {
                        let wanted = Wanted {
                            transport: *transport,
                            audio: want_audio,
                            limit: settings.max_unit_bytes,
                            clock: self.clock.clone(),
                        };
                        Box::new(DirectSource::open(url, login, wanted).await?)
                    }
                    Client::Retina => Box::new(RtspSource::open(url, login, *transport, want_audio).await?),
                    Client::GStreamer => {
                        let check = settings.certificates;
                        Box::new(GstRtspSource::open(url, login, *transport, want_audio, check)?)
                    }
                }
            }
        })
    }

    /// Reads the password now: it may have been changed since the last time.
    async fn login(&self) -> Result<Option<Login>, Error> {
        let SourceSpec::Rtsp { user: Some(user), password, .. } = &self.job.spec.source else {
            return Ok(None);
        };
        let password = match password.clone() {
            None => String::new(),
            Some(reference) => tokio::task::spawn_blocking(move || reference.read())
                .await
                .expect("invariant: reading a secret does not panic")
                .map_err(|source| Error::Secret { address: self.job.spec.source.shown(), source })?,
        };
        Ok(Some(Login { user: user.clone(), password }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::Transport;

    #[test]
    fn each_client_gets_its_turn_while_none_understands_the_camera() {
        let odd = Error::Protocol { address: String::new(), message: String::new() };
        let gone = Error::Closed { address: String::new() };
        let check = |url: &str, transport, expected: [Client; 4]| {
            let url = url.parse().unwrap();
            let source = SourceSpec::Rtsp { url, user: None, password: None, transport };
            let mut client = Client::first(&source);
            let turns = [(); 4].map(|()| {
                let turn = client;
                assert_eq!(turn.after(&gone, &source), turn);
                client = client.after(&odd, &source);
                turn
            });
            assert_eq!(turns, expected, "{source:?}");
        };
        use Client::{Direct, GStreamer, Retina};
        check("rtsp://a/", Transport::Tcp, [Direct, Retina, GStreamer, Direct]);
        check("rtsp://a/", Transport::Udp, [Direct, Retina, GStreamer, Direct]);
        check("rtsps://a/", Transport::Tcp, [GStreamer; 4]);
    }
}
