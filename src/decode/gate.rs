//! Which access units may go into the decoder: never one whose references are missing.

use super::settings::Mode;
use crate::media::params::Codec;
use crate::media::{EncodedUnit, h26x};

/// Lets units in from a keyframe on, until something is missing.
#[derive(Debug)]
pub(super) struct Gate {
    mode: Mode,
    codec: Codec,
    waiting: bool,
    /// Decoding began at a CRA: pictures that refer to what lay before it are useless
    /// (RASL, ITU-T H.265 §8.1.3) until a picture without such references follows.
    skip_leading: bool,
    connection: Option<u32>,
}

impl Gate {
    pub fn new(mode: Mode, codec: Codec) -> Self {
        Gate { mode, codec, waiting: true, skip_leading: false, connection: None }
    }

    /// Units were left out: nothing is of use before the next keyframe.
    pub fn close(&mut self) {
        self.waiting = true;
    }

    pub fn admits(&mut self, unit: &EncodedUnit) -> bool {
        if self.connection != Some(unit.connection) || unit.lost_before > 0 {
            self.connection = Some(unit.connection);
            self.waiting = true;
        }
        if self.mode == Mode::Keyframes {
            return unit.key;
        }
        if self.waiting {
            self.waiting = !unit.key;
            self.skip_leading = unit.key;
            return unit.key;
        }
        if self.skip_leading && self.codec == Codec::H265 {
            self.skip_leading = unit.key || is_leading(&unit.data);
            return !is_rasl(&unit.data);
        }
        true
    }
}

fn nal_types(data: &[u8]) -> impl Iterator<Item = u8> {
    h26x::nals(data).filter_map(|nal| nal.first().map(|b| (b >> 1) & 0x3f))
}

/// RADL or RASL picture (ITU-T H.265 table 7-1: 6 to 9).
fn is_leading(data: &[u8]) -> bool {
    nal_types(data).any(|t| (6..=9).contains(&t))
}

fn is_rasl(data: &[u8]) -> bool {
    nal_types(data).any(|t| t == 8 || t == 9)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::base::{CameraId, StreamKind, Wall};
    use crate::media::{Params, Pts, VideoParams};

    /// `script`: K key, C CRA, L leading picture that refers back, P other; ! loss before, @ new
    /// connection before. `want`: the letters let in.
    fn check(mode: Mode, codec: Codec, script: &str, want: &str) {
        let mut gate = Gate::new(mode, codec);
        let (mut let_in, mut lost, mut connection) = (String::new(), 0, 1);
        for c in script.chars() {
            match c {
                '!' => lost = 1,
                '@' => connection += 1,
                _ => {
                    let h265 = |t: u8| vec![0, 0, 0, 2, t << 1, 1];
                    let data = match c {
                        'K' => h265(19),
                        'C' => h265(21),
                        'L' => h265(8),
                        _ => h265(1),
                    };
                    let unit = EncodedUnit {
                        camera: CameraId::new("t").unwrap(),
                        stream: StreamKind::Main,
                        connection,
                        pts: Pts(0),
                        dts: Pts(0),
                        received: Wall(0),
                        key: c == 'K' || c == 'C',
                        lost_before: std::mem::take(&mut lost),
                        params: Arc::new(Params::Video(VideoParams {
                            codec,
                            width: 16,
                            height: 16,
                            config: Bytes::new(),
                            rfc6381: String::new(),
                        })),
                        data: Bytes::from(data),
                    };
                    if gate.admits(&unit) {
                        let_in.push(c);
                    }
                }
            }
        }
        assert_eq!(let_in, want, "{mode:?} {script}");
    }

    #[test]
    fn nothing_is_decoded_without_its_references() {
        check(Mode::Follow, Codec::H264, "PPKPP!PPKP@PKP", "KPPKPKP");
        check(Mode::Follow, Codec::H264, "K!KP", "KKP");
    }

    #[test]
    fn keyframe_mode_takes_keyframes_only() {
        check(Mode::Keyframes, Codec::H265, "PKPPC!PPK", "KCK");
    }

    #[test]
    fn leading_pictures_of_a_first_cra_are_left_out() {
        check(Mode::Follow, Codec::H265, "CLLPCLLP", "CPCLLP");
        check(Mode::Follow, Codec::H265, "CLP!PCLP", "CPCP");
    }
}
