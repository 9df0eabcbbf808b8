//! The dialogue with a camera: requests, answers, passwords.

use std::time::Duration;

use http_auth::{PasswordClient, PasswordParams};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::{Host, Url};

use crate::ingest::error::Error;
use crate::ingest::rtsp::Login;

use super::answers;
use super::message::{FRAMING, Front, Message, front, packet, request};

/// RFC 2326 §3.2.
const PORT: u16 = 554;
const AGENT: &str = concat!("pingan/", env!("CARGO_PKG_VERSION"));
/// What is read at a time while waiting for an answer.
const CHUNK: usize = 16 << 10;
/// Media that may come before the answer to PLAY; more than that, and no answer comes.
const MAX_BEFORE_ANSWER: usize = 4 << 20;

/// A camera that is talked to.
pub struct Signalling {
    /// The address for people, without credentials.
    pub address: String,
    pub stream: TcpStream,
    /// What has come and was not looked at yet.
    pub unread: Vec<u8>,
    login: Option<Login>,
    answer_to: Option<PasswordClient>,
    cseq: u32,
    session: Option<String>,
    /// How long the session lives without a request.
    pub timeout: Duration,
    /// Of PLAY and TEARDOWN, once it is known.
    pub aggregate: String,
    /// The camera knows GET_PARAMETER.
    gets_parameters: bool,
}

impl Signalling {
    pub async fn connect(url: &Url, login: Option<Login>) -> Result<Signalling, Error> {
        let address = url.to_string();
        let port = url.port().unwrap_or(PORT);
        let connected = match url.host() {
            Some(Host::Ipv4(ip)) => TcpStream::connect((ip, port)).await,
            Some(Host::Ipv6(ip)) => TcpStream::connect((ip, port)).await,
            Some(Host::Domain(name)) => TcpStream::connect((name, port)).await,
            None => Err(std::io::Error::other("the address names no host")),
        };
        let stream =
            connected.map_err(|e| Error::Connect { address: address.clone(), message: e.to_string() })?;
        // Only a hint; without it a request is a little late.
        let _ = stream.set_nodelay(true);
        Ok(Signalling {
            aggregate: address.clone(),
            address,
            stream,
            unread: Vec::new(),
            login,
            answer_to: None,
            cseq: 0,
            session: None,
            timeout: answers::SESSION_TIMEOUT,
            gets_parameters: false,
        })
    }

