//! Rule events made durable, told, and worked on by people. Imports `rules`.

pub mod alert;
pub mod error;
mod files;
mod query;
mod row;
mod schema;
pub mod settings;
pub mod snapshot;
pub mod store;
mod subject;
pub mod writer;

#[cfg(test)]
mod tests;

pub use alert::{
    Alert, AlertId, AlertState, Box as AlertBox, Change, Decider, Filter, Origin, Page, version_of,
};
pub use error::Error;
pub use settings::Settings;
pub use store::Alerts;
pub use writer::{AlertWriter, Evidence};
