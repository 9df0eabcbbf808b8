//! What pictures say of the camera itself and of what stands in its view: the published contract.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::media::BBox;

/// What is wrong with a camera that delivers.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Tampering {
    /// The picture is black: no light, or something lies on the lens.
    Dark,
    /// Next to nothing is left of what the learnt view had in it.
    Covered,
    /// Things stand where they stood, but their edges are gone.
    Defocused,
    /// There is something to see, and it stands still, but it is not the learnt view.
    Turned,
    /// The camera sends the same picture again and again.
    Frozen,
}

impl Tampering {
    pub const ALL: [Tampering; 5] =
        [Tampering::Dark, Tampering::Covered, Tampering::Defocused, Tampering::Turned, Tampering::Frozen];

    pub fn as_str(self) -> &'static str {
        match self {
            Tampering::Dark => "dark",
            Tampering::Covered => "covered",
            Tampering::Defocused => "defocused",
            Tampering::Turned => "turned",
            Tampering::Frozen => "frozen",
        }
    }
}

/// A thing that has come to stand before the learnt background, or has gone from it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct StandingThing {
    pub bbox: BBox,
    /// For how long it has been seen there more than anything else.
    pub stood: Duration,
    pub change: Change,
}

/// What has changed where something stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Something is there that was not.
    Came,
    /// Something is not there that was.
    Gone,
}

/// What one picture says. A sign that is neither beyond doubt nor in doubt is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ViewReading {
    /// Beyond doubt.
    pub sign: Option<Tampering>,
    /// Less than that: not enough to begin with, too much to call it over. Same as `sign` where there is one.
    pub doubt: Option<Tampering>,
    /// The view is known and has enough in it to tell.
    pub known: bool,
}
