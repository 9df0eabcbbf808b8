//! How closely a camera is watched, on the wire.

use serde::Serialize;
use utoipa::ToSchema;

use crate::camera::{Attention, WatchLevel};

/// How closely the camera has to be watched, and how closely it was over the last minute.
#[derive(Serialize, ToSchema)]
pub(super) struct WatchInfo {
    attention: AttentionInfo,
    /// What its rules need.
    needed: Rates,
    /// What it got. A rate is absent when the camera was not in that state.
    effective: Rates,
    /// What it got of what it needed, 0 to 1. Time in which the camera delivered nothing does not count.
    #[schema(example = 1.0)]
    ratio: f32,
    /// By how much rates are shrunk now, one number for all cameras; 1: not at all. Those of looks are by a fifth less,
    /// never below 1.
    #[schema(example = 1.0)]
    stretch: f32,
    /// Longest time without an analysed frame, seconds.
    longest_s: f32,
    /// For how many seconds a frame was wanted and the camera delivered none.
    unoffered_s: f32,
    /// The seconds all this is about: a minute at most.
    window_s: f32,
}

#[derive(Serialize, ToSchema)]
struct Rates {
    /// Seconds from one look to the next while nothing moves.
    #[schema(example = 4.0)]
    look_every_s: Option<f32>,
    /// Frames analysed per second while something moves.
    #[schema(example = 5.0)]
    fps: Option<f32>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AttentionInfo {
    /// Nothing moves: a look at a keyframe now and then.
    Idle,
    /// Something moves: its video is decoded.
    Followed,
}

impl From<&WatchLevel> for WatchInfo {
    fn from(level: &WatchLevel) -> Self {
        let needed = &level.needed;
        WatchInfo {
            attention: match level.attention {
                Attention::Idle => AttentionInfo::Idle,
                Attention::Followed => AttentionInfo::Followed,
            },
            needed: Rates { look_every_s: Some(needed.look_every.as_secs_f32()), fps: Some(needed.fps) },
            effective: Rates { look_every_s: level.look_every.map(|d| d.as_secs_f32()), fps: level.fps },
            ratio: level.ratio,
            stretch: level.stretch,
            longest_s: level.longest.as_secs_f32(),
            unoffered_s: level.unoffered.as_secs_f32(),
            window_s: level.window.as_secs_f32(),
        }
    }
}
