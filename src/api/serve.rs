//! The listening socket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::base::Kind;

use super::router::router;
use super::state::ApiState;

/// What running requests may take after the stop; downloads longer than that are cut.
const STOP_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {listen}: {source}; {advice}")]
    Bind { listen: SocketAddr, source: io::Error, advice: &'static str },
    #[error("the HTTP server ended: {0}; the log above tells more")]
    Serve(io::Error),
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Error::Bind { source, .. } => match source.kind() {
                io::ErrorKind::AddrInUse => Kind::Conflict,
                io::ErrorKind::PermissionDenied => Kind::Forbidden,
                _ => Kind::Invalid,
            },
            Error::Serve(_) => Kind::Internal,
        }
    }
}

/// Take the address. Do this before anything else starts, so that a second server ends at once.
/// The listener tells the port that was chosen when `listen` says 0.
pub async fn bind(listen: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(listen).await.map_err(|source| {
        let advice = match source.kind() {
            io::ErrorKind::AddrInUse => {
                "another program (perhaps another pingan) has this port: stop it or choose another port"
            }
            io::ErrorKind::PermissionDenied => "ports below 1024 need privileges: choose a higher port",
            io::ErrorKind::AddrNotAvailable => {
                "this machine has no such address: use one of its own, 127.0.0.1 or 0.0.0.0"
            }
            _ => "check the address",
        };
        Error::Bind { listen, source, advice }
    })
}

/// Answer requests until `state.stop` is cancelled, and then at most five seconds longer.
pub async fn serve(listener: TcpListener, state: ApiState) -> Result<(), Error> {
    let stop = state.stop.clone();
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_WITHIN).await;
    };
    let server = axum::serve(listener, router(state)).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        ended = async { server.await } => ended.map_err(Error::Serve),
        () = overdue => {
            tracing::warn!(within = ?STOP_WITHIN, "open HTTP connections were cut");
            Ok(())
        }
    }
}