    /// Asks, and gives the answer if it is a good one. Logs in where the camera wants it.
    pub async fn ask(&mut self, method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Message, Error> {
        let mut challenged = false;
        loop {
            let text = self.request(method, uri, headers)?;
            self.stream.write_all(text.as_bytes()).await.map_err(|e| self.broken(&e))?;
            let answer = self.answer().await?;
            let address = self.address.clone();
            match answer.status.unwrap_or_default() {
                200..=299 => return self.accept(answer),
                401 if self.login.is_some() && !challenged => {
                    challenged = true;
                    self.challenge(&answer)?;
                }
                401 | 403 => return Err(Error::Unauthorized { address }),
                404 => return Err(Error::NotFound { address }),
                status => return Err(Error::Answered { address, status }),
            }
        }
    }

    fn accept(&mut self, answer: Message) -> Result<Message, Error> {
        if let Some(session) = answer.header("Session") {
            let (name, timeout) = answers::session(session);
            self.session = Some(name.to_owned());
            self.timeout = timeout.unwrap_or(self.timeout);
        }
        Ok(answer)
    }

    /// Digest before Basic, whatever order the camera names them in.
    fn challenge(&mut self, answer: &Message) -> Result<(), Error> {
        let mut builder = PasswordClient::builder();
        for value in answer.headers("WWW-Authenticate") {
            builder = builder.challenges(value);
        }
        let client =
            builder.build().map_err(|_| self.protocol("it wants a login in a way that is not known"))?;
        self.answer_to = Some(client);
        Ok(())
    }

    fn request(&mut self, method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<String, Error> {
        self.cseq += 1;
        let mut all = vec![("User-Agent", AGENT)];
        if let Some(session) = &self.session {
            all.push(("Session", session));
        }
        all.extend_from_slice(headers);
        let authorization = match (&self.login, &mut self.answer_to) {
            (Some(Login { user, password }), Some(client)) => {
                let wanted = PasswordParams { username: user, password, uri, method, body: Some(&[]) };
                // Its message may quote what it was given, so it is not passed on.
                Some(client.respond(&wanted))
            }
            _ => None,
        };
        match authorization {
            Some(Ok(authorization)) => {
                all.push(("Authorization", &authorization));
                Ok(request(method, uri, self.cseq, &all))
            }
            Some(Err(_)) => Err(self.protocol("its way of logging in is not known")),
            None => Ok(request(method, uri, self.cseq, &all)),
        }
    }

    /// The answer to the newest request. Packets before it are passed over: they belong to nothing.
    async fn answer(&mut self) -> Result<Message, Error> {
        let mut passed = 0;
        loop {
            let media = packet(&self.unread).map(|(_, packet)| Front::Filler(FRAMING + packet.len()));
            let used = match media.unwrap_or_else(|| front(&self.unread)) {
                Front::Filler(used) => used,
                Front::Message(message, used) => {
                    self.unread.drain(..used);
                    let ours = message.header("CSeq").is_none_or(|c| c.trim().parse() == Ok(self.cseq));
                    if message.status.is_some() && ours {
                        return Ok(message);
                    }
                    continue;
                }
                Front::Part => {
                    self.read_more().await?;
                    continue;
                }
                Front::Nonsense => return Err(self.protocol("its answer is no RTSP message")),
            };
            self.unread.drain(..used);
            passed += used;
            if passed > MAX_BEFORE_ANSWER {
                return Err(self.protocol("it sends media and does not answer"));
            }
        }
    }

    async fn read_more(&mut self) -> Result<(), Error> {
        // Exactly: what is left over when media begin must fit where they are read to.
        self.unread.reserve_exact(CHUNK);
        match self.stream.read_buf(&mut self.unread).await {
            Ok(0) => Err(Error::Closed { address: self.address.clone() }),
            Ok(_) => Ok(()),
            Err(e) => Err(self.broken(&e)),
        }
    }

    /// Tells the camera that we are still there. `Err`: the connection is gone.
    pub fn keep_alive(&mut self) -> Result<(), Error> {
        let method = if self.gets_parameters { "GET_PARAMETER" } else { "OPTIONS" };
        let uri = self.aggregate.clone();
        let text = self.request(method, &uri, &[])?;
        match self.stream.try_write(text.as_bytes()) {
            Ok(n) if n == text.len() => Ok(()),
            // Its buffer is full of our keepalives: it has not read for very long.
            Ok(_) => Err(Error::Broken { address: self.address.clone(), message: "it does not read".into() }),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(e) => Err(self.broken(&e)),
        }
    }

    /// Takes in what the camera says while it plays: that is, answers to keepalives.
    pub fn told(&mut self, message: &Message) {
        let public = message.header("Public").unwrap_or_default();
        self.gets_parameters |= public.split(',').any(|m| m.trim().eq_ignore_ascii_case("GET_PARAMETER"));
        // A new nonce; a keepalive in between costs nothing.
        if message.status == Some(401) && self.login.is_some() && self.challenge(message).is_err() {
            self.answer_to = None;
        }
    }

    pub async fn tear_down(mut self) -> Result<(), Error> {
        let uri = self.aggregate.clone();
        self.ask("TEARDOWN", &uri, &[]).await.map(drop)
    }

    pub fn protocol(&self, message: &str) -> Error {
        Error::Protocol { address: self.address.clone(), message: message.to_owned() }
    }

    pub fn broken(&self, e: &std::io::Error) -> Error {
        Error::Broken { address: self.address.clone(), message: e.to_string() }
    }
}
