//! A camera as a [`Source`]: opened by the dialogue, then read in large pieces.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep};
use url::Url;

use crate::base::Clock;
use crate::camera::Transport;
use crate::ingest::error::Error;
use crate::ingest::rtsp::Login;
use crate::ingest::source::{Source, SourceUnit};

use super::aac::Aac;
use super::answers::{rtp_channel, rtp_origin, rtp_time};
use super::datagrams::Datagrams;
use super::message::Message;
use super::sdp::{self, Declined, Offer, Offered};
use super::signalling::Signalling;
use super::stream::{Failure, Streams, Track};
use super::video::Video;

/// What is read at once: at 4 Mbit/s half a second. It must hold the largest message.
const SCRATCH: usize = 256 << 10;
/// Keepalives are sent at half the session's timeout, at most this far apart.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long a TEARDOWN may take when we stop.
const GOODBYE: Duration = Duration::from_secs(2);

/// Room made at a time for a unit whose packets come one by one.
const ROOM: usize = 16 << 10;

thread_local! {
    /// Where all connections of a thread are read into. Nothing stays in it between two polls.
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into());
}

/// How a camera is to be read.
pub struct Wanted {
    pub transport: Transport,
    pub audio: bool,
    /// A larger access unit is an error, bytes.
    pub limit: usize,
    pub clock: Arc<dyn Clock>,
}

pub struct DirectSource {
    signalling: Signalling,
    streams: Streams,
    /// Where the streams come from, if not with the dialogue.
    datagrams: Vec<Datagrams>,
    clock: Arc<dyn Clock>,
    /// Told once the units before it are given out.
    failed: Option<Error>,
    /// What came with the answer to PLAY is still to be looked at.
    looked: bool,
    keepalive: Pin<Box<Sleep>>,
    every: Duration,
    limit: usize,
}

