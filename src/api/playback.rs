//! Recordings as HLS: playlists whose fragments are byte ranges of the segment files.

use std::fs::File;
use std::io;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::archive::{FragmentRef, SegmentId, SegmentRow};
use crate::base::{CameraId, StreamKind, WallSpan};
use crate::export::{Form, playlist};

use super::auth::Caller;
use super::extract::{self, Path, Query, SpanQuery, Stream, Time};
use super::problem::Problem;
use super::recordings::require_recorded;
use super::state::{ApiState, blocking};
use super::{audit, etag, range};

/// Longest range of one playlist.
const LONGEST: Duration = Duration::from_secs(86_400);

/// How far before now a live viewing begins. RFC 8216 §6.3.3 has players begin three target
/// durations before the end, and a camera's GOP may last several seconds.
const LIVE_LEAD: Duration = Duration::from_secs(30);

/// Fragments in a live playlist.
const LIVE_ENTRIES: usize = 12;

pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(playback))
        .routes(routes!(live))
        .routes(routes!(live_media))
        .routes(routes!(segment))
}

fn respond(text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.apple.mpegurl"),
        (header::CACHE_CONTROL, "private, no-cache"),
    ];
    (headers, text).into_response()
}

fn uri(row: &SegmentRow) -> String {
    format!("/api/v1/segments/{}.mp4", row.id)
}

