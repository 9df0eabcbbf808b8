//! Settings of the HTTP API.

use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// Loopback unless told otherwise.
    pub listen: SocketAddr,
    /// The SQLite store of tokens (hashes only).
    pub tokens: PathBuf,
}
