//! Settings of decoding.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::base::profile;
use crate::media::Codec;

/// Which pictures of a camera are decoded for analytics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pictures {
    /// A keyframe now and then; all while something moves.
    #[default]
    Auto,
    /// All, always.
    Follow,
    /// Keyframes only, always.
    Keyframes,
}

/// Which access units a decoder takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Keyframes only.
    Keyframes,
    /// Every access unit.
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
    /// A software decoder of H.264 filters the edges of blocks. Motion detection does without: see
    /// [`Headers::unfiltered`](crate::media::slice::Headers::unfiltered).
    pub loop_filter: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Profile { name: "auto".into(), h264: Vec::new(), h265: Vec::new(), threads: 1, loop_filter: true }
    }
}

/// The file of a [`Profile`], whose name is the file's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    #[serde(default)]
    h264: Vec<String>,
    #[serde(default)]
    h265: Vec<String>,
    #[serde(default = "one")]
    threads: u32,
}

fn one() -> u32 {
    1
}

impl Profile {
    /// Read `<dir>/<name>.toml`; `dir` is `pipelines/decode`.
    pub fn load(dir: &Path, name: &str) -> Result<Profile, Error> {
        let file: ProfileFile = profile::read(dir, name)?;
        let ProfileFile { h264, h265, threads } = file;
        Ok(Profile { name: name.into(), h264, h265, threads: threads.max(1), loop_filter: true })
    }

    /// The same for pictures at which no model looks.
    pub fn light(&self) -> Profile {
        Profile { loop_filter: false, ..self.clone() }
    }

    /// Decoder elements wanted for `codec`, best first.
    pub fn elements(&self, codec: Codec) -> &[String] {
        match codec {
            Codec::H264 => &self.h264,
            Codec::H265 => &self.h265,
            Codec::Aac => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_of_the_project_load() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/decode");
        for name in profile::names(&dir) {
            Profile::load(&dir, &name).unwrap();
        }
        assert_eq!(Profile::load(&dir, "auto").unwrap(), Profile::default());
        assert_eq!(Profile::load(&dir, "software").unwrap().elements(Codec::H264)[0], "avdec_h264");
    }
}
