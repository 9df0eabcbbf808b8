//! The page with all figures, and with a picture of what was missed and of what was false.
//!
//! `want` says what there is to be shown, `shot` takes the pictures out of the clip, `choose` keeps the page
//! small, `figure` shows one picture with its boxes, `page` puts it all together.

mod choose;
mod figure;
mod page;
mod shot;
mod want;

pub use page::{Setup, write};
pub use shot::{Shot, take};
pub use want::{Kind, Mark, Role, Want, first_of_each_kind, most_of_a_kind, of_boxes, of_fact};
