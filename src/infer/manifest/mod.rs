//! The manifest of a model: `models/NAME/model.toml`.

mod file;

use std::ops::RangeInclusive;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::detection::Class;
use super::error::Error;
use super::opinion::Doubtful;

/// How a model is fed and read. A closed set: each has its adapter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    Yunet,
    Rfb,
    Yolox,
    Fastestdet,
}

impl Family {
    pub fn as_str(self) -> &'static str {
        match self {
            Family::Yunet => "yunet",
            Family::Rfb => "rfb",
            Family::Yolox => "yolox",
            Family::Fastestdet => "fastestdet",
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct Manifest {
    /// The folder's name.
    pub name: String,
    /// Of the manifest's own text, lower-case hex.
    pub digest: String,
    pub family: Family,
    /// File name of the weights, without folder.
    pub file: String,
    /// Lower-case hex.
    pub sha256: String,
    pub bytes: u64,
    /// Where the weights are fetched from; `None`: they come with the project, beside the manifest.
    pub url: Option<String>,
    /// SPDX identifier.
    pub licence: String,
    pub origin: String,
    /// Weaker detections are dropped, 0 to 1.
    pub score: f32,
    /// Boxes that overlap a stronger one by more than this are dropped, 0 to 1.
    pub nms: f32,
    /// Such detections get a second opinion.
    pub doubtful: Doubtful,
    pub verifier: Option<Verifier>,
    pub corroboration: Option<Corroboration>,
    pub input_name: String,
    pub size: InputSize,
    pub classes: ClassMap,
    /// Pixels a cell, of each block of a YOLOX network's rows. A network with two heads has its
    /// strides twice.
    pub strides: Vec<usize>,
}

/// A second network, which sees each detection alone (`verifier.rs`).
#[derive(Clone, PartialEq, Debug)]
pub struct Verifier {
    /// File name of its weights, which lie beside the model's.
    pub file: String,
    /// Lower-case hex.
    pub sha256: String,
    /// Size of the file.
    pub bytes: u64,
    /// Which detections it is asked about.
    pub asked: Doubtful,
}

/// What a face says for a person (`corroboration.rs`).
#[derive(Clone, PartialEq, Debug)]
pub struct Corroboration {
    /// Scores of people for whom a face speaks: the doubtful ones.
    pub person: RangeInclusive<f32>,
    /// Log odds that a face adds, above 0.
    pub by_face: f32,
}

/// Size of the network's input, pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InputSize {
    Fixed {
        width: usize,
        height: usize,
    },
    /// As the picture, scaled to this long side and filled up to a multiple.
    Fitted {
        long_side: usize,
        multiple_of: usize,
    },
}

impl InputSize {
    /// Width and height of the input for pictures of `picture` pixels.
    pub fn of(self, picture: (u32, u32)) -> (usize, usize) {
        match self {
            InputSize::Fixed { width, height } => (width, height),
            InputSize::Fitted { long_side, multiple_of } => {
                let (w, h) = (picture.0 as usize, picture.1 as usize);
                let side = |v: usize| (v * long_side).div_ceil(w.max(h)).next_multiple_of(multiple_of);
                (side(w), side(h))
            }
        }
    }

    /// The same for a part of a picture that is to be seen at this scale, if the size is free.
    pub fn scaled(self, part: (u32, u32), scale: f32) -> (usize, usize) {
        match self {
            InputSize::Fixed { width, height } => (width, height),
            InputSize::Fitted { multiple_of, .. } => {
                let side = |v: u32| ((v as f32 * scale).ceil() as usize).next_multiple_of(multiple_of);
                (side(part.0), side(part.1))
            }
        }
    }
}

/// From the model's class ids to ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClassMap(Vec<Option<Class>>);

impl ClassMap {
    /// How many classes the model knows.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Those of our classes that the model finds.
    pub fn ours(&self) -> Vec<Class> {
        Class::ALL.into_iter().filter(|c| self.0.contains(&Some(*c))).collect()
    }

    pub fn get(&self, id: usize) -> Option<Class> {
        self.0.get(id).copied().flatten()
    }
}

impl Manifest {
    /// Read `<dir>/model.toml`; the model's name is the folder's.
    pub fn load(dir: &Path) -> Result<Manifest, Error> {
        let path = dir.join("model.toml");
        let wrong = |message: String| Error::Manifest { path: path.clone(), message };
        let name = dir.file_name().and_then(|n| n.to_str()).ok_or_else(|| wrong("no folder name".into()))?;
        let text = std::fs::read_to_string(&path).map_err(|e| wrong(e.to_string()))?;
        Manifest::parse(name, &text).map_err(wrong)
    }

    /// The reason stands in the error.
    pub fn parse(name: &str, text: &str) -> Result<Manifest, String> {
        file::parse(name, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_input_follows_the_picture() {
        let size = InputSize::Fitted { long_side: 640, multiple_of: 32 };
        assert_eq!(size.of((768, 432)), (640, 384));
        assert_eq!(size.of((640, 480)), (640, 480));
        assert_eq!(size.of((270, 480)), (384, 640));
    }
}
