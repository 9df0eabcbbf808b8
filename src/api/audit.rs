//! Who looked at what. Now an event of the log target `audit`; a store can later read the same place.

use crate::base::{CameraId, WallSpan};

use super::auth::Caller;

/// A caller is about to be handed pictures of a camera.
pub fn viewed(caller: &Caller, what: &'static str, camera: &CameraId, span: WallSpan) {
    tracing::info!(
        target: "audit",
        actor = caller.name,
        action = what,
        %camera,
        from = %span.start,
        to = %span.end,
        "viewed"
    );
}

/// A caller changed something; `subject` names the alert or token.
pub fn changed(caller: &Caller, what: &'static str, subject: &str) {
    tracing::info!(target: "audit", actor = caller.name, action = what, subject, "changed");
}
