//! A camera by script: it answers as it is told and sends what it is given.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use url::Url;

/// What the camera says and sends.
#[derive(Clone, Default)]
pub struct Script {
    pub sdp: String,
    /// Status and headers instead of the usual answer, by method.
    pub instead: Vec<(&'static str, String)>,
    pub rtp_info: Option<String>,
    /// Goes out behind the answer to PLAY, in pieces of these sizes in turn; then it hangs up.
    pub media: Vec<u8>,
    pub pieces: Vec<usize>,
    /// Goes out over UDP, where the client asks for that; the last again and again.
    pub datagrams: Vec<Vec<u8>>,
    /// Hang up at this request, instead of behind the media.
    pub hang_up_at: Option<&'static str>,
}

pub struct Camera {
    pub url: Url,
    /// Requests of all connections, each as one text.
    pub heard: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Script {
    /// Serves every connection the same.
    pub async fn serve(self) -> Camera {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("rtsp://{}/cam", listener.local_addr().unwrap()).parse().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (script, ears) = (Arc::new(self), heard.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(script.clone().talk(stream, ears.clone()));
            }
        });
        Camera { url, heard, task }
    }

    async fn talk(self: Arc<Self>, mut stream: TcpStream, heard: Arc<Mutex<Vec<String>>>) {
        let mut buffer = Vec::new();
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let from = udp.local_addr().unwrap().port();
        loop {
            while let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let request = String::from_utf8(buffer.drain(..end + 4).collect()).unwrap();
                let method = request.split(' ').next().unwrap().to_owned();
                let answer = self.answer(&method, &request, from);
                heard.lock().unwrap().push(request.clone());
                if self.hang_up_at == Some(method.as_str()) {
                    return;
                }
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
                if let Some((_, port)) = request.split_once("client_port=") {
                    let port: u16 = port.split('-').next().unwrap().parse().unwrap();
                    udp.connect(("127.0.0.1", port)).await.unwrap();
                }
                if method == "PLAY" && !self.datagrams.is_empty() {
                    return self.send(udp, stream).await;
                }
                if method == "PLAY" {
                    let mut rest = &self.media[..];
                    for size in self.pieces.iter().cycle() {
                        let (piece, tail) = rest.split_at(rest.len().min(*size));
                        if piece.is_empty() || stream.write_all(piece).await.is_err() {
                            break;
                        }
                        rest = tail;
                    }
                    if self.hang_up_at.is_none() {
                        return;
                    }
                }
            }
            match stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    /// Until the client hangs up.
    async fn send(&self, udp: UdpSocket, mut stream: TcpStream) {
        for packet in &self.datagrams {
            // Sockets of tests are small: the client gets its turn in between.
            tokio::task::yield_now().await;
            udp.send(packet).await.unwrap();
        }
        let mut beat = tokio::time::interval(std::time::Duration::from_millis(10));
        let mut requests = Vec::new();
        loop {
            tokio::select! {
                read = stream.read_buf(&mut requests) => if read.is_ok_and(|n| n > 0) {} else { return },
                _ = beat.tick() => if udp.send(self.datagrams.last().unwrap()).await.is_err() { return },
            }
        }
    }

    fn answer(&self, method: &str, request: &str, udp: u16) -> String {
        let line = |name: &str| request.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default().trim();
        let cseq = line("CSeq:");
        if let Some((_, instead)) = self.instead.iter().find(|(m, _)| *m == method)
            && !request.contains("Authorization: ")
        {
            return format!("RTSP/1.0 {instead}\r\nCSeq: {cseq}\r\n\r\n");
        }
        let more = match method {
            "DESCRIBE" => {
                format!(
                    "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{}",
                    self.sdp.len(),
                    self.sdp
                )
            }
            "SETUP" => format!(
                "Session: 7;timeout={}\r\nTransport: {};server_port={udp}-{}\r\n\r\n",
                if self.hang_up_at.is_some() { 1 } else { 60 },
                line("Transport:"),
                udp + 1
            ),
            "PLAY" => {
                let info = self.rtp_info.as_ref().map(|i| format!("RTP-Info: {i}\r\n")).unwrap_or_default();
                format!("Session: 7\r\n{info}\r\n")
            }
            _ => "Public: DESCRIBE, SETUP, PLAY, GET_PARAMETER\r\n\r\n".into(),
        };
        format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{more}")
    }
}

/// Interleaved framing (RFC 2326 §10.12).
pub fn framed(channel: u8, packet: &[u8]) -> Vec<u8> {
    [&[b'$', channel][..], &(packet.len() as u16).to_be_bytes(), packet].concat()
}
