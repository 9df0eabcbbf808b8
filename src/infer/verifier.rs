//! The verifier: a second, small network that sees one detection at a time, larger, and says how much that speaks for
//! it.
//!
//! A detector decides about all places of a picture at once, and what is small in its input stays so. The verifier
//! has the detector's own backbone before 96x128 pixels, of which the detection fills most, and learnt from what the
//! detector took wrongly for faces and people (`models/train/verifier.py`). It costs a fifth of the detector's run, and
//! less for each where a picture has several. Its log odds are added to those of the score, as evidence is; how much
//! they count is part of its weights.

use std::path::Path;

use ort::session::Session;
use ort::value::{Outlet, TensorElementType};

use super::detection::{Class, Detection};
use super::error::Error;
use super::input::{self, Gathered};
use super::layout::{Layout, Tensor};
use super::manifest::Manifest;
use super::model::same;
use super::odds::added;
use super::opinion::Doubtful;
use super::output::{Outputs, finite};
use super::preprocess::{Fit, InputForm, Order, Placement, Preprocessor};
use super::provider::Provider;
use super::runtime::Runtime;
use super::windows::Window;
use crate::media::{BBox, I420};

/// Classes that it knows, in the order of its output.
pub(super) const CLASSES: [Class; 2] = [Class::Face, Class::Person];
/// Input, pixels.
const WIDTH: u32 = 96;
const HEIGHT: u32 = 128;
/// Sides of what it sees, in those of the box that decides them.
const ROOM: f32 = 1.45;
/// A box is seen no larger than if it were so high, pixels.
const LOWEST: f32 = 6.0;
/// Detections of one picture that it sees, those in the middle of what it is asked about first.
pub(super) const MOST: usize = 16;
const NET: (usize, usize) = (WIDTH as usize, HEIGHT as usize);
const FORM: InputForm =
    InputForm { order: Order::Bgr, mean: 0.0, scale: 1.0, fit: Fit::Letterbox { pad: 114.0 } };
/// Numbers of one detection's input.
const INPUT_LEN: usize = 3 * (WIDTH * HEIGHT) as usize;
const INPUT: &str = "images";
const OUTPUT: &str = "odds";

/// On one thread.
pub(super) struct Verifier {
    name: String,
    session: Session,
    asked: Doubtful,
    /// No score falls below this one.
    least: f32,
    /// Detections that one run sees: a run of several costs less for each.
    at_once: usize,
    layout: Layout,
    prepared: Option<Preprocessor>,
    /// Of one picture.
    seen: Gathered,
}

impl Verifier {
    /// The model's, if its manifest has one; `weights`: the model's own.
    ///
    /// # Errors
    /// The provider is absent, the weights are damaged or those of something else.
    pub fn load(
        runtime: &Runtime,
        manifest: &Manifest,
        weights: &Path,
        provider: Provider,
    ) -> Result<Option<Verifier>, Error> {
        let Some(verifier) = &manifest.verifier else { return Ok(None) };
        let session = runtime.session(&manifest.name, &weights.with_file_name(&verifier.file), provider)?;
        let layout = input::declared(session.inputs(), INPUT);
        check(layout, session.inputs(), session.outputs()).map_err(|message| Error::Contract {
            name: manifest.name.clone(),
            family: "verifier",
            message,
        })?;
        Ok(Some(Verifier {
            name: manifest.name.clone(),
            session,
            asked: verifier.asked.clone(),
            least: manifest.score,
            // An accelerator would make ready for each number.
            at_once: if provider.prepares_for_size() { 1 } else { MOST },
            layout,
            prepared: None,
            seen: Gathered::new(layout),
        }))
    }

    /// Whether it is asked about a detection of this class and score.
    pub fn asks(&self, d: &Detection) -> bool {
        self.asked.get(&d.class).is_some_and(|asked| asked.contains(&d.score))
    }