impl DirectSource {
    /// DESCRIBE, SETUP and PLAY. `url` is without credentials.
    pub async fn open(url: &Url, login: Option<Login>, wanted: Wanted) -> Result<Self, Error> {
        let Wanted { transport, audio, limit, clock } = wanted;
        let mut signalling = Signalling::connect(url, login).await?;
        let offer = describe(&mut signalling, url, audio).await?;
        signalling.aggregate = offer.aggregate;
        let mut datagrams = Vec::new();
        let channel = set_up(&mut signalling, &offer.video.control, 0, transport, &mut datagrams).await?;
        let audio_channel = match &offer.audio {
            Some(audio) => Some(set_up(&mut signalling, &audio.control, 2, transport, &mut datagrams).await?),
            None => None,
        };
        let uri = signalling.aggregate.clone();
        let answer = signalling.ask("PLAY", &uri, &[("Range", "npt=0.000-")]).await?;
        let begins = Begins::of(&answer, &offer.video, offer.audio.as_ref());
        let (codec, sets) = offer.video.media;
        let video = Track::new(channel, offer.video.rate, begins.video, Video::new(codec, sets, limit));
        let audio = offer
            .audio
            .zip(audio_channel)
            .map(|(audio, channel)| Track::new(channel, audio.rate, begins.audio, Aac::new(audio.media)));
        let every = (signalling.timeout / 2).min(KEEPALIVE);
        Ok(DirectSource {
            streams: Streams::new(video, audio),
            datagrams,
            clock,
            failed: None,
            looked: false,
            keepalive: Box::pin(tokio::time::sleep(every)),
            every,
            limit,
            signalling,
        })
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<SourceUnit>, Error>> {
        loop {
            if let Some(unit) = self.streams.ready.pop_front() {
                return Poll::Ready(Ok(Some(unit)));
            }
            if let Some(error) = self.failed.take() {
                return Poll::Ready(Err(error));
            }
            while self.keepalive.as_mut().poll(cx).is_ready() {
                self.signalling.keep_alive()?;
                self.keepalive.as_mut().reset(Instant::now() + self.every);
            }
            let read = READ.with_borrow_mut(|scratch| match self.poll_read(cx, scratch) {
                Poll::Pending => self.poll_datagrams(cx, scratch),
                read => read,
            });
            if let Err(error) = ready!(read) {
                self.failed = Some(error);
            }
        }
    }

    /// Reads once and takes apart what there is.
    fn poll_read(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<Result<(), Error>> {
        let unread = &mut self.signalling.unread;
        let kept = unread.len();
        scratch[..kept].copy_from_slice(unread);
        let mut filled = kept;
        if self.looked {
            let mut buffer = ReadBuf::new(&mut scratch[kept..]);
            match ready!(Pin::new(&mut self.signalling.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if buffer.filled().is_empty() => {
                    return Poll::Ready(Err(Error::Closed { address: self.signalling.address.clone() }));
                }
                Ok(()) => filled += buffer.filled().len(),
                Err(e) => return Poll::Ready(Err(self.signalling.broken(&e))),
            }
        }
        self.looked = true;
        let mut told: Option<Message> = None;
        let taken = self.streams.take(&scratch[..filled], |message| told = Some(message));
        let unread = &mut self.signalling.unread;
        unread.clear();
        // Mostly a torn packet; nothing larger is kept for long.
        unread.shrink_to(2048);
        match taken {
            Ok(used) => unread.extend_from_slice(&scratch[used..filled]),
            Err(failure) => return Poll::Ready(Err(self.explain(failure))),
        }
        if let Some(message) = told {
            self.signalling.told(&message);
        }
        Poll::Ready(Ok(()))
    }

    /// Receives what has come over UDP.
    fn poll_datagrams(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<Result<(), Error>> {
        let mut any = Poll::Pending;
        let mut failed = Ok(());
        for stream in &mut self.datagrams {
            let (streams, channel) = (&mut self.streams, stream.channel);
            let give = |packet: &[u8]| {
                if failed.is_ok() {
                    failed = streams.packet(channel, packet, ROOM);
                }
            };
            match stream.poll(cx, scratch, self.clock.now(), give) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => any = Poll::Ready(Ok(())),
                Poll::Ready(Err(e)) => return Poll::Ready(Err(self.signalling.broken(&e))),
            }
        }
        match failed {
            Ok(()) => any,
            Err(failure) => Poll::Ready(Err(self.explain(failure))),
        }
    }

    fn explain(&self, failure: Failure) -> Error {
        let address = self.signalling.address.clone();
        match failure {
            Failure::NotUnderstood(message) => Error::Protocol { address, message },
            Failure::Broken(message) => Error::Broken { address, message: message.to_owned() },
            Failure::TooLarge(bytes) => Error::TooLarge { address, bytes, limit: self.limit },
        }
    }
}

impl Source for DirectSource {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<SourceUnit>, Error>> {
        Box::pin(poll_fn(|cx| self.poll_next(cx)))
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        // A camera that does not answer forgets the session by its own timeout.
        Box::pin(async move { drop(tokio::time::timeout(GOODBYE, self.signalling.tear_down()).await) })
    }
}

async fn describe(signalling: &mut Signalling, url: &Url, want_audio: bool) -> Result<Offer, Error> {
    let uri = url.to_string();
    let answer = signalling.ask("DESCRIBE", &uri, &[("Accept", "application/sdp")]).await?;
    let base = answer.header("Content-Base").or_else(|| answer.header("Content-Location"));
    // Some cameras leave the scheme out.
    let base = base.filter(|b| b.contains("://"));
    sdp::read(&answer.body, url, base, want_audio).map_err(|declined| match declined {
        Declined::NoVideo => Error::NoVideo { address: uri },
        Declined::Odd(what) => signalling.protocol(&what),
    })
}

/// Asks for a stream under the number `channel`; returns the one that the camera chose.
async fn set_up(
    signalling: &mut Signalling,
    control: &str,
    channel: u8,
    transport: Transport,
    datagrams: &mut Vec<Datagrams>,
) -> Result<u8, Error> {
    if transport == Transport::Udp {
        datagrams.push(set_up_datagrams(signalling, control, channel).await?);
        return Ok(channel);
    }
    let transport = format!("RTP/AVP/TCP;unicast;interleaved={channel}-{}", channel + 1);
    let answer = signalling.ask("SETUP", control, &[("Transport", &transport)]).await?;
    let transport = answer.header("Transport").unwrap_or_default();
    rtp_channel(transport)
        .ok_or_else(|| signalling.protocol("it does not send over the connection it is asked on"))
}

async fn set_up_datagrams(
    signalling: &mut Signalling,
    control: &str,
    channel: u8,
) -> Result<Datagrams, Error> {
    let own = signalling.stream.local_addr().map_err(|e| signalling.broken(&e))?.ip();
    let peer = signalling.stream.peer_addr().map_err(|e| signalling.broken(&e))?.ip();
    let sockets = Datagrams::bind(own, channel).map_err(|e| signalling.broken(&e))?;
    let port = sockets.port;
    let transport = format!("RTP/AVP;unicast;client_port={port}-{}", port + 1);
    let answer = signalling.ask("SETUP", control, &[("Transport", &transport)]).await?;
    let (host, port) = rtp_origin(answer.header("Transport").unwrap_or_default())
        .ok_or_else(|| signalling.protocol("it does not say where its packets come from"))?;
    let origin = SocketAddr::new(host.unwrap_or(peer), port);
    sockets.listen_to(origin).map_err(|e| signalling.broken(&e))?;
    Ok(sockets)
}

/// Where the streams begin on the line of time they share.
struct Begins {
    video: Option<u32>,
    audio: Option<u32>,
}

impl Begins {
    /// Only with a begin for every stream do they mean anything; with one stream there is nothing to
    /// share.
    fn of<V, A>(play: &Message, video: &Offered<V>, audio: Option<&Offered<A>>) -> Begins {
        let none = Begins { video: None, audio: None };
        let (Some(info), Some(audio)) = (play.header("RTP-Info"), audio) else { return none };
        let begin = |control: &str| rtp_time(info, control, 2);
        match (begin(&video.control), begin(&audio.control)) {
            (Some(video), Some(audio)) => Begins { video: Some(video), audio: Some(audio) },
            _ => none,
        }
    }
}
