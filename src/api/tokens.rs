//! Tokens, for administrators.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::base::Wall;

use super::audit;
use super::auth::Admin;
use super::extract::{Json, Path, Time};
use super::problem::Problem;
use super::state::{ApiState, blocking};
use super::token_store::{Role, Token};

pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

#[derive(Serialize, ToSchema)]
struct TokenInfo {
    id: i64,
    name: String,
    role: Role,
    #[schema(value_type = String, format = DateTime)]
    created: Wall,
    /// To within a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used: Option<Wall>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires: Option<Wall>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked: Option<Wall>,
}

impl From<Token> for TokenInfo {
    fn from(t: Token) -> Self {
        let Token { id, name, role, created, last_used, expires, revoked } = t;
        TokenInfo { id, name, role, created, last_used, expires, revoked }
    }
}

#[derive(Serialize, ToSchema)]
struct TokenList {
    /// Oldest first, also revoked ones.
    tokens: Vec<TokenInfo>,
}

/// A token to be made.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// Who will use it; stands in the history of alerts.
    #[serde(default)]
    #[schema(example = "front desk", required)]
    name: String,
    /// `viewer` unless given.
    role: Option<Role>,
    /// RFC 3339 with offset; never unless given.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires: Option<Time>,
}

#[derive(Serialize, ToSchema)]
struct CreatedToken {
    #[serde(flatten)]
    token: TokenInfo,
    /// Shown this once.
    #[schema(example = "pgn_…")]
    secret: String,
}

/// All tokens
#[utoipa::path(get, path = "/api/v1/tokens", operation_id = "list_tokens", tag = "tokens", responses(
    (status = 200, description = "The tokens, without their secrets", body = TokenList),
    (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn list(State(state): State<ApiState>, _: Admin) -> Result<axum::Json<TokenList>, Problem> {
    let store = state.tokens.clone();
    let tokens = blocking(move || Ok(store.list()?)).await?;
    Ok(axum::Json(TokenList { tokens: tokens.into_iter().map(TokenInfo::from).collect() }))
}

/// Make a token
#[utoipa::path(post, path = "/api/v1/tokens", operation_id = "create_token", tag = "tokens", request_body = NewToken, responses(
    (status = 201, description = "The token with its secret, shown this once", body = CreatedToken),
    (status = 409, description = "The name is in use", body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn create(
    State(state): State<ApiState>,
    Admin(caller): Admin,
    Json(body): Json<NewToken>,
) -> Result<Response, Problem> {
    let (store, now) = (state.tokens.clone(), state.clock.wall());
    let role = body.role.unwrap_or(Role::Viewer);
    let (token, secret) =
        blocking(move || Ok(store.create(&body.name, role, body.expires.map(|t| t.0), now)?)).await?;
    audit::changed(&caller, "token_created", &token.name);
    let created = axum::Json(CreatedToken { token: token.into(), secret });
    Ok((StatusCode::CREATED, [(axum::http::header::CACHE_CONTROL, "no-store")], created).into_response())
}

/// Revoke a token
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", operation_id = "revoke_token", tag = "tokens",
    params(("id" = i64, Path, description = "Number of the token")),
    responses(
        (status = 204, description = "It is refused from now on"),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
))]
async fn revoke(
    State(state): State<ApiState>,
    Admin(caller): Admin,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    let (store, now) = (state.tokens.clone(), state.clock.wall());
    blocking(move || Ok(store.revoke(id, now)?)).await?;
    audit::changed(&caller, "token_revoked", &id.to_string());
    Ok(StatusCode::NO_CONTENT)
}
