//! Several models on one thread.

use metrics::{Counter, Histogram, counter, histogram};

use super::detection::Detection;
use super::error::Error;
use super::model::Model;
use super::registry::Registry;
use super::runtime::Runtime;
use super::settings::Settings;
use crate::base::clock::{Clock, SystemClock};
use crate::base::metrics::{INFER_FRAMES, INFER_SECONDS};
use crate::media::I420;

/// Models of one thread, each with its own session. For workers, evaluation and benches.
pub struct Detectors {
    models: Vec<Counted>,
    clock: SystemClock,
}

struct Counted {
    model: Model,
    frames: Counter,
    seconds: Histogram,
}

impl Detectors {
    /// Load these models. Without any, ONNX Runtime is not needed.
    ///
    /// # Errors
    /// ONNX Runtime is missing, a model is unknown, not pulled, damaged or of another shape.
    pub fn load(settings: &Settings, registry: &Registry, names: &[String]) -> Result<Detectors, Error> {
        let mut models = Vec::new();
        for name in names {
            let weights = registry.verify(name)?;
            let runtime = Runtime::start(settings.runtime.as_deref())?;
            models.push(Counted {
                model: Model::load(&runtime, registry.manifest(name)?, &weights)?,
                frames: counter!(INFER_FRAMES, "model" => name.clone()),
                seconds: histogram!(INFER_SECONDS, "model" => name.clone()),
            });
        }
        Ok(Detectors { models, clock: SystemClock::new() })
    }

    /// What all models see.
    pub fn detect(&mut self, picture: &I420) -> Result<Vec<Detection>, Error> {
        let mut found = Vec::new();
        for counted in &mut self.models {
            found.extend(counted.look(picture, &self.clock)?);
        }
        Ok(found)
    }

    /// What these of the models see.
    pub fn detect_with(&mut self, picture: &I420, names: &[String]) -> Result<Vec<Detection>, Error> {
        let mut found = Vec::new();
        for name in names {
            let counted = self.models.iter_mut().find(|m| m.model.manifest().name == *name);
            let counted = counted
                .ok_or_else(|| Error::Run { name: name.clone(), message: "it was not loaded".into() })?;
            found.extend(counted.look(picture, &self.clock)?);
        }
        Ok(found)
    }
}

