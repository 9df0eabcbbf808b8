//! How closely a camera has to be watched, and how closely it is: the published contract.

use std::time::Duration;

/// How closely a camera's rules need it watched.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Need {
    /// While nothing moves: a look at least this often.
    pub look_every: Duration,
    /// While something moves: this many frames analysed per second.
    pub fps: f32,
}

/// What the camera deserves now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attention {
    /// Nothing moves: a look at a keyframe now and then.
    Idle,
    /// Something moves: its video is decoded, some frames per second are analysed.
    Followed,
}

/// What a camera needed over the last minute, and what it got.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct WatchLevel {
    pub attention: Attention,
    pub needed: Need,
    /// Mean time between looks while idle; `None`: not idle within the window, or no look yet.
    pub look_every: Option<Duration>,
    /// Frames analysed per second while followed; `None`: not followed within the window.
    pub fps: Option<f32>,
    /// What it got of what it needed, 0 to 1: frames analysed against frames owed. Time in which
    /// the camera delivered nothing to look at is not owed.
    pub ratio: f32,
    /// The longest time without an analysed frame, less what the camera delivered nothing.
    pub longest: Duration,
    /// How long a frame was wanted and the camera delivered none.
    pub unoffered: Duration,
    /// The time all this is about: a minute at most, less for a young camera.
    pub window: Duration,
    /// By how much rates are shrunk now, one number for all cameras; 1: not at all. Those of looks are by a fifth less,
    /// never below 1.
    pub stretch: f32,
}
