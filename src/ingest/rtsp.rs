//! RTSP by retina: `rtsp://` over TCP or UDP, Basic and Digest, H.264, H.265 and AAC.
//!
//! retina unwraps RTP timestamps and sends keepalives at half the session's timeout (at most every
//! 30 s). Over UDP it drops packets that come out of order.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use retina::client::{
    Credentials, Demuxed, InitialTimestampPolicy, PlayOptions, Session, SessionGroup, SessionOptions,
    SetupOptions, Stream, Transport as RtpTransport,
};
use retina::codec::{CodecItem, FrameFormat, ParametersRef};
use url::Url;

use crate::camera::Transport;
use crate::media::h26x::is_random_access;
use crate::media::{Codec, Params, Pts};

use super::error::Error;
use super::params;
use super::source::{Source, SourceUnit};

/// How long a TEARDOWN may take when we stop.
const GOODBYE: Duration = Duration::from_secs(2);

/// Who we are to the camera. Never printed.
pub struct Login {
    pub user: String,
    pub password: String,
}

pub struct RtspSource {
    address: String,
    demuxed: Demuxed,
    group: Arc<SessionGroup>,
    video: usize,
    video_codec: Codec,
    audio: Option<usize>,
    video_params: Option<Arc<Params>>,
    audio_params: Option<Arc<Params>>,
    /// Lost before the next video unit but not yet told.
    lost: u32,
}

impl RtspSource {
    /// DESCRIBE, SETUP and PLAY. `url` is without credentials.
    pub async fn open(
        url: &Url,
        login: Option<Login>,
        transport: Transport,
        want_audio: bool,
    ) -> Result<Self, Error> {
        let address = url.to_string();
        let fail = |e: retina::Error| explain(&address, &e);
        let group = Arc::new(SessionGroup::default());
        let creds = login.map(|l| Credentials { username: l.user, password: l.password });
        let options = SessionOptions::default()
            .creds(creds)
            .user_agent(concat!("pingan/", env!("CARGO_PKG_VERSION")).into())
            .session_group(group.clone());
        let mut session = Session::describe(url.clone(), options).await.map_err(fail)?;
        let video = find(session.streams(), "video", &["h264", "h265"])
            .ok_or_else(|| Error::NoVideo { address: address.clone() })?;
        let video_codec =
            if session.streams()[video].encoding_name() == "h265" { Codec::H265 } else { Codec::H264 };
        // mpeg4-generic is AAC of RFC 3640; audio that is something else is left where it is.
        let audio = find(session.streams(), "audio", &["mpeg4-generic"]).filter(|_| want_audio);
        for stream in [Some(video), audio].into_iter().flatten() {
            let transport = match transport {
                Transport::Tcp => RtpTransport::Tcp(Default::default()),
                Transport::Udp => RtpTransport::Udp(Default::default()),
            };
            let options = SetupOptions::default().transport(transport).frame_format(FrameFormat::MP4);
            session.setup(stream, options).await.map_err(fail)?;
        }
        let play = PlayOptions::default().initial_timestamp(InitialTimestampPolicy::Permissive);
        let demuxed = session.play(play).await.map_err(fail)?.demuxed().map_err(fail)?;
        Ok(RtspSource {
            demuxed,
            group,
            video,
            video_codec,
            audio,
            video_params: None,
            audio_params: None,
            lost: 0,
            address,
        })
    }

