//! How the encoder spends its bits: whether sizes and QP can show motion at all.
//!
//! At variable bitrate sizes move with the picture. At constant bitrate sizes stay and the QP moves.
//! Where an encoder holds both (constant bitrate that is regulated within the picture, so that the
//! slice header's QP says nothing), the stream says little, and only looks can tell.

use crate::media::slice::Picture;

/// Over so many pictures.
const MEMORY: f32 = 250.0;
const ENOUGH: u32 = 250;
/// More pictures in a row that are no predicted ones: there are none.
const ONLY_INTRA: u32 = 25;
/// Sizes that differ by less than this part are held by a rate control.
const STEADY_BYTES: f32 = 0.07;
/// Without a QP also the coarser sort of constant bitrate is silent.
const COARSE_BYTES: f32 = 0.15;
const STEADY_QP: f32 = 0.5;
/// Smaller pictures, in bytes per macroblock, are all skipped blocks: steady because nothing moves.
const EMPTY: f32 = 0.3;

/// Mean and variance, the older the fainter.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    mean: f32,
    variance: f32,
}

impl Moments {
    fn push(&mut self, value: f32, weight: f32) {
        let off = value - self.mean;
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
    }
}

#[derive(Clone, Debug)]
pub(super) struct Rate {
    macroblocks: f32,
    pictures: u32,
    bytes: Moments,
    qp: Moments,
    with_qp: bool,
    /// Pictures since the last that counted.
    others: u32,
}

impl Rate {
    pub fn new(macroblocks: f32) -> Self {
        let none = Moments::default();
        Rate { macroblocks, pictures: 0, bytes: none, qp: none, with_qp: false, others: 0 }
    }

    /// `counts`: it is a whole predicted picture.
    pub fn push(&mut self, picture: Picture, counts: bool) {
        if !counts {
            self.others = self.others.saturating_add(1);
            return;
        }
        self.others = 0;
        self.pictures = self.pictures.saturating_add(1);
        let weight = (1.0 / self.pictures as f32).max(1.0 / MEMORY);
        self.bytes.push(picture.bytes as f32, weight);
        if let Some(qp) = picture.qp {
            self.qp.push(qp, weight);
        }
        self.with_qp = picture.qp.is_some();
    }

    /// Neither sizes nor QP move, though pictures are not empty; or all are intra-coded.
    pub fn is_mute(&self) -> bool {
        let strays = self.bytes.variance.sqrt() / self.bytes.mean.max(1.0);
        let steady = match self.with_qp {
            true => strays < STEADY_BYTES && self.qp.variance.sqrt() < STEADY_QP,
            false => strays < COARSE_BYTES,
        };
        self.others >= ONLY_INTRA
            || self.pictures >= ENOUGH && steady && self.bytes.mean > EMPTY * self.macroblocks
    }
}
