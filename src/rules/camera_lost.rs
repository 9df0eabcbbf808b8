//! Camera lost: the camera's main stream delivers nothing for at least `after`. Clears by itself.

use std::time::Duration;

use crate::base::{StreamKind, Wall};
use crate::camera::{StreamEvent, StreamWhat};

use super::event::{Edge, Subject};
use super::sight::Finding;

pub(super) struct CameraLost {
    after: Duration,
    state: State,
    /// Whether the camera delivered in this run.
    heard: bool,
}

enum State {
    /// Nothing heard yet in this run.
    Unknown,
    Delivering,
    Silent {
        since: Wall,
        why: Option<String>,
        told: bool,
    },
}

impl CameraLost {
    pub fn new(after: Duration) -> Self {
        CameraLost { after, state: State::Unknown, heard: false }
    }

    pub fn on_stream(&mut self, event: &StreamEvent) -> Vec<Finding> {
        if event.stream != StreamKind::Main {
            return Vec::new();
        }
        match &event.what {
            StreamWhat::Connecting => self.silent(event.at, None),
            StreamWhat::Lost { message, .. } => self.silent(event.at, Some(message.clone())),
            StreamWhat::Online { .. } => return self.delivers(event.at, "The camera delivers again."),
            StreamWhat::Ended => return self.delivers(event.at, "The footage has come to its end."),
        }
        self.tick(event.at)
    }

    pub fn tick(&mut self, now: Wall) -> Vec<Finding> {
        let State::Silent { since, why, told: told @ false } = &mut self.state else { return Vec::new() };
        if now.since(*since) < self.after {
            return Vec::new();
        }
        *told = true;
        let why = why.as_deref().map_or(String::new(), |w| format!(": {w}"));
        let message = format!("The camera has delivered nothing since {since}{why}");
        vec![Finding { edge: Edge::Begin, at: *since + self.after, subject: Subject::Camera, message }]
    }

    fn silent(&mut self, at: Wall, message: Option<String>) {
        match &mut self.state {
            State::Silent { why, .. } => *why = message.or(why.take()),
            _ => self.state = State::Silent { since: at, why: message, told: false },
        }
    }

    /// An end is also told at the first sign of life in a run: an earlier run may have told a
    /// beginning and never seen its end. The alert store passes over an end that ends nothing.
    fn delivers(&mut self, at: Wall, message: &str) -> Vec<Finding> {
        let before = std::mem::replace(&mut self.state, State::Delivering);
        let told = matches!(before, State::Silent { told: true, .. });
        if !told && std::mem::replace(&mut self.heard, true) {
            return Vec::new();
        }
        vec![Finding { edge: Edge::End, at, subject: Subject::Camera, message: message.into() }]
    }
}
