//! RTSP by GStreamer's `rtspsrc`: `rtsps://`, and cameras that retina does not understand.
//!
//! Where the server tells how long a clip is (no camera does), `rtspsrc` ends by its own clock, some
//! pictures before the end.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use gstreamer as gst;
use gstreamer::prelude::*;
use url::{Host, Url};

use crate::camera::Transport;
use crate::media::Codec;

use super::error::Error;
use super::gst_pipeline::{End, Outlets, Pipeline, element};
use super::rtsp::Login;
use super::settings::CertificateCheck;
use super::source::{Source, SourceUnit};

const GOODBYE: Duration = Duration::from_secs(2);
/// Packets that come out of order are waited for this long (UDP).
const UDP_REORDER_MS: u32 = 200;

pub struct GstRtspSource {
    address: String,
    pipeline: Pipeline,
    begun: bool,
    /// The system does not trust the camera's certificate.
    untrusted: Arc<AtomicBool>,
    /// Such a certificate is accepted.
    accept: bool,
}

impl GstRtspSource {
    /// Starts the handshake; its failure comes out of the first [`Source::next`].
    pub fn open(
        url: &Url,
        login: Option<Login>,
        transport: Transport,
        want_audio: bool,
        check: CertificateCheck,
    ) -> Result<Self, Error> {
        let source = element("rtspsrc", "good")?;
        // The credentials stand apart from the location, which GStreamer puts into its messages.
        source.set_property("location", url.as_str());
        if let Some(login) = login {
            source.set_property("user-id", login.user);
            source.set_property("user-pw", login.password);
        }
        let udp = transport == Transport::Udp;
        source.set_property_from_str("protocols", if udp { "udp" } else { "tcp" });
        source.set_property("latency", if udp { UDP_REORDER_MS } else { 0 });
        // RTP times alone: smoothing them against arrival is done once, for all sources.
        source.set_property_from_str("buffer-mode", "none");
        source.set_property("drop-on-latency", false);
        // Asked only about a certificate that the system does not trust.
        let accept = !is_checked(url, check);
        let untrusted = Arc::new(AtomicBool::new(false));
        let seen = untrusted.clone();
        source.connect("accept-certificate", false, move |_| {
            seen.store(true, Ordering::Relaxed);
            Some(accept.to_value())
        });
        let pipeline = Pipeline::start(want_audio, |pipeline, outlets| {
            pipeline.add(&source).expect("invariant: a new element joins a new pipeline");
            let weak = pipeline.downgrade();
            source.connect_pad_added(move |_, pad| {
                let Some(pipeline) = weak.upgrade() else { return };
                if let Err(e) = depayload(&pipeline, &outlets, pad) {
                    tracing::warn!("a stream of the camera is left out: {e}");
                }
            });
            Ok(())
        })?;
        Ok(GstRtspSource { address: url.to_string(), pipeline, begun: false, untrusted, accept })
    }

    async fn next_unit(&mut self) -> Result<Option<SourceUnit>, Error> {
        let address = self.address.clone();
        loop {
            let piece = match self.pipeline.next().await {
                Ok(Ok(piece)) => piece,
                Ok(Err(e)) => return Err(Error::Protocol { address, message: e.to_string() }),
                Err(End::Stream) => return Err(Error::Closed { address }),
                Err(End::Error(_)) if !self.accept && self.untrusted.load(Ordering::Relaxed) => {
                    return Err(Error::Certificate { address });
                }
                Err(End::Error(e)) => return Err(explain(address, e)),
            };
            // A unit without a time cannot be placed; RTP always has one.
            let Some(pts) = piece.pts.or(piece.dts) else { continue };
            // GStreamer tells that packets are missing, not how many.
            let lost_before = u32::from(piece.discontinuous && self.begun);
            self.begun = true;
            return Ok(Some(SourceUnit {
                pts,
                dts: None,
                key: piece.key,
                lost_before,
                params: piece.params,
                data: piece.data,
            }));
        }
    }
}

impl Source for GstRtspSource {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<SourceUnit>, Error>> {
        Box::pin(self.next_unit())
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let _ = tokio::time::timeout(GOODBYE, self.pipeline.stop()).await;
        })
    }
}

/// Links an RTP pad of `rtspsrc` through its depayloader.
fn depayload(
    pipeline: &gst::Pipeline,
    outlets: &Outlets,
    pad: &gst::Pad,
) -> Result<(), gst::glib::BoolError> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let encoding = caps.structure(0).and_then(|s| s.get::<String>("encoding-name").ok()).unwrap_or_default();
    let (name, codec) = match encoding.as_str() {
        "H264" => ("rtph264depay", Codec::H264),
        "H265" => ("rtph265depay", Codec::H265),
        "MPEG4-GENERIC" => ("rtpmp4gdepay", Codec::Aac),
        _ => return Ok(()),
    };
    if !outlets.takes(codec) {
        return Ok(());
    }
    let depay = gst::ElementFactory::make(name).build()?;
    pipeline.add(&depay)?;
    let (Some(input), Some(output)) = (depay.static_pad("sink"), depay.static_pad("src")) else {
        return Err(gst::glib::bool_error!("a depayloader has two pads"));
    };
    outlets.link(&output, codec)?;
    depay.sync_state_with_parent()?;
    pad.link(&input).map(|_| ()).map_err(|e| gst::glib::bool_error!("cannot link: {e}"))
}

/// Whether the certificate of the camera at `url` is checked.
fn is_checked(url: &Url, check: CertificateCheck) -> bool {
    match check {
        CertificateCheck::Always => true,
        CertificateCheck::Never => false,
        CertificateCheck::UnlessPrivateAddress => match url.host() {
            // The URL standard reads IPv4 addresses only in schemes that it knows; rtsps is none.
            Some(Host::Domain(name)) => !name.parse().is_ok_and(is_private),
            Some(Host::Ipv4(ip)) => !is_private(ip.into()),
            Some(Host::Ipv6(ip)) => !is_private(ip.into()),
            None => true,
        },
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn explain(address: String, e: &gst::glib::Error) -> Error {
    if e.matches(gst::ResourceError::NotAuthorized) {
        Error::Unauthorized { address }
    } else if e.matches(gst::ResourceError::NotFound) {
        Error::NotFound { address }
    } else if e.matches(gst::ResourceError::OpenRead) || e.matches(gst::ResourceError::OpenReadWrite) {
        Error::Connect { address, message: e.message().into() }
    } else {
        Error::Broken { address, message: e.message().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_private_addresses_go_unchecked() {
        let checked = |host: &str, check| is_checked(&format!("rtsps://{host}/a").parse().unwrap(), check);
        let default = CertificateCheck::default();
        for private in ["192.168.1.9", "10.0.0.1:322", "127.0.0.1", "[fd00::1]", "[fe80::1]"] {
            assert!(!checked(private, default), "{private}");
            assert!(checked(private, CertificateCheck::Always), "{private}");
        }
        for public in ["8.8.8.8", "camera.example.org", "localhost", "[2001:db8::1]"] {
            assert!(checked(public, default), "{public}");
            assert!(!checked(public, CertificateCheck::Never), "{public}");
        }
    }
}
