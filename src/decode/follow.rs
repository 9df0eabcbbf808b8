//! Decoders that follow a stream, leased: each holds the pictures its next one refers to, some megabytes,
//! so there is a bound on how many there are, and none is kept for a stream nobody follows.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::decoder::Decoder;
use super::error::Error;
use super::settings::{Mode, Profile};
use crate::camera::Frame;
use crate::media::{EncodedUnit, Params};

/// Hands out the right to follow, so many times at once.
pub struct Leases {
    most: usize,
    used: Arc<AtomicUsize>,
}

/// One of them; given back when dropped.
struct Lease(Arc<AtomicUsize>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Leases {
    pub fn new(most: usize) -> Self {
        Leases { most, used: Arc::default() }
    }

    /// How many are out.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Acquire)
    }

    fn take(&self) -> Option<Lease> {
        let more = |used| (used < self.most).then_some(used + 1);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Lease(self.used.clone()))
    }

    pub fn is_exhausted(&self) -> bool {
        self.used() >= self.most
    }

    /// A decoder for one stream; `None` when all are out. It is opened at its first keyframe.
    pub fn decoder(&self, profile: Arc<Profile>) -> Option<FollowDecoder> {
        Some(FollowDecoder::new(self.take()?, profile))
    }

    /// A decoder for one stream however many are out: for footage of which nothing may be left out. It
    /// counts like the others.
    pub fn decoder_beyond(&self, profile: Arc<Profile>) -> FollowDecoder {
        self.used.fetch_add(1, Ordering::AcqRel);
        FollowDecoder::new(Lease(self.used.clone()), profile)
    }
}

/// Decodes every unit of one stream, and is opened anew where its parameters change or it gave up.
pub struct FollowDecoder {
    lease: Lease,
    profile: Arc<Profile>,
    /// The decoder and the parameters it was opened for.
    open: Option<(Arc<Params>, Decoder)>,
    frames: Arc<Mutex<Vec<Frame>>>,
}

impl FollowDecoder {
    fn new(lease: Lease, profile: Arc<Profile>) -> Self {
        FollowDecoder { lease, profile, open: None, frames: Arc::default() }
    }

    /// Decode one unit; returns the frames that are ready, in order.
    ///
    /// # Errors
    /// No decoder could be opened, or it gave up: it is tried again at the next keyframe.
    pub fn push(&mut self, unit: &EncodedUnit) -> Result<Vec<Frame>, Error> {
        let same = |p: &Arc<Params>| Arc::ptr_eq(p, &unit.params) || **p == *unit.params;
        if !self.open.as_ref().is_some_and(|(p, _)| same(p)) {
            if let Some((_, old)) = self.open.take() {
                old.drain();
            }
            let Some(params) = unit.params.video().filter(|_| unit.key) else { return Ok(self.ready()) };
            let out = self.frames.clone();
            let sink = Arc::new(move |f| out.lock().unwrap_or_else(PoisonError::into_inner).push(f));
            let decoder = Decoder::open(unit.camera.clone(), params, Mode::Follow, &self.profile, sink)?;
            self.open = Some((unit.params.clone(), decoder));
        }
        if let Some((_, decoder)) = &mut self.open
            && let Err(e) = decoder.push(unit)
        {
            self.open = None;
            return Err(e);
        }
        Ok(self.ready())
    }

    /// The end: what the decoder still holds for reordering.
    pub fn drain(mut self) -> Vec<Frame> {
        if let Some((_, decoder)) = self.open.take() {
            decoder.drain();
        }
        let frames = self.ready();
        drop(self.lease);
        frames
    }

    fn ready(&self) -> Vec<Frame> {
        std::mem::take(&mut *self.frames.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::testing::clip;

    #[test]
    fn no_more_decoders_than_agreed_follow_at_once() {
        let leases = Leases::new(2);
        let profile = Arc::<Profile>::default();
        let first = leases.decoder(profile.clone()).unwrap();
        let second = leases.decoder(profile.clone()).unwrap();
        assert!(leases.decoder(profile.clone()).is_none());
        drop(first);
        assert_eq!(leases.used(), 1);
        assert!(leases.decoder(profile).is_some());
        second.drain();
        assert_eq!(leases.used(), 0);
    }

    #[test]
    fn a_follower_goes_on_over_a_change_of_size() {
        let (Some(a), Some(b)) =
            (clip("people-detection-768x432.mp4"), clip("worker-zone-detection-480x270.mp4"))
        else {
            return;
        };
        let mut decoder = Leases::new(1).decoder(Arc::default()).unwrap();
        let mut sizes = Vec::new();
        for unit in a[..20].iter().chain(&b[..20]) {
            sizes.extend(decoder.push(unit).unwrap().iter().map(|f| f.image.width));
        }
        sizes.extend(decoder.drain().iter().map(|f| f.image.width));
        assert_eq!(sizes, [vec![768; 20], vec![480; 20]].concat());
    }
}
