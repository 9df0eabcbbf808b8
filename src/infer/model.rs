//! A loaded model: picture in, detections out.

use std::path::Path;

use ort::value::{Outlet, TensorElementType};

use super::corroboration::corroborate;
use super::detection::Detection;
use super::error::Error;
use super::input;
use super::layout::Layout;
use super::manifest::{Corroboration, Family, InputSize, Manifest};
use super::nms::suppress;
use super::opinion::{Doubts, View};
use super::output::{Contract, Outputs};
use super::preprocess::{InputForm, Placement, Preprocessor};
use super::provider::Provider;
use super::runtime::Runtime;
use super::sessions::Sessions;
use super::verifier::Verifier;
use super::windows::Window;
use super::{fastestdet, rfb, yolox, yunet};
use crate::media::I420;

/// One model on one thread.
pub struct Model {
    manifest: Manifest,
    sessions: Sessions,
    form: InputForm,
    layout: Layout,
    /// For the size of the last picture. A worker that serves cameras of several sizes makes it
    /// anew when the size changes, which costs less than one run of the smallest network.
    prepared: Option<Preprocessor>,
    /// The same for windows and other views.
    prepared_again: Option<Preprocessor>,
    verifier: Option<Verifier>,
    closer: bool,
}

impl Model {
    /// # Errors
    /// The provider is absent, the weights are damaged, or the network's inputs and outputs are not the family's.
    pub fn load(
        runtime: &Runtime,
        manifest: &Manifest,
        weights: &Path,
        provider: Provider,
    ) -> Result<Model, Error> {
        let sessions = Sessions::load(runtime, &manifest.name, weights.to_owned(), provider)?;
        let layout =
            check(manifest, sessions.any().inputs(), sessions.any().outputs()).map_err(|message| {
                Error::Contract { name: manifest.name.clone(), family: manifest.family.as_str(), message }
            })?;
        let form = match manifest.family {
            Family::Yunet => yunet::FORM,
            Family::Rfb => rfb::FORM,
            Family::Yolox => yolox::FORM,
            Family::Fastestdet => fastestdet::FORM,
        };
        let closer = !(provider.prepares_for_size() && matches!(manifest.size, InputSize::Fitted { .. }));
        let verifier = Verifier::load(runtime, manifest, weights, provider)?;
        Ok(Model {
            manifest: manifest.clone(),
            sessions,
            form,
            layout,
            closer,
            verifier,
            prepared: None,
            prepared_again: None,
        })
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether it may be asked to look at windows: each is of another size, and an accelerator would make ready for each.
    pub fn looks_closer(&self) -> bool {
        self.closer
    }

    /// Everything the model sees, strongest first, after suppression of doubles.
    pub fn detect(&mut self, picture: &I420) -> Result<Vec<Detection>, Error> {
        let net = self.manifest.size.of((picture.width, picture.height));
        let Model { manifest, sessions, form, layout, prepared, .. } = self;
        run(manifest, sessions, (*form, *layout), prepared, picture, (net, View::PLAIN))
    }

    /// Whether the verifier or the model itself is asked about a detection of this class and score.
    pub fn asks(&self, d: &Detection) -> bool {
        self.doubts(d) || self.verifier.as_ref().is_some_and(|verifier| verifier.asks(d))
    }

    /// Whether the model itself is.
    pub fn doubts(&self, d: &Detection) -> bool {
        self.manifest.doubtful.get(&d.class).is_some_and(|range| range.contains(&d.score))
    }

    /// Have what the manifest calls doubtful among what was [detected](Self::detect) looked at again; the order stays.
    /// Takes `most` runs at most; gives how many it took.
    pub fn second_opinion(
        &mut self,
        picture: &I420,
        found: &mut [Detection],
        most: usize,
    ) -> Result<usize, Error> {
        let mut doubts = Doubts::among(found, &self.manifest, (picture.width, picture.height), most);
        let mut runs = 0;
        while let Some(look) = doubts.next(found) {
            let seen = self.look(picture, look.window, 1.0, look.view)?;
            doubts.settle(look, &seen, found);
            runs += 1;
        }
        Ok(runs)
    }

    /// Have those that the manifest names among what was [detected](Self::detect) seen by the verifier, if there is
    /// one, `most` at most; the order stays. Gives how many it saw.
    pub fn verify(&mut self, picture: &I420, found: &mut [Detection], most: usize) -> Result<usize, Error> {
        let Some(verifier) = &mut self.verifier else { return Ok(0) };
        verifier.verify(picture, found, most)
    }

    /// Raise the scores of doubtful people who have a face, by the manifest. `found`: strongest first, and so it stays.
    pub fn corroborate(&self, found: &mut [Detection]) {
        let Some(Corroboration { person, by_face }) = &self.manifest.corroboration else { return };
        corroborate(found, person, *by_face);
        strongest_first(found);
    }

    /// What the model sees in a window of the picture, `scale` pixels of input for each of the picture's
    /// along a side, where its input may have any size; coordinates are the picture's. What the window
    /// cuts is left out.
    pub fn detect_in(&mut self, picture: &I420, window: Window, scale: f32) -> Result<Vec<Detection>, Error> {
        self.look(picture, window, scale, View::PLAIN)
    }

    fn look(
        &mut self,
        picture: &I420,
        window: Window,
        scale: f32,
        view: View,
    ) -> Result<Vec<Detection>, Error> {
        let Window { x, y, width, height } = window;
        let size = (picture.width, picture.height);
        let part = picture.part(x, y, width, height).ok_or_else(|| Error::Run {
            name: self.manifest.name.clone(),
            message: format!("{window:?} does not lie in the picture of {size:?}"),
        })?;
        let net = self.manifest.size.scaled((width, height), scale);
        let Model { manifest, sessions, form, layout, prepared_again, .. } = self;
        let found = run(manifest, sessions, (*form, *layout), prepared_again, &part, (net, view))?;
        Ok(found.into_iter().filter_map(|d| window.placed(d, size)).collect())
    }
}

pub(super) fn strongest_first(found: &mut [Detection]) {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
}

fn run(
    manifest: &Manifest,
    sessions: &mut Sessions,
    (form, layout): (InputForm, Layout),
    prepared: &mut Option<Preprocessor>,
    picture: &I420,
    (net, view): ((usize, usize), View),
) -> Result<Vec<Detection>, Error> {
    let failed = |message: String| Error::Run { name: manifest.name.clone(), message };
    let place = Placement::fitted((picture.width, picture.height), net, form.fit, view.part);
    let prepared = Preprocessor::ready(prepared, picture, place, form, layout);
    let input = input::value(prepared.run(picture, view.mirrored), 1, net).map_err(failed)?;
    let outputs = sessions
        .of(net)
        .run(ort::inputs![manifest.input_name.as_str() => input])
        .map_err(|e| failed(e.to_string()))?;
    let mut found = decode(&Outputs(outputs), place, manifest).map_err(failed)?;
    if view.mirrored {
        found.iter_mut().for_each(|d| *d = d.mirrored());
    }
    Ok(suppress(found, manifest.nms))
}

fn decode(out: &Outputs<'_>, place: Placement, manifest: &Manifest) -> Result<Vec<Detection>, String> {
    match manifest.family {
        Family::Yunet => yunet::decode(out, place, manifest),
        Family::Rfb => rfb::decode(out, place.net, manifest),
        Family::Yolox => yolox::decode(out, place, manifest),
        Family::Fastestdet => fastestdet::decode(out, place.net, manifest),
    }
}

/// Compare what the file declares with what the adapter will use; the reason stands in the error. Gives the layout that
/// its input has.
fn check(manifest: &Manifest, inputs: &[Outlet], outputs: &[Outlet]) -> Result<Layout, String> {
    // A free size is checked at one example.
    let net = manifest.size.of((640, 480));
    let wanted: Contract = match manifest.family {
        Family::Yunet => yunet::contract(net),
        Family::Rfb => rfb::contract(net),
        Family::Yolox => yolox::contract(net, manifest),
        Family::Fastestdet => fastestdet::contract(net, manifest.classes.count()),
    };
    let [_] = inputs else { return Err(format!("it has {} inputs, expected one", inputs.len())) };
    let free = matches!(manifest.size, InputSize::Fitted { .. });
    let layout = match manifest.family {
        Family::Yolox => input::declared(inputs, &manifest.input_name),
        _ => Layout::Planes,
    };
    let declared = same(inputs, &manifest.input_name, input::element(layout), &layout.shape(1, net))?;
    if free && declared[2..] != [-1, -1] {
        return Err(format!("input '{}' is {declared:?}, expected a free size", manifest.input_name));
    }
    let float = TensorElementType::Float32;
    wanted.iter().try_for_each(|(name, shape)| same(outputs, name, float, shape).map(|_| ()))?;
    Ok(layout)
}

/// The declared shape of the outlet `name`; free dimensions (-1) match any.
pub(super) fn same(
    outlets: &[Outlet],
    name: &str,
    element: TensorElementType,
    wanted: &[usize],
) -> Result<Vec<i64>, String> {
    let outlet = outlets.iter().find(|o| o.name() == name).ok_or_else(|| {
        let names: Vec<&str> = outlets.iter().map(Outlet::name).collect();
        format!("'{name}' is missing; there are: {}", names.join(", "))
    })?;
    let declared: Vec<i64> = outlet.dtype().tensor_shape().map(|s| s.to_vec()).unwrap_or_default();
    let fits = declared.len() == wanted.len()
        && declared.iter().zip(wanted).all(|(d, w)| *d < 0 || *d == *w as i64)
        && outlet.dtype().tensor_type() == Some(element);
    if fits {
        Ok(declared)
    } else {
        Err(format!("'{name}' is {}, expected {element} {wanted:?}", outlet.dtype()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::testing::{registry, runtime, shared};

    /// Load `weights` under the manifest of `name`, changed by `change`.
    fn refused(name: &str, weights: &Path, change: impl Fn(String) -> String) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name).join("model.toml");
        let manifest = Manifest::parse(name, &change(std::fs::read_to_string(path).unwrap())).unwrap();
        Model::load(&runtime().unwrap(), &manifest, weights, Provider::Cpu)
            .err()
            .expect("it was loaded")
            .to_string()
    }

    #[test]
    fn a_model_that_breaks_its_contract_is_refused_with_the_reason() {
        let (Some(dir), Some(_)) = (shared(), runtime()) else { return };
        let weights = |f: &str| dir.join("models").join(f);
        let keep = |s: String| s;
        let e = refused("yolox_nano", &weights("yunet_n_640_640.onnx"), keep);
        assert!(e.contains("yolox_nano") && e.contains("'images' is missing"), "{e}");
        let e = refused("rfb_640", &weights("version-RFB-320.onnx"), keep);
        assert!(e.contains("[1, 3, 480, 640]"), "{e}");
        let e = refused("yunet", &weights("yunet_n_320_320.onnx"), keep);
        assert!(e.contains("'input' is"), "{e}");
        let e = refused("yolox_nano", &weights("yolox_nano.onnx"), |s| s.replace("count = 80", "count = 79"));
        assert!(e.contains("[1, 3549, 84]"), "{e}");
    }

    #[test]
    fn a_damaged_file_is_an_error_and_no_crash() {
        let (Some(registry), Some(_)) = (registry(), runtime()) else { return };
        let good = std::fs::read(registry.0.verify("rfb_320").unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.onnx");
        for bad in [&good[..good.len() / 2], b"a text file", b""] {
            std::fs::write(&path, bad).unwrap();
            let e = refused("rfb_320", &path, |s| s);
            assert!(e.contains("'rfb_320' does not load"), "{e}");
        }
    }
}