    /// Changes the scores of what it is asked about, `most` at most. Gives how many it saw.
    pub fn verify(&mut self, picture: &I420, found: &mut [Detection], most: usize) -> Result<usize, Error> {
        // From the middle, in scores, and the place of each.
        let off = |(at, d): (usize, &Detection)| {
            let asked = self.asked.get(&d.class).filter(|asked| asked.contains(&d.score))?;
            Some(((d.score - (asked.start() + asked.end()) / 2.0).abs(), at))
        };
        let mut asked: Vec<(f32, usize)> = found.iter().enumerate().filter_map(off).collect();
        asked.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.seen.clear();
        let mut shown = Vec::new();
        for (_, at) in asked.into_iter().take(most.min(MOST)) {
            let d = &found[at];
            let Some(class) = CLASSES.iter().position(|c| *c == d.class) else { continue };
            let Some((window, place)) = around(&d.bbox, (picture.width, picture.height)) else { continue };
            self.show(picture, window, place)?;
            shown.push((at, class));
        }
        let lots = self.seen.lots(self.at_once * INPUT_LEN);
        for (shown, seen) in shown.chunks(self.at_once).zip(lots) {
            let said = odds(&self.name, &mut self.session, seen, shown.len())?;
            for ((at, class), said) in shown.iter().zip(said) {
                found[*at].score = added(found[*at].score, said[*class]).max(self.least);
            }
        }
        Ok(shown.len())
    }

    /// Adds what lies in the window to what is seen.
    fn show(&mut self, picture: &I420, window: Window, place: Placement) -> Result<(), Error> {
        let Window { x, y, width, height } = window;
        let part = picture.part(x, y, width, height).ok_or_else(|| Error::Run {
            name: self.name.clone(),
            message: format!("{window:?} does not lie in the picture"),
        })?;
        let prepared = Preprocessor::ready(&mut self.prepared, &part, place, FORM, self.layout);
        self.seen.push(prepared.run(&part, false));
        Ok(())
    }
}

/// Log odds of each class, of each of `count` detections.
fn odds(
    name: &str,
    session: &mut Session,
    seen: Tensor<'_>,
    count: usize,
) -> Result<Vec<[f32; CLASSES.len()]>, Error> {
    let failed = |message: String| Error::Run { name: name.into(), message };
    let input = input::value(seen, count, NET).map_err(failed)?;
    let outputs = session.run(ort::inputs![INPUT => input]).map_err(|e| failed(e.to_string()))?;
    let outputs = Outputs(outputs);
    let said = outputs.get(OUTPUT, count * CLASSES.len()).map_err(&failed)?;
    if !finite(said) {
        return Err(failed(format!("the verifier's odds are {said:?}")));
    }
    Ok(said.as_chunks().0.to_vec())
}

/// What is seen of a box: the part of that which lies in the picture, and where that lies in the input. The box is in
/// the middle. `None`: nothing that would be seen lies in the picture.
fn around(bbox: &BBox, picture: (u32, u32)) -> Option<(Window, Placement)> {
    let (wide, high) = (picture.0 as f32, picture.1 as f32);
    let shape = HEIGHT as f32 / WIDTH as f32;
    let height = (bbox.height() * high).max(bbox.width() * wide * shape).max(LOWEST) * ROOM;
    let centre = bbox.center();
    let span = |middle: f32, length: f32, all: u32, net: u32| {
        // From an even pixel on, as chroma is: a little more is seen rather than all of it moved.
        let from = ((middle - length / 2.0 + 0.5) / 2.0).floor() * 2.0;
        let end = (middle + length / 2.0 + 0.5).floor();
        let length = end - from;
        let (start, end) = (from.max(0.0), end.min(all as f32));
        let scaled = |v: f32| ((v - from) * net as f32 / length).round() as usize;
        let at = scaled(start).min(net as usize - 1);
        let drawn = scaled(end).clamp(at + 1, net as usize) - at;
        // A damaged box is seen by nobody.
        let some = start < end && length.is_finite();
        some.then_some(((start as u32, (end - start) as u32), (at, drawn)))
    };
    let ((x, width), (left, across)) = span(centre.x * wide, height / shape, picture.0, WIDTH)?;
    let ((y, height), (top, down)) = span(centre.y * high, height, picture.1, HEIGHT)?;
    let place = Placement { net: NET, at: (left, top), drawn: (across, down) };
    Some((Window { x, y, width, height }, place))
}

