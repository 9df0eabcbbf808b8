//! Alerts as they come (Server-Sent Events, WHATWG HTML §9.2).
//!
//! The store is the truth and the broadcast only wakes: an alert is sent from the broadcast when it
//! directly follows the last one sent; otherwise whatever lies between is read from the store. So a
//! reader loses nothing and sees nothing twice, whether it is new, resumes or has fallen behind.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::alerts::{Alert, Alerts};

use super::alerts::AlertInfo;
use super::extract::Query;
use super::problem::Problem;
use super::state::{ApiState, blocking};

/// Alerts read from the store at a time.
const REPLAY: usize = 100;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// What a client waits before it connects anew.
const RETRY: Duration = Duration::from_secs(3);

pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(stream_alerts))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StreamQuery {
    /// As the header `Last-Event-ID`, for clients that cannot set it; 0 begins with the oldest.
    last_event_id: Option<u64>,
}

/// Alerts as they come
///
/// Server-Sent Events `alert`: every new alert and every change of one. `id` is its `seq`. With
/// `Last-Event-ID` what was missed comes first; without it only what is new.
#[utoipa::path(get, path = "/api/v1/alerts/stream", tag = "alerts",
    params(
        ("Last-Event-ID" = Option<u64>, Header, description = "`id` of the last event that was seen"),
        StreamQuery,
    ),
    responses(
        (status = 200, description = "Events whose data is an AlertInfo", content_type = "text/event-stream", body = AlertInfo),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn stream_alerts(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Query(query): Query<StreamQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let seen = match headers.get("last-event-id").filter(|v| !v.is_empty()) {
        None => query.last_event_id,
        Some(value) => {
            let seq = value.to_str().ok().and_then(|v| v.trim().parse::<u64>().ok()).ok_or_else(|| {
                Problem::invalid(
                    "Last-Event-ID is not a number; send the 'id' of the last event you have seen.",
                )
            })?;
            Some(seq)
        }
    };
    // Subscribed before the log's end is read: what comes in between is in both, never in neither.
    let live = state.alerts.subscribe();
    let newest = state.with_alerts(|a| Ok(a.last_seq()?)).await?;
    // A number from before the store was replaced would silence the stream until the log reaches it.
    let seen = seen.map_or(newest, |seq| seq.min(newest));
    let feed = Feed { alerts: state.alerts.clone(), live, seen, waiting: VecDeque::new(), behind: true };
    let first = stream::iter([Ok(Event::default().retry(RETRY).comment("alerts"))]);
    let events =
        feed.stream().map(|alert| Ok(event(&alert))).take_until(state.stop.clone().cancelled_owned());
    Ok(Sse::new(first.chain(events)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive")))
}

fn event(alert: &Alert) -> Event {
    Event::default()
        .id(alert.seq.to_string())
        .event("alert")
        .json_data(AlertInfo::from(alert))
        .unwrap_or_else(|_| Event::default().comment("alert could not be written as JSON"))
}

/// One reader's place in the log.
struct Feed {
    alerts: Arc<Alerts>,
    live: Receiver<Arc<Alert>>,
    /// `seq` of the last alert handed out.
    seen: u64,
    /// Read from the store and not yet handed out, oldest first.
    waiting: VecDeque<Alert>,
    /// The store may hold more after `seen`.
    behind: bool,
}

impl Feed {
    fn stream(self) -> impl Stream<Item = Arc<Alert>> {
        stream::unfold(self, |mut feed| async move { feed.next().await.map(|alert| (alert, feed)) })
    }

    /// `None` ends the stream; the client comes back with its last id.
    async fn next(&mut self) -> Option<Arc<Alert>> {
        loop {
            if let Some(alert) = self.waiting.pop_front() {
                self.seen = alert.seq;
                return Some(Arc::new(alert));
            }
            if self.behind {
                self.replay().await?;
                continue;
            }
            match self.live.recv().await {
                Ok(alert) if alert.seq <= self.seen => {}
                Ok(alert) if alert.seq == self.seen + 1 => {
                    self.seen = alert.seq;
                    return Some(alert);
                }
                Ok(_) | Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    async fn replay(&mut self) -> Option<()> {
        let (alerts, seen) = (self.alerts.clone(), self.seen);
        match blocking(move || Ok(alerts.since(seen, REPLAY)?)).await {
            Ok(found) => {
                self.behind = found.len() == REPLAY;
                self.waiting.extend(found);
                Some(())
            }
            Err(problem) => {
                tracing::warn!(?problem, "an alert stream was ended: the store could not be read");
                None
            }
        }
    }
}
