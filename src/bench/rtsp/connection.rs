//! A client's control connection: requests in, responses out, up to PLAY and TEARDOWN.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::net::UdpSocket;

use super::message::{Front, MAX_REQUEST, Request, Response, front};
use super::mount::Served;
use super::outlet::Outlet;
use super::player::{Player, TrackOut, Way};
use super::sdp::track_path;
use super::server::Shared;
use crate::base::task::Stop;

const METHODS: &str = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN";

pub(super) struct Connection {
    outlet: Arc<Outlet>,
    shared: Arc<Shared>,
    /// Counts connections; seeds the loss, so that a run can be repeated.
    number: u64,
    nonce: String,
    session: String,
    /// What was set up so far: the mount and its tracks.
    setup: Option<(Arc<Served>, Vec<Option<TrackOut>>)>,
    playing: bool,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.outlet.close();
    }
}

impl Connection {
    pub fn new(outlet: Arc<Outlet>, shared: Arc<Shared>, number: u64) -> Self {
        let mut rng = rand::rng();
        Connection {
            outlet,
            shared,
            number,
            nonce: format!("{:032x}", rng.random::<u128>()),
            session: format!("{:016x}", rng.random::<u64>()),
            setup: None,
            playing: false,
        }
    }

    /// Serves the client until it goes, is cut, or the server stops.
    pub async fn run(mut self, stop: Stop) {
        let mut buffer = Vec::new();
        loop {
            tokio::select! {
                more = read_more(&self.outlet, &mut buffer) => if !matches!(more, Ok(true)) { return },
                () = stop.cancelled() => return,
            }
            loop {
                match front(&buffer) {
                    Front::Part if buffer.len() > 2 * MAX_REQUEST => return,
                    Front::Part => break,
                    Front::Nonsense => return,
                    Front::Data(n) => drop(buffer.drain(..n)),
                    Front::Request(request, n) => {
                        buffer.drain(..n);
                        let (response, player) = self.answer(&request).await;
                        self.outlet.put_response(&response.to_bytes(request.header("CSeq")));
                        // Only now: RTP must not come before the response to PLAY.
                        if let Some(player) = player {
                            self.shared.play(player);
                        }
                        if request.method == "TEARDOWN" {
                            self.outlet.close_when_written();
                        }
                    }
                }
            }
            tokio::select! {
                () = flush(&self.outlet) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn answer(&mut self, request: &Request) -> (Response, Option<Player>) {
        if request.method == "OPTIONS" {
            return (Response::ok().with("Public", METHODS), None);
        }
        if let Some(auth) = &self.shared.auth
            && !auth.lets_in(request, &self.nonce)
        {
            let challenge = auth.challenge(&self.nonce);
            return (Response::new("401 Unauthorized").with("WWW-Authenticate", challenge), None);
        }
        match request.method.as_str() {
            "DESCRIBE" => (self.describe(request), None),
            "SETUP" => (self.set_up(request).await, None),
            "PLAY" => self.play(),
            "GET_PARAMETER" | "SET_PARAMETER" | "TEARDOWN" => {
                (Response::ok().with("Session", self.session.clone()), None)
            }
            _ => (Response::new("501 Not Implemented").with("Public", METHODS), None),
        }
    }

    /// The mount a request is about, or the refusal.
    fn mount(&self, path: &str) -> Result<Arc<Served>, Response> {
        let mount = self.shared.mounts.get(path).ok_or_else(|| Response::new("404 Stream Not Found"))?;
        if mount.refused.load(Ordering::Relaxed) {
            return Err(Response::new("503 Service Unavailable"));
        }
        mount.add_client(&self.outlet);
        Ok(mount.clone())
    }

    fn describe(&self, request: &Request) -> Response {
        match self.mount(&request.path().0) {
            Ok(mount) => {
                let base = request.uri.split('?').next().unwrap_or_default().trim_end_matches('/');
                Response::ok()
                    .with("Content-Base", format!("{base}/"))
                    .body("application/sdp", mount.sdp.clone())
            }
            Err(refusal) => refusal,
        }
    }

    async fn set_up(&mut self, request: &Request) -> Response {
        let (path, track) = request.path();
        let mount = match self.mount(&path) {
            Ok(mount) => mount,
            Err(refusal) => return refusal,
        };
        let track = track.unwrap_or(0);
        if track >= mount.packets.tracks.len() {
            return Response::new("404 Stream Not Found");
        }
        let same = self.setup.as_ref().is_none_or(|(m, _)| Arc::ptr_eq(m, &mount));
        if self.playing || !same {
            return Response::new("455 Method Not Valid in This State");
        }
        let Some((way, transport)) = self.way(request.header("Transport").unwrap_or_default(), track).await
        else {
            return Response::new("461 Unsupported Transport");
        };
        let out = TrackOut::new(way, &mut rand::rng());
        let transport = format!("{transport};ssrc={:08X}", out.ssrc);
        let count = mount.packets.tracks.len();
        let (_, tracks) = self.setup.get_or_insert_with(|| (mount, (0..count).map(|_| None).collect()));
        tracks[track] = Some(out);
        Response::ok().with("Transport", transport).with("Session", format!("{};timeout=60", self.session))
    }

    /// Opens the first transport of the client's list that can be served.
    async fn way(&self, wanted: &str, track: usize) -> Option<(Way, String)> {
        for one in wanted.split(',') {
            let params: Vec<&str> = one.trim().split(';').collect();
            let range = |name: &str| params.iter().find_map(|p| p.strip_prefix(name)).map(pair);
            if params.contains(&"multicast") {
                continue;
            }
            if params[0] == "RTP/AVP/TCP" {
                let (a, b) =
                    range("interleaved=").unwrap_or(Some((track as u16 * 2, track as u16 * 2 + 1)))?;
                let channel = u8::try_from(a).ok().filter(|_| a.checked_add(1) == Some(b) && b < 256)?;
                return Some((Way::Channel(channel), format!("RTP/AVP/TCP;unicast;interleaved={a}-{b}")));
            }
            if let ("RTP/AVP" | "RTP/AVP/UDP", Some(Some(client))) = (params[0], range("client_port=")) {
                let stream = self.outlet.stream();
                let (own, peer) = (stream.local_addr().ok()?.ip(), stream.peer_addr().ok()?.ip());
                let (rtp, rtcp, port) = udp_pair(own, peer, client).await?;
                let (a, b) = client;
                let shown = format!("RTP/AVP;unicast;client_port={a}-{b};server_port={port}-{}", port + 1);
                return Some((Way::Udp { rtp, rtcp }, shown));
            }
        }
        None
    }

    fn play(&mut self) -> (Response, Option<Player>) {
        let session = self.session.clone();
        let Some((mount, tracks)) = self.setup.take() else {
            // A second PLAY of a stream that plays is a keepalive (RFC 2326 §10.5).
            let status = if self.playing { "200 OK" } else { "455 Method Not Valid in This State" };
            return (Response::new(status).with("Session", session), None);
        };
        self.playing = true;
        let loss = self.shared.loss.map(|l| (StdRng::seed_from_u64(l.seed ^ self.number), l.share));
        let at = self.outlet.stream().local_addr().map(|a| a.to_string()).unwrap_or_default();
        let player = Player::new(mount, self.outlet.clone(), tracks, loss, self.shared.send);
        let path = &player.mount.path;
        let info: Vec<String> = (0..player.tracks.len())
            .filter_map(|t| Some((t, player.first_packet(t)?)))
            .map(|(t, (seq, time))| {
                format!("url=rtsp://{at}/{path}/{};seq={seq};rtptime={time}", track_path(t))
            })
            .collect();
        let response = Response::ok()
            .with("Session", session)
            .with("Range", "npt=now-")
            .with("RTP-Info", info.join(","));
        (response, Some(player))
    }
}

/// `a-b` as a pair of ports or channels; a single number stands for itself and the next.
fn pair(text: &str) -> Option<(u16, u16)> {
    let (a, b) = text.split_once('-').unwrap_or((text, ""));
    let a: u16 = a.trim().parse().ok()?;
    Some((a, if b.is_empty() { a.checked_add(1)? } else { b.trim().parse().ok()? }))
}

/// Two sockets on an even port and the next (RFC 3550 §11), connected to the client's.
async fn udp_pair(own: IpAddr, peer: IpAddr, client: (u16, u16)) -> Option<(UdpSocket, UdpSocket, u16)> {
    for _ in 0..64 {
        let rtp = UdpSocket::bind((own, 0)).await.ok()?;
        let port = rtp.local_addr().ok()?.port();
        if !port.is_multiple_of(2) {
            continue;
        }
        let Ok(rtcp) = UdpSocket::bind((own, port + 1)).await else { continue };
        rtp.connect((peer, client.0)).await.ok()?;
        rtcp.connect((peer, client.1)).await.ok()?;
        return Some((rtp, rtcp, port));
    }
    None
}

/// Appends what the client has sent; `false` at the end of the connection.
async fn read_more(outlet: &Outlet, buffer: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        outlet.stream().readable().await?;
        match outlet.stream().try_read_buf(buffer) {
            Ok(n) => return Ok(n > 0),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
}

/// Waits until everything that waits is written, or the connection is closed.
async fn flush(outlet: &Outlet) {
    while outlet.flush() > 0 {
        if outlet.stream().writable().await.is_err() {
            return;
        }
    }
}