fn check(layout: Layout, inputs: &[Outlet], outputs: &[Outlet]) -> Result<(), String> {
    let declared = same(inputs, INPUT, input::element(layout), &layout.shape(1, NET))?;
    if declared[0] >= 0 {
        return Err(format!("input '{INPUT}' is {declared:?}, expected a free number of detections"));
    }
    let given = same(outputs, OUTPUT, TensorElementType::Float32, &[1, CLASSES.len()])?;
    if given[0] >= 0 {
        return Err(format!("output '{OUTPUT}' is {given:?}, expected a free number of detections"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::model::Model;
    use crate::infer::testing::{frames_at, registry, runtime, settings, shared};

    const PICTURE: (u32, u32) = (1280, 720);

    fn weights(name: &str) -> std::path::PathBuf {
        settings().manifests.join("pingan-nano").join(name)
    }

    fn manifest() -> Manifest {
        Manifest::load(&settings().manifests.join("pingan-nano")).unwrap()
    }

    fn of(class: Class, bbox: BBox, score: f32) -> Detection {
        Detection { class, bbox, score, landmarks: None }
    }

    #[test]
    fn the_recipe_shows_and_adds_the_same() {
        let text = std::fs::read_to_string(settings().manifests.join("train/verifier.py")).unwrap();
        let after = |names: &str| text.lines().find_map(|l| l.strip_prefix(names)).expect(names).to_owned();
        let numbers = |names| -> Vec<f32> { after(names).split(", ").map(|n| n.parse().unwrap()).collect() };
        let Fit::Letterbox { pad } = FORM.fit else { panic!("it is stretched") };
        assert_eq!(numbers("WIDTH, HEIGHT, ROOM, PAD = "), [WIDTH as f32, HEIGHT as f32, ROOM, pad]);
        assert_eq!(numbers("LOWEST, MOST = "), [LOWEST, MOST as f32]);
        assert_eq!(numbers("SURE = "), [crate::infer::odds::SURE]);
        assert_eq!(after("KINDS = "), "(FACE, PERSON)");
    }

    #[test]
    fn a_box_is_seen_in_the_middle_with_what_is_around_it() {
        let seen = |x1: f32, y1: f32, x2: f32, y2: f32| {
            around(&BBox::new(x1 / 1280.0, y1 / 720.0, x2 / 1280.0, y2 / 720.0), PICTURE)
        };
        let place = |at, drawn| Placement { net: (96, 128), at, drawn };
        // 200 high: 290 are seen, and 217.5 across, and what the even corner adds.
        let window = Window { x: 520, y: 154, width: 219, height: 291 };
        assert_eq!(seen(600.0, 200.0, 660.0, 400.0), Some((window, place((0, 0), (96, 128)))));
        // A wide one's width decides: of 200, 290 are seen.
        let window = Window { x: 454, y: 106, width: 291, height: 387 };
        assert_eq!(seen(500.0, 280.0, 700.0, 320.0), Some((window, place((0, 0), (96, 128)))));
        // Over the corner it lies at the other side of the input.
        let window = Window { x: 0, y: 0, width: 79, height: 185 };
        assert_eq!(seen(-60.0, -60.0, 0.0, 140.0), Some((window, place((61, 47), (35, 81)))));
        let (window, place) = seen(1250.0, 600.0, 1290.0, 730.0).unwrap();
        assert_eq!((window.x + window.width, window.y + window.height), PICTURE);
        assert!(place.at == (0, 0) && place.drawn.0 < 96 && place.drawn.1 < 128, "{place:?}");
        // Nothing is enlarged beyond sense, and nothing outside is seen.
        let (window, _) = seen(640.0, 360.0, 640.1, 360.1).unwrap();
        assert_eq!((window.width, window.height), (7, 8));
        assert_eq!(seen(1500.0, 200.0, 1560.0, 400.0), None);
        assert_eq!(seen(f32::NAN, 200.0, 1560.0, 400.0), None);
    }

    #[test]
    fn it_believes_a_face_and_not_a_wall_and_leaves_the_rest_alone() {
        let (Some(_), Some(runtime)) = (shared(), runtime()) else { return };
        let manifest = manifest();
        let network = weights(&manifest.file);
        let mut verifier =
            Verifier::load(&runtime, &manifest, &network, Provider::Cpu).unwrap().expect("ours has one");
        let picture = frames_at("faces-near-640x480.mp4", 10);
        let mut model = Model::load(&runtime, &manifest, &network, Provider::Cpu).unwrap();
        let found = model.detect(&picture).unwrap();
        let face = *found.iter().find(|d| d.class == Class::Face).expect("a near face");
        let beside = BBox::new(0.02, 0.02, 0.12, 0.2);
        let mut told = vec![
            of(Class::Face, face.bbox, 0.5),
            of(Class::Face, beside, 0.5),
            of(Class::Face, beside, 0.95),
            of(Class::Vehicle, beside, 0.5),
        ];
        assert_eq!(verifier.verify(&picture, &mut told, MOST).unwrap(), 2);
        let scores: Vec<f32> = told.iter().map(|d| d.score).collect();
        assert!(scores[0] > 0.6 && scores[1] < 0.4 && scores[1] >= manifest.score, "{scores:?}");
        assert_eq!(scores[2..], [0.95, 0.5]);
        // Of a crowd, those it is asked about most.
        let mut crowd: Vec<Detection> =
            (0..20).map(|i| of(Class::Face, beside, 0.3 + 0.02 * i as f32)).collect();
        let mut fewer = crowd.clone();
        assert_eq!(verifier.verify(&picture, &mut fewer, 1).unwrap(), 1);
        let changed: Vec<usize> = (0..20).filter(|i| fewer[*i] != crowd[*i]).collect();
        assert_eq!(changed, [10], "in the middle");
        assert_eq!(verifier.verify(&picture, &mut crowd, 99).unwrap(), 16);
        assert!(crowd[0].score == 0.3 && crowd[14].score < 0.57, "{crowd:?}");
    }

    #[test]
    fn several_are_told_together_what_each_is_told_alone() {
        let (Some(_), Some(runtime)) = (shared(), runtime()) else { return };
        let picture = frames_at("crowd-faces-800x450.mp4", 60);
        let wall = |i: u16| BBox::new(0.1 * f32::from(i), 0.02, 0.1 * f32::from(i) + 0.05, 0.1);
        let manifest = manifest();
        let mut model = Model::load(&runtime, &manifest, &weights(&manifest.file), Provider::Cpu).unwrap();
        let faces =
            model.detect(&picture).unwrap().into_iter().filter(|d| d.class == Class::Face).map(|d| d.bbox);
        let boxes = faces.take(4).chain((0..3).map(wall));
        let crowd: Vec<Detection> = boxes.map(|bbox| of(Class::Face, bbox, 0.5)).collect();
        for name in ["pingan-nano", "pingan-nano-int8"] {
            let manifest = Manifest::load(&settings().manifests.join(name)).unwrap();
            let network = settings().manifests.join(name).join(&manifest.file);
            let mut verifier =
                Verifier::load(&runtime, &manifest, &network, Provider::Cpu).unwrap().expect("it has one");
            let [alone, some, together] = [1, 3, MOST].map(|at_once| {
                let mut told = crowd.clone();
                verifier.at_once = at_once;
                assert_eq!(verifier.verify(&picture, &mut told, MOST).unwrap(), 7);
                told.iter().map(|d| d.score).collect::<Vec<f32>>()
            });
            for i in 0..7 {
                assert!((alone[i] - some[i]).abs() < 1e-4 && (alone[i] - together[i]).abs() < 1e-4, "{name}");
            }
            assert!(alone.iter().any(|score| (score - alone[0]).abs() > 0.05), "{name}: {alone:?}");
        }
    }

    #[test]
    fn another_network_in_its_place_is_refused() {
        let (Some(_), Some(runtime)) = (registry(), runtime()) else { return };
        let (dir, manifest) = (tempfile::tempdir().unwrap(), manifest());
        let network = dir.path().join(&manifest.file);
        std::fs::copy(weights(&manifest.file), &network).unwrap();
        let put = dir.path().join(&manifest.verifier.as_ref().unwrap().file);
        std::fs::copy(&network, &put).unwrap();
        let refused = || {
            Verifier::load(&runtime, &manifest, &network, Provider::Cpu)
                .err()
                .expect("it was loaded")
                .to_string()
        };
        let e = refused();
        assert!(e.contains("'verifier'") && e.contains("[1, 3, 128, 96]"), "{e}");
        std::fs::write(&put, "a text file").unwrap();
        assert!(refused().contains("does not load"));
    }
}
