//! Identities that cross every stage.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Name of a camera: 1 to 64 of `a-z 0-9 - _`, starting with a letter or digit.
/// It stands in URLs, file paths and metric labels, so nothing else is let in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CameraId(Arc<str>);

/// Why a text is no camera id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a camera id: use 1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or digit")]
pub struct BadCameraId(pub String);

impl CameraId {
    pub fn new(s: &str) -> Result<Self, BadCameraId> {
        let first_ok = s.as_bytes().first().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let all_ok =
            s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if first_ok && all_ok && s.len() <= 64 { Ok(CameraId(s.into())) } else { Err(BadCameraId(s.into())) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CameraId {
    type Err = BadCameraId;
    fn from_str(s: &str) -> Result<Self, BadCameraId> {
        CameraId::new(s)
    }
}

impl Serialize for CameraId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CameraId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        CameraId::new(&String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

/// Which of a camera's two streams.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// Full resolution; recorded.
    Main,
    /// Low resolution; analysed, where the camera has one.
    Sub,
}

impl StreamKind {
    pub fn as_str(self) -> &'static str {
        match self {
            StreamKind::Main => "main",
            StreamKind::Sub => "sub",
        }
    }
}

impl fmt::Display for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for StreamKind {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "main" => Ok(StreamKind::Main),
            "sub" => Ok(StreamKind::Sub),
            other => Err(format!("'{other}' is not a stream: use 'main' or 'sub'")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn camera_ids_cannot_leave_their_folder() {
        for bad in ["", "..", "a/b", "A", "-a", "ä", &"x".repeat(65)] {
            assert!(CameraId::new(bad).is_err(), "{bad:?} was let in");
        }
        for good in ["gate-1", "0", "unit_7-yard"] {
            assert_eq!(CameraId::new(good).unwrap().as_str(), good);
        }
    }
}
