//! Who asks, and whether they may. Tokens come in the `Authorization` header only: in a URL they
//! would end up in logs, histories and copied links. hls.js sets the header by `xhrSetup`.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::state::{ApiState, blocking};
use super::token_store::Role;

/// Who makes this request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The token's name.
    pub name: String,
    pub role: Role,
}

/// Layer of all guarded routes: without a valid token nothing behind it runs.
pub async fn require_token(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    match identify(&state, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn identify(state: &ApiState, headers: &HeaderMap) -> Result<Caller, Problem> {
    let unauthorized = |detail: &str| Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail);
    let header = headers.get(AUTHORIZATION).ok_or_else(|| {
        unauthorized(
            "This address needs a token: send the header 'Authorization: Bearer pgn_…'; \
             `pingan token create` makes one.",
        )
    })?;
    // RFC 9110 §11.1: the scheme's case does not matter.
    let secret = header
        .to_str()
        .ok()
        .and_then(|h| h.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, secret)| secret.trim().to_owned())
        .ok_or_else(|| {
            unauthorized("The Authorization header is not understood: write 'Authorization: Bearer pgn_…'.")
        })?;
    let (tokens, now) = (state.tokens.clone(), state.clock.wall());
    let token = blocking(move || Ok(tokens.verify(&secret, now)?)).await?;
    Ok(Caller { name: token.name, role: token.role })
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Caller>().cloned().ok_or_else(|| {
            Problem::internal("This address is not behind the token check; report this as a fault.")
        })
    }
}

fn at_least(role: Role, caller: Caller) -> Result<Caller, Problem> {
    if caller.role >= role {
        return Ok(caller);
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "forbidden",
        format!(
            "The token '{}' has the role {}, this needs {role}; use another token or ask an administrator for one.",
            caller.name, caller.role
        ),
    ))
}

/// A caller who may work on alerts.
pub struct Operator(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        at_least(Role::Operator, Caller::from_request_parts(parts, state).await?).map(Operator)
    }
}

/// A caller who may make and revoke tokens.
pub struct Admin(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Admin {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        at_least(Role::Admin, Caller::from_request_parts(parts, state).await?).map(Admin)
    }
}