impl Counted {
    fn look(&mut self, picture: &I420, clock: &dyn Clock) -> Result<Vec<Detection>, Error> {
        let before = clock.now();
        let found = self.model.detect(picture)?;
        self.seconds.record(clock.now().since(before).as_secs_f64());
        self.frames.increment(1);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::Value;

    use super::*;
    use crate::infer::Class;
    use crate::infer::testing::{frames_at, registry, runtime, settings, shared};
    use crate::media::BBox;

    /// A frame of a truth file: clip, frame, boxes, boxes that count neither way.
    type TruthFrame = (String, usize, Vec<BBox>, Vec<BBox>);

    fn truth(file: &str, key: &str) -> Option<Vec<TruthFrame>> {
        let text = std::fs::read_to_string(shared()?.join("truth").join(file)).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        let boxes = |v: &Value| -> Vec<BBox> {
            let of = |b: &Value| -> BBox {
                let c: Vec<f32> = b.as_array().unwrap().iter().map(|n| n.as_f64().unwrap() as f32).collect();
                BBox::new(c[0], c[1], c[2], c[3])
            };
            v.as_array().map(|list| list.iter().map(of).collect()).unwrap_or_default()
        };
        let frames = json["frames"].as_array().unwrap();
        Some(
            frames
                .iter()
                .map(|f| {
                    let clip = f["file"].as_str().unwrap().to_owned();
                    (clip, f["frame"].as_u64().unwrap() as usize, boxes(&f[key]), boxes(&f["ignore"]))
                })
                .collect(),
        )
    }

    /// (found, false, missed) of `model` on the truth frames.
    fn score(model: &str, file: &str, key: &str, class: Class, iou: f32) -> Option<[i32; 3]> {
        let (truth, registry) = (truth(file, key)?, registry()?);
        runtime()?;
        let mut detectors = Detectors::load(&settings(), &registry.0, &[model.to_owned()]).unwrap();
        let mut result = [0; 3];
        for (clip, frame, wanted, ignored) in truth {
            let picture = frames_at(&clip, frame);
            let mut missed = wanted;
            for d in detectors.detect(&picture).unwrap().iter().filter(|d| d.class == class) {
                let best = (0..missed.len())
                    .max_by(|a, b| missed[*a].iou(&d.bbox).total_cmp(&missed[*b].iou(&d.bbox)));
                match best {
                    Some(i) if missed[i].iou(&d.bbox) >= iou => {
                        missed.remove(i);
                        result[0] += 1;
                    }
                    _ if ignored.iter().any(|b| b.iou(&d.bbox) >= iou) => {}
                    _ => {
                        eprintln!("{model} {clip} {frame}: false {:?} {:.2}", d.bbox, d.score);
                        result[1] += 1;
                    }
                }
            }
            result[2] += missed.len() as i32;
        }
        eprintln!("{model}: found, false, missed {result:?}");
        Some(result)
    }

    /// Within one of what DATA.md says.
    fn check(got: Option<[i32; 3]>, want: [i32; 3]) {
        let Some(got) = got else { return };
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() <= 1), "{got:?}, expected {want:?}");
    }

    fn faces(model: &str, want: [i32; 3]) {
        check(score(model, "faces.json", "faces", Class::Face, 0.4), want);
    }

    fn persons(model: &str, want: [i32; 3]) {
        check(score(model, "persons.json", "persons", Class::Person, 0.5), want);
    }

    #[test]
    fn yunet_finds_the_faces_of_the_truth() {
        faces("yunet", [33, 1, 0]);
        faces("yunet_640", [33, 1, 0]);
    }

    #[test]
    fn rfb_finds_the_faces_of_the_truth() {
        faces("rfb_640", [32, 0, 1]);
        faces("rfb_320", [27, 0, 6]);
    }

    #[test]
    fn yolox_finds_the_persons_of_the_truth() {
        persons("yolox_nano", [20, 0, 0]);
        persons("person_yolox_192", [13, 0, 7]);
    }

    #[test]
    fn fastestdet_finds_the_persons_of_the_truth() {
        persons("fastestdet", [19, 3, 1]);
    }

    #[test]
    fn landmarks_lie_in_their_face() {
        let (Some(registry), Some(_)) = (registry(), runtime()) else { return };
        let mut detectors = Detectors::load(&settings(), &registry.0, &["yunet".to_owned()]).unwrap();
        let found = detectors.detect(&frames_at("faces-near-640x480.mp4", 10)).unwrap();
        let [face] = &found[..] else { panic!("{found:?}") };
        let [right_eye, left_eye, nose, right_mouth, left_mouth] = face.landmarks.unwrap();
        for p in [right_eye, left_eye, nose, right_mouth, left_mouth] {
            let b = face.bbox;
            assert!(b.x1 < p.x && p.x < b.x2 && b.y1 < p.y && p.y < b.y2, "{p:?} {b:?}");
        }
        assert!(right_eye.x < left_eye.x && right_mouth.x < left_mouth.x);
        assert!(right_eye.y < nose.y && nose.y < left_mouth.y);
    }

    #[test]
    fn what_is_missing_is_said_with_what_to_do() {
        let Some(registry) = registry() else { return };
        let load = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
            Detectors::load(&settings(), &registry.0, &names).err().map(|e| e.to_string())
        };
        assert_eq!(load(&[]), None, "without a model nothing is needed");
        let e = load(&["yolo"]).unwrap();
        assert!(e.contains("there are: fastestdet"), "{e}");
        let empty = Registry::open(&settings().manifests, &PathBuf::from("no-such-store")).unwrap();
        let e = Detectors::load(&settings(), &empty, &["yunet".into()]).err().unwrap().to_string();
        assert!(e.contains("pingan models pull yunet"), "{e}");
    }
}
