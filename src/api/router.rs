//! All routes and the layers around them.

use std::any::Any;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics::counter;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use tracing::{Level, Span};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::base::metrics::HTTP_REQUESTS;

use super::problem::{self, Problem};
use super::state::ApiState;
use super::{alert_stream, alerts, auth, backtests, cameras, export, health, playback, recordings, tokens};

/// Nothing that is sent to us is large.
const BODY_LIMIT: usize = 64 << 10;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Ping'an",
        description = "Cameras, alerts and recordings. Every address under /api/v1 and /metrics needs \
                       `Authorization: Bearer pgn_…`; `pingan token create` makes a token. Times are RFC 3339. \
                       Errors are problem documents (RFC 9457) whose `detail` says what to do."
    ),
    security(("token" = [])),
    tags(
        (name = "cameras", description = "Cameras and their live state"),
        (name = "alerts", description = "What the rules have found"),
        (name = "backtests", description = "Rules tried on the past"),
        (name = "recordings", description = "What is recorded: coverage, playback, export"),
        (name = "tokens", description = "Who may use this API"),
        (name = "server", description = "Health and measurements"),
    )
)]
struct Description;

fn guarded() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(cameras::routes())
        .merge(recordings::routes())
        .merge(playback::routes())
        .merge(export::routes())
        .merge(alert_stream::routes())
        .merge(alerts::routes())
        .merge(backtests::routes())
        .merge(tokens::routes())
        .merge(health::guarded_routes())
}

/// The OpenAPI 3.1 description of all routes.
pub fn document() -> Document {
    let open = OpenApiRouter::with_openapi(Description::openapi()).merge(health::open_routes());
    let (_, mut document) = open.merge(guarded()).split_for_parts();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("pgn_…")
        .description(Some("Made by `pingan token create` or POST /api/v1/tokens."))
        .build();
    document
        .components
        .get_or_insert_default()
        .security_schemes
        .insert("token".into(), SecurityScheme::Http(scheme).into());
    document
}

/// The whole API.
pub fn router(state: ApiState) -> Router {
    let (open, _) = health::open_routes().split_for_parts();
    let (guarded, _) = guarded().split_for_parts();
    // `layer`, not `route_layer`: wrong methods are refused behind the check as well.
    let guarded = guarded.layer(from_fn_with_state(state.clone(), auth::require_token));
    let document = document();
    let served = axum::Json(document);
    // The page's own files are in the binary; the online validator would reach outside.
    let config = Config::from("/openapi.json").validator_url("none").persist_authorization(true);
    let docs: Router<ApiState> = SwaggerUi::new("/docs").config(config).into();
    open.merge(guarded)
        .merge(docs)
        .route("/openapi.json", get(|| async move { served.clone() }))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(count))
        .layer(trace())
        .layer(from_fn(problem::complete))
        .with_state(state)
}

/// The log names method and path: neither the query nor any header.
fn trace() -> TraceLayer<
    tower_http::classify::SharedClassifier<tower_http::classify::ServerErrorsAsFailures>,
    impl Fn(&Request) -> Span + Clone,
    (),
    tower_http::trace::DefaultOnResponse,
    (),
    (),
    (),
> {
    TraceLayer::new_for_http()
        .make_span_with(
            |r: &Request| tracing::info_span!("http", method = %r.method(), path = r.uri().path()),
        )
        .on_request(())
        .on_response(tower_http::trace::DefaultOnResponse::new().level(Level::DEBUG))
        .on_body_chunk(())
        .on_eos(())
        // `problem::complete` logs failures, with their reason.
        .on_failure(())
}

async fn count(request: Request, next: Next) -> Response {
    // The route's pattern, not the path: a label must not grow with ids.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |m| m.as_str().to_owned());
    let response = next.run(request).await;
    counter!(HTTP_REQUESTS, "route" => route, "status" => response.status().as_u16().to_string())
        .increment(1);
    response
}

fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("unknown");
    tracing::error!(what, "a request handler panicked");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "The server failed on this request; its log tells more. Please report it.",
    )
    .into_response()
}
