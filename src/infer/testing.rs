//! What the tests of inference stand on: shared footage, weights and ONNX Runtime.
//!
//! Tests alone reach over to `decode` (by full path), so that the models see what they will see.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::registry::{PullFrom, Registry};
use super::runtime::Runtime;
use super::settings::Settings;
use crate::media::I420;

pub(crate) use crate::decode::testing::shared;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn settings() -> Settings {
    let library = root().join(".run/onnxruntime/libonnxruntime.so");
    Settings {
        runtime: library.is_file().then_some(library),
        manifests: root().join("models"),
        store: PathBuf::new(),
        provider: Default::default(),
    }
}

/// ONNX Runtime, or `None` with a visible word.
pub(crate) fn runtime() -> Option<Runtime> {
    match Runtime::start(settings().runtime.as_deref()) {
        Ok(runtime) => Some(runtime),
        Err(e) => {
            eprintln!("skipped: {e}");
            None
        }
    }
}

/// The project's manifests with all weights pulled from the shared folder into a folder that
/// lives as long as the second part.
pub(crate) fn registry() -> Option<(Registry, tempfile::TempDir)> {
    let mirror = shared()?.join("models");
    let store = tempfile::tempdir().unwrap();
    let registry = Registry::open(&settings().manifests, store.path()).unwrap();
    for model in registry.list() {
        registry.pull(&model.name, PullFrom::Mirror(&mirror), &mut |_, _| {}).unwrap();
    }
    Some((registry, store))
}

/// Pictures decoded before, by clip and number: several models look at the same ones.
static DECODED: Mutex<BTreeMap<(String, usize), Arc<I420>>> = Mutex::new(BTreeMap::new());

/// Picture number `index` (from 0, in presentation order) of a shared clip.
pub(crate) fn frames_at(clip: &str, index: usize) -> Arc<I420> {
    let mut decoded = DECODED.lock().unwrap();
    decoded.entry((clip.to_owned(), index)).or_insert_with(|| decode(clip, index)).clone()
}

fn decode(clip: &str, index: usize) -> Arc<I420> {
    let units = crate::decode::testing::clip(clip).unwrap();
    let kept = Arc::new(Mutex::new((0, None)));
    let keep = kept.clone();
    // The picture comes out at most 16 units after its own went in.
    crate::decode::testing::each_frame(&units[..units.len().min(index + 20)], move |frame| {
        let mut kept = keep.lock().unwrap();
        if kept.0 == index {
            kept.1 = Some(frame.image);
        }
        kept.0 += 1;
    });
    kept.lock().unwrap().1.take().unwrap_or_else(|| panic!("{clip} has no picture {index}"))
}
