//! The picture of a moment, from the recording.

use std::time::Duration;

use anyhow::Context;

use super::past::Past;
use crate::alerts::{AlertBox, snapshot};
use crate::api::{CameraTrial, TrialAlert};
use crate::base::{CameraId, StreamKind, Wall, WallSpan};
use crate::camera::Frame;
use crate::decode::Leases;
use crate::media::BBox;

/// No picture is further from its moment: nothing is recorded there.
const NEAR: Duration = Duration::from_secs(1);

/// Pictures of alerts.
pub(super) struct Album<'a> {
    past: &'a Past,
    /// So many more are made.
    left: usize,
    pub left_out: usize,
}

impl<'a> Album<'a> {
    pub fn new(past: &'a Past, most: usize) -> Self {
        Album { past, left: most, left_out: 0 }
    }

    /// A JPEG of what the alert is about, with its boxes; `None`: it was raised without one, nothing is recorded
    /// of that moment, or there are pictures enough.
    pub fn picture(&mut self, trial: &CameraTrial, alert: &TrialAlert) -> Option<Vec<u8>> {
        if self.left == 0 {
            self.left_out += 1;
            return None;
        }
        let stored = || {
            let id = alert.alert.as_ref()?.parse().ok()?;
            self.past.alerts.picture(crate::alerts::AlertId(id)).ok().flatten()
        };
        let made = || {
            let camera = CameraId::new(&trial.camera).ok()?;
            make(self.past, &camera, alert).ok()
        };
        let jpeg = stored().or_else(made)?;
        self.left -= 1;
        Some(jpeg)
    }
}

fn make(past: &Past, camera: &CameraId, alert: &TrialAlert) -> anyhow::Result<Vec<u8>> {
    let frame = frame_at(past, camera, alert.at)?;
    let boxes: Vec<AlertBox> = alert
        .boxes
        .iter()
        .map(|b| AlertBox { class: b.class, bbox: BBox::new(b.x1, b.y1, b.x2, b.y2), score: b.score })
        .collect();
    Ok(snapshot::render(&frame.image, &boxes, snapshot::Style::default())?)
}

/// The recorded frame nearest to `at`.
fn frame_at(past: &Past, camera: &CameraId, at: Wall) -> anyhow::Result<Frame> {
    let around = WallSpan::new(at, at + Duration::from_micros(1));
    let mut decoder = Leases::new(1).decoder(past.decode.clone()).context("invariant: one may be out")?;
    let mut best: Option<Frame> = None;
    let off = |f: &Frame| f.at.since(at).max(at.since(f.at));
    let mut take = |frames: Vec<Frame>| {
        for f in frames {
            if best.as_ref().is_none_or(|b| off(&f) < off(b)) {
                best = Some(f);
            }
        }
        best.as_ref().is_some_and(|b| b.at >= at)
    };
    let mut found = false;
    for unit in past.archive.units(camera, StreamKind::Main, around)? {
        if take(decoder.push(&unit?)?) {
            found = true;
            break;
        }
    }
    if !found {
        take(decoder.drain());
    }
    best.filter(|b| off(b) <= NEAR).with_context(|| format!("camera {camera}: nothing is recorded at {at}"))
}
