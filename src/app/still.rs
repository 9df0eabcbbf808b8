//! A picture of a camera on demand: its newest keyframe, decoded now. Works with analytics off, and
//! at the main stream's full resolution.

use std::sync::{Arc, Mutex, PoisonError};

use crate::camera::Frame;
use crate::decode::{Decoder, Mode, Profile};
use crate::media::EncodedUnit;

/// Decode one keyframe. Blocks for some 20 ms: not for async tasks.
pub fn decode(key: &EncodedUnit, profile: &Profile) -> anyhow::Result<Frame> {
    let params = key.params.video().ok_or_else(|| anyhow::anyhow!("camera {}: not a picture", key.camera))?;
    let got = Arc::new(Mutex::new(None));
    let out = got.clone();
    let mut decoder = Decoder::open(
        key.camera.clone(),
        params,
        Mode::Keyframes,
        profile,
        Arc::new(move |frame: Frame| *out.lock().unwrap_or_else(PoisonError::into_inner) = Some(frame)),
    )?;
    decoder.push(key)?;
    decoder.drain();
    let frame = got.lock().unwrap_or_else(PoisonError::into_inner).take();
    frame.ok_or_else(|| {
        anyhow::anyhow!(
            "camera {}: its newest keyframe could not be decoded; try again after the next one",
            key.camera
        )
    })
}
