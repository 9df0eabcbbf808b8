//! One decoder for the keyframes of any number of cameras.
//!
//! A keyframe needs nothing of what came before it but its parameter sets, so a decoder fed keyframes of
//! different cameras in turn, each with its own sets in front, decodes them all; a change of size costs it
//! nothing worth mentioning. 500 cameras are then looked at with as many decoders as there are workers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::annex_b::self_contained;
use super::decoder::Decoder;
use super::error::Error;
use super::settings::{Mode, Profile};
use crate::base::CameraId;
use crate::camera::Frame;
use crate::media::{Codec, EncodedUnit, Params, Pts, VideoParams};

/// Most streams of which it is remembered that they need a decoder of their own.
const ALONE_MOST: usize = 1024;
/// Time between two units on the shared decoder's own time line, 90 kHz.
const STEP: i64 = 9000;

/// Decodes keyframes, here and now. Belongs to one thread.
pub struct KeyframeDecoder {
    profile: Arc<Profile>,
    /// Opened when first needed.
    h264: Option<Decoder>,
    h265: Option<Decoder>,
    /// Where they put their frames.
    frames: Arc<Mutex<Vec<Frame>>>,
    /// Of the shared decoders' own time line: cameras' times would jump to and fro.
    last: Pts,
    /// Streams that upset the shared decoder and were decoded by one of their own.
    alone: BTreeMap<CameraId, Arc<Params>>,
}

impl KeyframeDecoder {
    pub fn new(profile: Arc<Profile>) -> Self {
        KeyframeDecoder {
            profile,
            h264: None,
            h265: None,
            frames: Arc::default(),
            last: Pts(0),
            alone: BTreeMap::new(),
        }
    }

    /// The picture of a keyframe; `light`: without the loop filter.
    ///
    /// # Errors
    /// No decoder here decodes it.
    pub fn decode(&mut self, key: &EncodedUnit, light: bool) -> Result<Frame, Error> {
        let Some(params) = key.params.video() else {
            return Err(Error::NotVideo { camera: key.camera.clone(), codec: key.params.codec().as_str() });
        };
        if self.alone.get(&key.camera).is_some_and(|p| **p == *key.params) {
            return self.by_its_own(key, params);
        }
        if let Ok(Some(frame)) = self.by_the_shared(key, params, light) {
            return Ok(frame);
        }
        let frame = self.by_its_own(key, params)?;
        if self.alone.len() >= ALONE_MOST {
            self.alone.clear();
        }
        self.alone.insert(key.camera.clone(), key.params.clone());
        Ok(frame)
    }

    fn by_the_shared(
        &mut self,
        key: &EncodedUnit,
        params: &VideoParams,
        light: bool,
    ) -> Result<Option<Frame>, Error> {
        let slot = match params.codec {
            Codec::H265 => &mut self.h265,
            _ => &mut self.h264,
        };
        let decoder = match slot {
            Some(decoder) => decoder,
            None => {
                let out = self.frames.clone();
                let sink = Arc::new(move |f| out.lock().unwrap_or_else(PoisonError::into_inner).push(f));
                let name = CameraId::new("keyframes").expect("invariant: a well-formed id");
                slot.insert(Decoder::open_shared(name, params.codec, &self.profile, sink)?)
            }
        };
        self.last = Pts(self.last.0 + STEP);
        let unit = EncodedUnit {
            connection: 1,
            pts: self.last,
            dts: self.last,
            lost_before: 0,
            data: match light {
                true => self_contained(params, &decoder.light(params, &key.data)),
                false => self_contained(params, &key.data),
            },
            ..key.clone()
        };
        let pushed = decoder.push(&unit);
        let frames = std::mem::take(&mut *self.frames.lock().unwrap_or_else(PoisonError::into_inner));
        // Never a picture that an earlier unit, of another camera, has left behind.
        let frame = frames.into_iter().find(|f| f.pts == self.last);
        if pushed.is_err() || frame.is_none() {
            // Whatever state it is in, the next camera is not to suffer from it.
            *slot = None;
        }
        pushed?;
        Ok(frame.map(|f| Frame {
            camera: key.camera.clone(),
            pts: key.pts,
            at: key.received,
            image: f.image,
        }))
    }

