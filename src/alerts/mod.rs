//! Rule events made durable, told, and worked on by people. Imports `rules`.

pub mod alert;
pub mod settings;

pub use alert::{Alert, AlertId, AlertState, Box as AlertBox, Change, Filter, Page};
pub use settings::Settings;
