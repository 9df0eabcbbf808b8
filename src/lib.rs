//! Ping'an: a video-surveillance server. Modules stand in the order in which data flows.
//!
//! **Layer rule** (`tests/it/layers.rs` reads every `use crate::`): `base` imports nothing of ours;
//! `media` imports `base`; `camera` also `media`; `ingest`, `gate`, `decode` and `infer` also `camera`;
//! `track` also the results of `infer`; `rules` also `track`; `alerts` also `rules`; `archive`
//! imports `media`, `camera` and the results of `infer`; `recorder` and `export` also `archive`; `api` imports `media`,
//! `camera`, the results of `infer`, `rules`, `alerts`, `archive`, `export`; `config` imports the settings of all of these; `app`
//! and `bench` everything. No stage imports `config`, `api` or `app`.

pub mod base;
pub mod media;
pub mod camera;
pub mod ingest;
pub mod gate;
pub mod decode;
pub mod infer;
pub mod track;
pub mod rules;
pub mod alerts;
pub mod archive;
pub mod recorder;
pub mod export;
pub mod api;
pub mod config;
pub mod app;
pub mod bench;
