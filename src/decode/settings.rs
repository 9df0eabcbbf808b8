//! Settings of decoding.

use serde::{Deserialize, Serialize};

/// Which access units are decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Keyframes only: a look every GOP.
    Keyframes,
    /// Every access unit.
    #[default]
    Follow,
}

/// How to decode: a file in `pipelines/decode/`.
#[derive(Clone, PartialEq, Debug)]
pub struct Profile {
    pub name: String,
    /// GStreamer decoder elements, best first; the first that exists here is taken. Empty: by rank.
    pub h264: Vec<String>,
    pub h265: Vec<String>,
    /// Threads of a software decoder.
    pub threads: u32,
}

impl Default for Profile {
    fn default() -> Self {
        Profile { name: "auto".into(), h264: Vec::new(), h265: Vec::new(), threads: 1 }
    }
}
