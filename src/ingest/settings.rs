//! Settings of ingest.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// Threads on which RTSP cameras are read; cameras are dealt out to them.
    pub threads: usize,
    /// How long these threads sleep between two looks at their sockets.
    pub tick: Duration,
    /// Connections begun per second over all cameras, so that 500 cameras that come back at once
    /// do not all knock in the same moment.
    pub connects_per_second: f64,
    /// Connections that may be in their handshake at the same time.
    pub connects_at_once: usize,
    /// A handshake (DESCRIBE to the first access unit) longer than this is given up.
    pub connect_timeout: Duration,
    /// First and longest wait before connecting anew; doubled in between, with jitter.
    pub backoff_min: Duration,
    pub backoff_max: Duration,
    /// A larger access unit is refused and the connection begun anew, bytes.
    pub max_unit_bytes: usize,
    /// When the certificate of an `rtsps://` camera is checked.
    pub certificates: CertificateCheck,
}

/// When the certificate of an `rtsps://` camera is checked against the system's trusted roots.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CertificateCheck {
    Always,
    /// Not where the URL names a private, link-local or loopback IP address: cameras on a closed
    /// network carry certificates that nobody signed. Host names and public addresses are checked.
    #[default]
    UnlessPrivateAddress,
    /// Nowhere: anybody on the way can pose as the camera and learn its password.
    Never,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            threads: 1,
            tick: Duration::from_millis(100),
            // A handshake is five to seven exchanges of a tick each, then the wait for a picture:
            // 1,000 streams (500 cameras) that knock at once are through in about 15 s.
            connects_per_second: 100.0,
            connects_at_once: 256,
            connect_timeout: Duration::from_secs(10),
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(4),
            max_unit_bytes: 8 << 20,
            certificates: CertificateCheck::default(),
        }
    }
}
