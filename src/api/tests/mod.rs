//! The API as its clients see it: requests against the whole router.

mod alerts;
mod backtests;
mod guard;
mod kit;
mod reading;
mod stream;
mod video;