/// Playlist of a recorded range
///
/// HLS with fMP4 byte ranges; plays in hls.js, which sends the token if `xhrSetup` sets the
/// `Authorization` header. Reaches from the fragment that holds `from` to the one that holds `to`.
#[utoipa::path(get, path = "/api/v1/cameras/{id}/playback.m3u8", operation_id = "get_playback", tag = "recordings",
    params(("id" = String, Path, description = "Camera id"), SpanQuery),
    responses(
        (status = 200, description = "A media playlist (RFC 8216)", content_type = "application/vnd.apple.mpegurl", body = String),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn playback(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<CameraId>,
    Query(query): Query<SpanQuery>,
) -> Result<Response, Problem> {
    let (span, stream) = (query.span(LONGEST)?, query.stream());
    require_recorded(&state, &id, stream).await?;
    let camera = id.clone();
    let rows = state.with_archive(move |a| Ok(a.segments(&camera, stream, span)?)).await?;
    if rows.is_empty() {
        return Err(Problem::not_found(format!(
            "Nothing of '{id}' is recorded in this range; GET /api/v1/recordings?camera={id}&from=…&to=… tells why."
        )));
    }
    audit::viewed(&caller, "playback", &id, span);
    Ok(respond(playlist(&rows, span, Form::Vod, uri)))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LiveQuery {
    /// `main` (default) or `sub`.
    #[param(inline)]
    stream: Option<Stream>,
}

/// Live picture
///
/// A multivariant playlist with one variant, the growing media playlist of this viewing.
#[utoipa::path(get, path = "/api/v1/cameras/{id}/live.m3u8", operation_id = "get_live", tag = "recordings",
    params(("id" = String, Path, description = "Camera id"), LiveQuery),
    responses(
        (status = 200, description = "A multivariant playlist (RFC 8216)", content_type = "application/vnd.apple.mpegurl", body = String),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn live(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<CameraId>,
    Query(query): Query<LiveQuery>,
) -> Result<Response, Problem> {
    state.camera(&id)?;
    let stream = query.stream.map_or(StreamKind::Main, StreamKind::from);
    let now = state.clock.wall();
    // Entries are counted from the begin of the viewing, which therefore stands in the address that
    // the player asks again and again; the server keeps nothing per viewer.
    let span = WallSpan::new(now - LIVE_LEAD, now);
    let camera = id.clone();
    let rows = state.with_archive(move |a| Ok(a.segments(&camera, stream, span)?)).await?;
    let Some(last) = rows.last() else {
        return Err(Problem::not_found(format!(
            "Nothing of the {stream} stream of '{id}' was recorded in the last {} s; GET /api/v1/cameras/{id} \
             tells whether it is online and recorded.",
            LIVE_LEAD.as_secs()
        )));
    };
    audit::viewed(&caller, "live", &id, span);
    Ok(respond(format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-STREAM-INF:BANDWIDTH={},CODECS=\"{}\",RESOLUTION={}x{}\n\
         live/media.m3u8?from={}&stream={stream}\n",
        peak_bits_per_second(&rows),
        last.codecs,
        last.width,
        last.height,
        span.start
    )))
}

/// `BANDWIDTH` is the peak over the fragments (RFC 8216 §4.3.4.2).
fn peak_bits_per_second(rows: &[SegmentRow]) -> u64 {
    let rate = |f: &FragmentRef| f.bytes as u64 * 8 * 90_000 / u64::from(f.duration_90k.max(1));
    rows.iter().flat_map(|r| &r.fragments).map(rate).max().unwrap_or(0)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LiveMediaQuery {
    /// Begin of the viewing; must stay the same.
    #[param(value_type = String, format = DateTime, example = "2026-11-23T08:00:00Z")]
    from: Time,
    /// `main` (default) or `sub`.
    #[param(inline)]
    stream: Option<Stream>,
}

/// Live media playlist
///
/// The newest fragments. Take its address from `live.m3u8`; good for 24 hours.
#[utoipa::path(get, path = "/api/v1/cameras/{id}/live/media.m3u8", operation_id = "get_live_media", tag = "recordings",
    params(("id" = String, Path, description = "Camera id"), LiveMediaQuery),
    responses(
        (status = 200, description = "A live media playlist (RFC 8216)", content_type = "application/vnd.apple.mpegurl", body = String),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn live_media(
    State(state): State<ApiState>,
    Path(id): Path<CameraId>,
    Query(query): Query<LiveMediaQuery>,
) -> Result<Response, Problem> {
    state.camera(&id)?;
    let stream = query.stream.map_or(StreamKind::Main, StreamKind::from);
    // A second ahead: fragments are stamped on arrival, and the clock may be corrected in between.
    let now = Time(state.clock.wall() + Duration::from_secs(1));
    let span = extract::span(query.from, now, LONGEST)?;
    let camera = id.clone();
    let rows = state.with_archive(move |a| Ok(a.segments(&camera, stream, span)?)).await?;
    if rows.is_empty() {
        return Err(Problem::not_found(format!(
            "Nothing of '{id}' is recorded since 'from'; begin anew with /api/v1/cameras/{id}/live.m3u8."
        )));
    }
    // The viewing was entered in the audit at its begin; a player asks for this every few seconds, and
    // the segments that it points to are entered as they are fetched.
    Ok(respond(playlist(&rows, span, Form::Sliding { entries: LIVE_ENTRIES }, uri)))
}

/// Bytes of a segment
///
/// What the playlists point to. Takes `Range`. A segment that is still being written ends after
/// its last whole fragment.
#[utoipa::path(get, path = "/api/v1/segments/{file}", operation_id = "get_segment", tag = "recordings",
    params(
        ("file" = String, Path, description = "Number of the segment and `.mp4`", example = "17.mp4"),
        ("Range" = Option<String>, Header, description = "One byte range", example = "bytes=0-1023"),
    ),
    responses(
        (status = 200, description = "The whole file", content_type = "video/mp4", body = Vec<u8>),
        (status = 206, description = "The asked range", content_type = "video/mp4", body = Vec<u8>),
        (status = 304, description = "Unchanged since the ETag sent in If-None-Match"),
        (status = 416, description = "The file ends before the range", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn segment(
    State(state): State<ApiState>,
    caller: Caller,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let number = file.strip_suffix(".mp4").and_then(|n| n.parse().ok()).ok_or_else(|| {
        Problem::invalid(
            "A segment is named by its number and '.mp4', such as 17.mp4; take it from a playlist.",
        )
    })?;
    let row = state.with_archive(move |a| Ok(a.segment(SegmentId(number))?)).await?;
    audit::viewed(&caller, "segment", &row.camera, row.span);
    // Not the row's number: an index that was rebuilt gives it to another segment.
    let tag = etag::tag(&[&row.run.0, &row.seq_in_run, &row.bytes]);
    if etag::matches(&headers, &tag) {
        return Ok(etag::not_modified(&tag));
    }
    let path = row.path.clone();
    let file = blocking(move || {
        File::open(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => gone(),
            _ => Problem::internal(format!("The segment cannot be read ({e}); check the archive's disk.")),
        })
    })
    .await?;
    let mut response = range::respond(file, row.bytes, &tag, &headers);
    if response.status().is_success() {
        // The address may come to name another segment, so it is asked each time whether it still holds.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    }
    Ok(response)
}

fn gone() -> Problem {
    Problem::not_found(
        "This segment is not there: retention has deleted it, or it never was. Fetch the playlist again.",
    )
}
