//! Truth files: `truth/events.json`, `truth/faces.json`, `truth/persons.json` below the data folder.
//! Coordinates are fractions of the frame, times seconds from the first frame.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::checks;

#[derive(Debug, Deserialize)]
pub struct Events {
    /// A time within this of the truth is right, seconds.
    pub tolerance_s: f64,
    pub clips: Vec<ClipTruth>,
}

#[derive(Debug, Deserialize)]
pub struct ClipTruth {
    /// The same content in several encodings.
    pub files: Vec<String>,
    pub fps: f64,
    pub distinct_people: Option<u32>,
    #[serde(default)]
    pub line_crossings: Vec<LineTruth>,
    #[serde(default)]
    pub zones: Vec<ZoneTruth>,
    #[serde(default)]
    pub loitering: Vec<LoiterTruth>,
    #[serde(default)]
    pub faces_count: Vec<Counted>,
    /// Present where there is no face to be found, with the reason.
    pub faces: Option<String>,
}

impl ClipTruth {
    /// Faces that appear in the clip; `None` where the truth does not say.
    pub fn faces(&self) -> Option<usize> {
        let empty = self.faces.is_some() || self.distinct_people == Some(0);
        self.faces_count.iter().map(|c| c.count).max().or(empty.then_some(0))
    }
}

#[derive(Debug, Deserialize)]
pub struct LineTruth {
    pub name: String,
    pub anchor: AnchorTruth,
    pub line: [[f32; 2]; 2],
    #[serde(default)]
    pub upward: Vec<Moment>,
    #[serde(default)]
    pub downward: Vec<Moment>,
    #[serde(default)]
    pub leftward: Vec<Moment>,
    #[serde(default)]
    pub rightward: Vec<Moment>,
}

impl LineTruth {
    /// Crossings with the way they go on the screen, as a vector.
    pub fn crossings(&self) -> impl Iterator<Item = ([f32; 2], f64)> + '_ {
        let ways = [
            ([0.0, -1.0], &self.upward),
            ([0.0, 1.0], &self.downward),
            ([-1.0, 0.0], &self.leftward),
            ([1.0, 0.0], &self.rightward),
        ];
        ways.into_iter().flat_map(|(way, moments)| moments.iter().map(move |m| (way, m.t)))
    }
}

#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum AnchorTruth {
    Foot,
    Centre,
}

#[derive(Debug, Deserialize)]
pub struct Moment {
    pub t: f64,
}

#[derive(Debug, Deserialize)]
pub struct ZoneTruth {
    pub name: String,
    pub anchor: AnchorTruth,
    pub polygon: Vec<[f32; 2]>,
    /// Spans in which anybody is in the zone.
    pub occupied: Vec<[f64; 2]>,
}

#[derive(Debug, Deserialize)]
pub struct LoiterTruth {
    pub zone: String,
    pub threshold_s: f64,
    pub alerts: usize,
}

#[derive(Debug, Deserialize)]
pub struct Counted {
    pub count: usize,
}

#[derive(Debug, Deserialize)]
pub struct Frames {
    pub frames: Vec<FrameTruth>,
}

#[derive(Debug, Deserialize)]
pub struct FrameTruth {
    pub file: String,
    /// Index from 0 in presentation order.
    pub frame: usize,
    #[serde(default, alias = "faces", alias = "persons")]
    pub boxes: Vec<[f32; 4]>,
    /// Neither hit nor miss.
    #[serde(default)]
    pub ignore: Vec<[f32; 4]>,
}

/// The data folder.
pub struct Data(pub PathBuf);

impl Data {
    pub fn clip(&self, file: &str) -> PathBuf {
        self.0.join("footage").join(file)
    }

    pub fn events(&self) -> anyhow::Result<Events> {
        self.read("events.json", checks::events)
    }

    pub fn faces(&self) -> anyhow::Result<Frames> {
        self.read("faces.json", checks::frames)
    }

    pub fn persons(&self) -> anyhow::Result<Frames> {
        self.read("persons.json", checks::frames)
    }

    fn read<T: DeserializeOwned>(
        &self,
        name: &str,
        check: impl Fn(&T) -> anyhow::Result<()>,
    ) -> anyhow::Result<T> {
        let path: &Path = &self.0.join("truth").join(name);
        let text = std::fs::read_to_string(path).with_context(|| {
            format!("cannot read {}; --data names a folder with footage/ and truth/", path.display())
        })?;
        let truth = serde_json::from_str(&text);
        let truth = truth.with_context(|| format!("{} is not a truth file", path.display()))?;
        check(&truth).with_context(|| format!("{} cannot be right", path.display()))?;
        Ok(truth)
    }
}