    fn by_its_own(&self, key: &EncodedUnit, params: &VideoParams) -> Result<Frame, Error> {
        let got = Arc::new(Mutex::new(None));
        let out = got.clone();
        let sink = Arc::new(move |f| *out.lock().unwrap_or_else(PoisonError::into_inner) = Some(f));
        let mut decoder = Decoder::open(key.camera.clone(), params, Mode::Keyframes, &self.profile, sink)?;
        decoder.push(key)?;
        decoder.drain();
        let frame = got.lock().unwrap_or_else(PoisonError::into_inner).take();
        frame.ok_or_else(|| Error::NoPicture { camera: key.camera.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::testing::{clip, decode_all};

    /// Keyframes of a clip, as of a camera of their own.
    fn keys(file: &str) -> Option<Vec<EncodedUnit>> {
        let camera = CameraId::new(file.split('.').next().unwrap()).unwrap();
        let units = clip(file)?;
        Some(
            units
                .into_iter()
                .filter(|u| u.key)
                .take(5)
                .map(|u| EncodedUnit { camera: camera.clone(), ..u })
                .collect(),
        )
    }

    fn luma(frame: &Frame) -> (u32, u32, Vec<u8>) {
        let (luma, stride) = frame.image.luma();
        let (w, h) = (frame.image.width as usize, frame.image.height as usize);
        let rows = (0..h).flat_map(|y| luma[y * stride..y * stride + w].iter().copied());
        (frame.image.width, frame.image.height, rows.collect())
    }

    #[test]
    fn keyframes_of_cameras_of_all_kinds_come_out_at_once_and_each_is_its_own_cameras() {
        // Two sizes, with and without B frames, two codecs.
        let files = [
            "people-detection-768x432.mp4",
            "one-by-one-person-detection.mp4",
            "worker-zone-detection-480x270.mp4",
            "crowd-faces-800x450.mp4",
            "people-detection-1080p25-h265.mp4",
        ];
        let cameras: Option<Vec<_>> = files.into_iter().map(keys).collect();
        let Some(cameras) = cameras else { return };
        let mut shared = KeyframeDecoder::new(Arc::default());
        for round in 0..3 {
            for keys in &cameras {
                let Some(key) = keys.get(round) else { continue };
                let got = shared.decode(key, false).unwrap();
                assert_eq!((&got.camera, got.pts, got.at), (&key.camera, key.pts, key.received));
                let alone = decode_all(std::slice::from_ref(key));
                assert_eq!(luma(&got), luma(&alone[0]), "{}", key.camera);
            }
        }
        assert!(shared.alone.is_empty(), "{:?}", shared.alone);
    }

    #[test]
    fn a_damaged_keyframe_costs_its_picture_and_no_other_cameras() {
        let (Some(a), Some(b)) = (keys("people-detection-768x432.mp4"), keys("crowd-faces-800x450.mp4"))
        else {
            return;
        };
        let mut shared = KeyframeDecoder::new(Arc::default());
        let torn = EncodedUnit { data: a[0].data.slice(..a[0].data.len().min(40)), ..a[0].clone() };
        for _ in 0..3 {
            assert!(shared.decode(&torn, false).is_err());
            let got = shared.decode(&b[0], false).unwrap();
            assert_eq!((got.image.width, got.image.height), (800, 450));
        }
        assert_eq!(shared.decode(&a[1], false).unwrap().image.width, 768);
        assert!(shared.alone.is_empty());
    }

    #[test]
    fn a_stream_that_upsets_the_shared_decoder_gets_one_of_its_own() {
        let Some(mut a) = keys("people-detection-768x432.mp4") else { return };
        // A codec that the shared decoder is told wrongly: it can make nothing of it.
        let mut shared = KeyframeDecoder::new(Arc::default());
        shared.profile = Arc::new(Profile { threads: 1, ..Profile::default() });
        let key = a.remove(0);
        let name = CameraId::new("keyframes").unwrap();
        let deaf = Arc::new(|_| {});
        shared.h264 = Some(Decoder::open_shared(name, Codec::H264, &shared.profile, deaf).unwrap());
        assert_eq!(shared.decode(&key, false).unwrap().at, key.received);
        assert_eq!(shared.alone.len(), 1);
        assert_eq!(shared.decode(&key, false).unwrap().at, key.received);
    }
}
