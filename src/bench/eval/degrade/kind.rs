//! What can be done to a clip, and how it is asked for.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, ensure};
use gstreamer as gst;

use crate::bench::encode;
use crate::media::Codec;

/// Quantiser of what is to look as it was. Every degraded clip is encoded anew.
const GOOD_QP: u8 = 22;

/// One way in which footage is made worse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Degradation {
    /// At most so many frames a second are left, 1 to 30.
    Fps(u32),
    /// Encoded at this quantiser, 1 to 50: blocks, and no fine detail.
    Qp(u8),
    /// Noise of a sensor in the luma, normal, sigma 12 of 255.
    Noise,
    /// Dark (luma 20 to 64), a fifth of the contrast, little colour, noise of sigma 4.
    Night,
    /// In the other codec, as it was otherwise.
    H265,
}

impl Degradation {
    /// What `all` stands for.
    pub const ALL: [Degradation; 7] = [
        Degradation::Fps(5),
        Degradation::Fps(2),
        Degradation::Fps(1),
        Degradation::Qp(40),
        Degradation::Noise,
        Degradation::Night,
        Degradation::H265,
    ];

    pub fn codec(self) -> Codec {
        if self == Degradation::H265 { Codec::H265 } else { Codec::H264 }
    }

    /// The quantiser that the clip is encoded with.
    pub fn qp(self) -> u8 {
        if let Degradation::Qp(qp) = self { qp } else { GOOD_QP }
    }

    /// Time from one frame to the next where frames are left out. What happens in between is shown by the
    /// later frame, so that events may be told later by this much.
    pub fn period(self) -> Duration {
        match self {
            Degradation::Fps(fps) => Duration::from_secs(1) / fps.max(1),
            _ => Duration::ZERO,
        }
    }

    /// Whether this machine can encode it.
    ///
    /// # Errors
    /// GStreamer does not start, or has no encoder for the codec; the message says what to install.
    pub fn check(self) -> anyhow::Result<()> {
        gst::init().context("GStreamer does not start")?;
        has(self, encode::element(self.codec()))
    }
}

fn has(how: Degradation, element: &str) -> anyhow::Result<()> {
    let package = if how == Degradation::H265 { "bad" } else { "ugly" };
    ensure!(
        gst::ElementFactory::find(element).is_some(),
        "footage cannot be degraded by {how}: GStreamer has no element {element}; \
         install gstreamer1.0-plugins-{package}, or leave {how} out"
    );
    Ok(())
}

impl fmt::Display for Degradation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Degradation::Fps(fps) => write!(f, "fps{fps}"),
            Degradation::Qp(qp) => write!(f, "qp{qp}"),
            Degradation::Noise => f.write_str("noise"),
            Degradation::Night => f.write_str("night"),
            Degradation::H265 => f.write_str("h265"),
        }
    }
}

impl FromStr for Degradation {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let number = |name: &str, most: u32| {
            let n: Option<u32> = s.strip_prefix(name)?.parse().ok();
            n.filter(|n| (1..=most).contains(n))
        };
        match s {
            "noise" => Ok(Degradation::Noise),
            "night" => Ok(Degradation::Night),
            "h265" => Ok(Degradation::H265),
            _ => (number("fps", 30).map(Degradation::Fps))
                .or_else(|| number("qp", 50).map(|qp| Degradation::Qp(qp as u8)))
                .ok_or_else(|| {
                    format!(
                        "'{s}' is no degradation: use fps1 to fps30, qp1 to qp50, noise, night, h265 or all"
                    )
                }),
        }
    }
}

/// Degradations in the order in which they were asked for, each once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Degradations(pub Vec<Degradation>);

impl FromStr for Degradations {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let mut list = Vec::new();
        for part in s.split(',').map(str::trim) {
            let more = if part == "all" { Degradation::ALL.to_vec() } else { vec![part.parse()?] };
            more.into_iter().for_each(|d| {
                if !list.contains(&d) {
                    list.push(d);
                }
            });
        }
        Ok(Degradations(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degradations_are_read_as_they_are_written() {
        for how in Degradation::ALL {
            assert_eq!(how.to_string().parse(), Ok(how));
        }
        let list = |s: &str| s.parse::<Degradations>().map(|l| l.0);
        assert_eq!(list("all"), Ok(Degradation::ALL.to_vec()));
        assert_eq!(list("night, fps3,night"), Ok(vec![Degradation::Night, Degradation::Fps(3)]));
        assert_eq!(list("qp50,all").unwrap().len(), 8);
    }

    #[test]
    fn what_is_no_degradation_is_named() {
        for wrong in ["fog", "fps", "fps0", "fps31", "qp51", "qp-1", "", "night,,h265"] {
            let error = wrong.parse::<Degradations>().unwrap_err();
            assert!(error.contains("is no degradation: use fps1"), "{wrong}: {error}");
        }
    }

    #[test]
    fn an_encoder_that_is_not_there_is_a_reason_to_refuse() {
        gst::init().unwrap();
        let error = has(Degradation::H265, "nosuchenc").unwrap_err().to_string();
        assert!(error.contains("by h265: GStreamer has no element nosuchenc"), "{error}");
        assert!(error.contains("gstreamer1.0-plugins-bad"), "{error}");
    }
}
