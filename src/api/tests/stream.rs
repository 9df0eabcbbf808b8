//! The live stream of alerts over a real socket.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::alerts::raise;
use super::kit::Site;
use crate::alerts::AlertState;
use crate::api::Role;
use crate::base::Clock;

/// A client that reads events as a browser would.
struct Client {
    lines: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    _out: OwnedWriteHalf,
}

impl Client {
    /// Returns when the server has begun to answer, so has subscribed.
    async fn connect(site: &Site, address: SocketAddr, query: &str, header: &str) -> Client {
        let (read, mut out) = TcpStream::connect(address).await.unwrap().into_split();
        let secret = site.secret(Role::Viewer);
        let request = format!(
            "GET /api/v1/alerts/stream{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n{header}\r\n"
        );
        out.write_all(request.as_bytes()).await.unwrap();
        let mut client = Client { lines: BufReader::new(read).lines(), _out: out };
        assert_eq!(client.line().await.unwrap(), "HTTP/1.1 200 OK");
        while !client.line().await.unwrap().starts_with("retry:") {}
        client
    }

    async fn line(&mut self) -> Option<String> {
        self.lines.next_line().await.unwrap()
    }

    /// `id`s of the next events; their data must agree.
    async fn ids(&mut self, count: usize) -> Vec<u64> {
        let mut ids = Vec::new();
        let (mut id, mut named) = (0, false);
        while ids.len() < count {
            let line = self.line().await.expect("the stream goes on");
            if let Some(n) = line.strip_prefix("id: ") {
                id = n.parse().unwrap();
            } else if line == "event: alert" {
                named = true;
            } else if let Some(data) = line.strip_prefix("data: ") {
                let data: serde_json::Value = serde_json::from_str(data).unwrap();
                assert_eq!((data["seq"].as_u64(), named), (Some(id), true));
                ids.push(id);
                named = false;
            }
        }
        ids
    }
}

#[tokio::test]
async fn replay_and_live_join_without_loss_or_repeat() {
    let site = Site::new();
    let raised: Vec<_> = (1..=250).map(|who| raise(&site, who)).collect();
    // Changed alerts move to the log's end and leave holes: at 30, and at the end itself.
    let acknowledge = |who: usize| {
        let (id, now) = (raised[who - 1].id, site.clock.wall());
        site.state.alerts.change(id, AlertState::Acknowledged, "desk", None, now).unwrap().seq
    };
    assert_eq!((acknowledge(30), acknowledge(250)), (251, 252));
    let (address, server) = site.listen().await;
    let mut resumed = Client::connect(&site, address, "", "Last-Event-ID: 20\r\n").await;
    let mut by_query = Client::connect(&site, address, "?last_event_id=249", "").await;
    let mut fresh = Client::connect(&site, address, "", "").await;
    // More than the broadcast keeps for a slow reader.
    (253..=700).for_each(|who| drop(raise(&site, who)));
    let missed: Vec<u64> = (21..=700).filter(|seq| ![30, 250].contains(seq)).collect();
    assert_eq!(resumed.ids(missed.len()).await, missed);
    assert_eq!(by_query.ids(450).await, (251..=700).collect::<Vec<_>>());
    assert_eq!(fresh.ids(448).await, (253..=700).collect::<Vec<_>>());

    // Caught up, they hear of changes as they come.
    let seq = acknowledge(40);
    for client in [&mut resumed, &mut by_query, &mut fresh] {
        assert_eq!(client.ids(1).await, [seq]);
    }
    // A stop ends the streams at once, so the server ends too.
    site.state.stop.cancel();
    while fresh.line().await.is_some() {}
    server.await.unwrap();
}

#[tokio::test]
async fn a_last_event_id_of_another_store_hears_what_is_new() {
    let site = Site::new();
    raise(&site, 1);
    let (address, server) = site.listen().await;
    let mut client = Client::connect(&site, address, "", "Last-Event-ID: 5000\r\n").await;
    raise(&site, 2);
    assert_eq!(client.ids(1).await, [2]);
    site.state.stop.cancel();
    server.await.unwrap();
}

#[tokio::test]
async fn a_wrong_last_event_id_is_refused() {
    let site = Site::new();
    let header = [("last-event-id", "latest")];
    let answer = site.ask_with(Some(Role::Viewer), "GET /api/v1/alerts/stream", "", &header).await;
    assert!(answer.problem(400).contains("Last-Event-ID"));
}

#[tokio::test]
async fn a_taken_port_says_what_to_do() {
    let site = Site::new();
    let (address, server) = site.listen().await;
    let error = crate::api::bind(address).await.unwrap_err();
    assert!(error.to_string().contains("another pingan"), "{error}");
    assert_eq!(error.kind(), crate::base::Kind::Conflict);
    site.state.stop.cancel();
    server.await.unwrap();
}