    async fn next_unit(&mut self) -> Result<Option<SourceUnit>, Error> {
        loop {
            let item = match self.demuxed.next().await {
                Some(Ok(item)) => item,
                Some(Err(e)) => return Err(explain(&self.address, &e)),
                None => return Err(Error::Closed { address: self.address.clone() }),
            };
            match item {
                CodecItem::VideoFrame(frame) if frame.stream_id() == self.video => {
                    self.lost += u32::from(frame.loss());
                    if frame.has_new_parameters() {
                        self.video_params = None;
                    }
                    let Some(params) = self.video_params()? else { continue };
                    let time = frame.timestamp();
                    let pts = ticks(time.elapsed(), time.clock_rate().get());
                    let data = Bytes::from(frame.into_data());
                    let key = is_random_access(self.video_codec, &data);
                    let lost_before = std::mem::take(&mut self.lost);
                    return Ok(Some(SourceUnit { pts, dts: None, key, lost_before, params, data }));
                }
                CodecItem::AudioFrame(frame) if Some(frame.stream_id()) == self.audio => {
                    let Some(params) = self.audio_params(frame.stream_id()) else { continue };
                    let time = frame.timestamp();
                    let pts = ticks(time.elapsed(), time.clock_rate().get());
                    let data = Bytes::copy_from_slice(frame.data());
                    let lost_before = u32::from(frame.loss());
                    return Ok(Some(SourceUnit { pts, dts: None, key: true, lost_before, params, data }));
                }
                _ => {}
            }
        }
    }

    /// Parameters in force; `None` while the camera has not sent them.
    fn video_params(&mut self) -> Result<Option<Arc<Params>>, Error> {
        if self.video_params.is_none()
            && let Some(ParametersRef::Video(v)) = self.demuxed.streams()[self.video].parameters()
        {
            let (width, height) = v.pixel_dimensions();
            let config = Bytes::copy_from_slice(v.extra_data());
            let made = params::video(self.video_codec, width, height, config)
                .map_err(|e| Error::Protocol { address: self.address.clone(), message: e.to_string() })?;
            self.video_params = Some(Arc::new(Params::Video(made)));
        }
        Ok(self.video_params.clone())
    }

    /// `None` where the audio cannot be recorded: pictures go on without it.
    fn audio_params(&mut self, stream: usize) -> Option<Arc<Params>> {
        if self.audio_params.is_none() {
            let Some(ParametersRef::Audio(a)) = self.demuxed.streams()[stream].parameters() else {
                return None;
            };
            match params::audio(Bytes::copy_from_slice(a.extra_data())) {
                Ok(made) => self.audio_params = Some(Arc::new(Params::Audio(made))),
                Err(e) => {
                    tracing::warn!(address = %self.address, "no audio is recorded: {e}");
                    self.audio = None;
                }
            }
        }
        self.audio_params.clone()
    }
}

impl Source for RtspSource {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<SourceUnit>, Error>> {
        Box::pin(self.next_unit())
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        let RtspSource { demuxed, group, .. } = *self;
        Box::pin(async move {
            drop(demuxed);
            // A camera that does not answer forgets the session by its own timeout.
            let _ = tokio::time::timeout(GOODBYE, group.await_teardown()).await;
        })
    }
}

fn find(streams: &[Stream], media: &str, encodings: &[&str]) -> Option<usize> {
    streams.iter().position(|s| s.media() == media && encodings.contains(&s.encoding_name()))
}

/// `elapsed` of a clock of `rate` Hz in ticks of 90 kHz.
fn ticks(elapsed: i64, rate: u32) -> i64 {
    (i128::from(elapsed) * i128::from(Pts::HZ) / i128::from(rate)) as i64
}

/// retina's errors are opaque but for the status; their texts begin with what went wrong.
fn explain(address: &str, e: &retina::Error) -> Error {
    let address = address.to_owned();
    match e.status_code() {
        Some(401 | 403) => return Error::Unauthorized { address },
        Some(404) => return Error::NotFound { address },
        Some(status) => return Error::Answered { address, status },
        None => {}
    }
    let text = e.to_string();
    // The first line says what; the others which bytes of the connection.
    let message = text.lines().next().unwrap_or_default().to_owned();
    let after = |prefix: &str| message.strip_prefix(prefix).map(str::to_owned);
    if let Some(message) = after("Unable to connect to RTSP server: ") {
        Error::Connect { address, message }
    } else if text.contains("UnexpectedEof") || text.contains("unexpected end of file") {
        Error::Closed { address }
    } else if let Some(message) = after("Error ") {
        Error::Broken { address, message }
    } else if message.starts_with("Server failed to respond to keepalive") {
        Error::Broken { address, message }
    } else {
        Error::Protocol { address, message }
    }
}
