//! Tamper: the camera delivers, but not what it is there to show, for at least `hold`. Clears by itself.

use std::time::Duration;

use crate::base::Wall;
use crate::camera::{Tampering, ViewReading};

use super::event::{Edge, Subject};
use super::sight::Finding;

/// So many pictures are needed, however short the hold is.
const LEAST_PICTURES: u32 = 3;
/// Pictures further apart say nothing of what was in between: the hold begins anew.
const GAP: Duration = Duration::from_secs(30);

pub(super) struct Tamper {
    signs: Vec<Tampering>,
    hold: Duration,
    /// What was told last in this run.
    told: Option<Edge>,
    /// What would be told next: since when it holds, and over how many pictures.
    next: Option<(Edge, Wall, u32)>,
    last: Option<Wall>,
}

impl Tamper {
    pub fn new(signs: Vec<Tampering>, hold: Duration) -> Self {
        Tamper { signs, hold, told: None, next: None, last: None }
    }

    /// An end is also told when a run begins with a view that is in order: an earlier run may have told a
    /// beginning and never seen its end. The alert store passes over an end that ends nothing.
    pub fn on_view(&mut self, reading: &ViewReading, at: Wall) -> Vec<Finding> {
        if self.last.replace(at).is_some_and(|last| last > at || at.since(last) > GAP) {
            self.next = None;
        }
        let wanted = |sign: Option<Tampering>| sign.filter(|s| self.signs.contains(s));
        let (sign, doubt) = (wanted(reading.sign), wanted(reading.doubt));
        let edge = match (sign, doubt) {
            (Some(_), _) => Edge::Begin,
            // What is in doubt neither begins nor ends anything.
            (None, Some(_)) => return Vec::new(),
            (None, None) if reading.known => Edge::End,
            (None, None) => {
                self.next = None;
                return Vec::new();
            }
        };
        let (since, pictures) =
            self.next.filter(|(next, ..)| *next == edge).map_or((at, 1), |(_, since, n)| (since, n + 1));
        self.next = Some((edge, since, pictures));
        if self.told == Some(edge) || pictures < LEAST_PICTURES || at.since(since) < self.hold {
            return Vec::new();
        }
        self.told = Some(edge);
        let (at, message) = match sign {
            Some(sign) => (at, said(sign)),
            None => (since, "The camera shows its view again."),
        };
        vec![Finding { edge, at, subject: Subject::Camera, message: message.into() }]
    }
}

fn said(sign: Tampering) -> &'static str {
    match sign {
        Tampering::Dark => "Tamper, dark: the picture is black; there is no light or the lens is covered.",
        Tampering::Covered => "Tamper, covered: next to nothing is left of the camera's view.",
        Tampering::Defocused => "Tamper, defocused: the picture has lost its edges.",
        Tampering::Turned => "Tamper, turned: the camera shows another view than it did.",
        Tampering::Frozen => "Tamper, frozen: the camera sends the same picture again and again.",
    }
}
