//! Results of looking at one frame.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::media::{BBox, Point};

/// What a thing is. Vehicles are one class: detectors confuse cars, buses and trucks.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Person,
    Vehicle,
    /// A face is found, never identified.
    Face,
    /// A moving area; what moves is unknown.
    Motion,
}

impl Class {
    pub const ALL: [Class; 4] = [Class::Person, Class::Vehicle, Class::Face, Class::Motion];

    pub fn as_str(self) -> &'static str {
        match self {
            Class::Person => "person",
            Class::Vehicle => "vehicle",
            Class::Face => "face",
            Class::Motion => "motion",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Class {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        Class::ALL
            .into_iter()
            .find(|c| c.as_str() == s)
            .ok_or_else(|| format!("'{s}' is not a class: use person, vehicle, face or motion"))
    }
}

/// A detection with this score or a higher one may begin a track, unless configured otherwise; a face with it is
/// believed.
pub const BEGINS: f32 = 0.5;
/// A detection that overlaps (IoU) the place where a tracked thing of its class should be by so much is that thing,
/// whatever its score.
pub const CONTINUES: f32 = 0.5;

/// One thing found in one frame.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Detection {
    pub class: Class,
    /// Normalised; may lie a little outside the picture.
    pub bbox: BBox,
    /// 0 to 1.
    pub score: f32,
    /// Right eye, left eye, nose tip, right and left mouth corner (the person's right), faces only.
    pub landmarks: Option<[Point; 5]>,
}

impl Detection {
    /// In the picture with left and right exchanged. Landmarks keep their names: the right eye is the person's.
    pub fn mirrored(&self) -> Detection {
        let b = self.bbox;
        let bbox = BBox::new(1.0 - b.x2, b.y1, 1.0 - b.x1, b.y2);
        let landmarks = self.landmarks.map(|[right, left, nose, right_mouth, left_mouth]| {
            [left, right, nose, left_mouth, right_mouth].map(|p| Point::new(1.0 - p.x, p.y))
        });
        Detection { bbox, landmarks, ..*self }
    }
}

/// A model as it was used.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ModelRef {
    pub name: String,
    /// SHA-256 of its weights, in hexadecimal.
    pub sha256: String,
    /// SHA-256 of its manifest, `model.toml`, in hexadecimal: the limits by which its output was read. Empty where
    /// it was not kept yet.
    #[serde(default)]
    #[schema(required = true)]
    pub manifest_sha256: String,
}

/// What became of a frame that was to be looked at. Absence has a reason: an empty list means that
/// somebody looked and saw nothing.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    Done(Vec<Detection>),
    Skipped(SkipReason),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SkipReason {
    /// The model failed on this frame; the log says how.
    ModelFailed,
}

impl SkipReason {
    pub fn as_str(self) -> &'static str {
        match self {
            SkipReason::ModelFailed => "model_failed",
        }
    }
}
