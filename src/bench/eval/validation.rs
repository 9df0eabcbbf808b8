//! Our own model on the validation pictures, beside what its teachers find there (`models/train/evaluate.py`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::detections::{Told, compare};
use super::truth::FrameTruth;
use crate::infer::testing::{registry, runtime, settings, shared};
use crate::infer::{Class, Detectors};
use crate::media::{BBox, I420};

/// Left, top, width and height in pixels; a score.
type Face = (f32, f32, f32, f32, f32);
/// The same after a class: COCO's, of which 0 is a person, or -1 for a face.
type Object = (i32, f32, f32, f32, f32, f32);

#[derive(Deserialize)]
struct Entry {
    file: String,
    split: String,
    faces: Vec<Face>,
    objects: Vec<Object>,
    ignore: Vec<Object>,
}

/// What somebody said of a box of a person, corners in pixels.
#[derive(Deserialize)]
struct Verdict {
    file: String,
    #[serde(rename = "box")]
    corners: [f32; 4],
    label: bool,
    said: Said,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Said {
    Person,
    Badly,
    Nobody,
    Unclear,
}

/// Corners of the labels of a class, pixels.
fn of_class(objects: &[Object], class: i32) -> Vec<[f32; 4]> {
    let of = objects.iter().filter(|o| o.0 == class);
    of.map(|&(_, x, y, w, h, _)| [x, y, x + w, y + h]).collect()
}

fn faces(entry: &Entry) -> FrameTruth {
    let boxes = entry.faces.iter().map(|&(x, y, w, h, _)| [x, y, x + w, y + h]).collect();
    FrameTruth { file: entry.file.clone(), frame: 0, boxes, ignore: of_class(&entry.ignore, -1) }
}

/// People, as somebody saw them where the model and its teacher did not agree: `corrected` in `evaluate.py`.
fn people(entry: &Entry, verdicts: &[Verdict]) -> FrameTruth {
    let (mut boxes, mut ignore) = (of_class(&entry.objects, 0), of_class(&entry.ignore, 0));
    for Verdict { corners, label, said, .. } in verdicts {
        if *label {
            let near = |b: &[f32; 4]| b.iter().zip(corners).all(|(a, b)| (a - b).abs() < 1.0);
            let at = boxes.iter().position(near).expect("a label");
            if *said != Said::Person {
                let label = boxes.remove(at);
                ignore.extend((*said != Said::Nobody).then_some(label));
            }
        } else if *said == Said::Person {
            boxes.push(*corners);
        } else if *said == Said::Unclear {
            ignore.push(*corners);
        }
    }
    FrameTruth { file: entry.file.clone(), frame: 0, boxes, ignore }
}

/// As a camera would have sent it: ITU-R BT.601, limited range, chroma of 2x2 pixels.
fn picture(path: &Path) -> I420 {
    let rgb = image::open(path).unwrap().into_rgb8();
    let (w, h) = rgb.dimensions();
    let at = |x: u32, y: u32| rgb.get_pixel(x.min(w - 1), y.min(h - 1)).0.map(f32::from);
    let mix = |c: [f32; 3], by: [f32; 3], zero: f32| {
        (zero + c[0] * by[0] + c[1] * by[1] + c[2] * by[2]).round().clamp(0.0, 255.0) as u8
    };
    let luma = [0.256_788, 0.504_129, 0.097_906];
    let blue = [-0.148_223, -0.290_993, 0.439_216];
    let red = [0.439_216, -0.367_788, -0.071_427];
    let places = |step: u32| {
        (0..h).step_by(step as usize).flat_map(move |y| (0..w).step_by(step as usize).map(move |x| (x, y)))
    };
    let mean = |x: u32, y: u32| {
        let four = [at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1)];
        [0, 1, 2].map(|c| four.iter().map(|p| p[c]).sum::<f32>() / 4.0)
    };
    let mut bytes: Vec<u8> = places(1).map(|(x, y)| mix(at(x, y), luma, 16.0)).collect();
    bytes.extend(places(2).map(|(x, y)| mix(mean(x, y), blue, 128.0)));
    bytes.extend(places(2).map(|(x, y)| mix(mean(x, y), red, 128.0)));
    I420::packed(w, h, bytes).unwrap()
}

/// How many are found by the limit at which so many are false.
fn found_with(mut told: Vec<Told>, allowed: usize) -> usize {
    told.sort_by(|a, b| b.score.total_cmp(&a.score));
    let (mut found, mut false_) = (0, 0);
    for Told { right, .. } in told {
        false_ += usize::from(!right);
        if false_ > allowed {
            break;
        }
        found += usize::from(right);
    }
    found
}

/// Faces and people that our own model finds with `false_` boxes of each that are none.
fn found_by(model: &str, false_: usize) -> Option<[usize; 2]> {
    let (data, registry) = (shared()?.join("train"), registry()?);
    runtime()?;
    let text = fs::read_to_string(settings().manifests.join("train/looked_at.json")).unwrap();
    #[derive(Deserialize)]
    struct LookedAt {
        boxes: Vec<Verdict>,
    }
    let mut verdicts: BTreeMap<String, Vec<Verdict>> = BTreeMap::new();
    for verdict in serde_json::from_str::<LookedAt>(&text).unwrap().boxes {
        verdicts.entry(verdict.file.clone()).or_default().push(verdict);
    }
    let mut detectors = Detectors::load(&settings(), &registry.0, &[model.to_owned()]).unwrap();
    let mut all = [Vec::new(), Vec::new()];
    for line in fs::read_to_string(data.join("labels.jsonl")).unwrap().lines() {
        let entry: Entry = serde_json::from_str(line).unwrap();
        if entry.split != "val" {
            continue;
        }
        let picture = picture(&data.join(&entry.file));
        let (w, h) = (picture.width as f32, picture.height as f32);
        let mut found = detectors.detect(&picture).unwrap();
        for d in &mut found {
            d.bbox = BBox::new(d.bbox.x1 * w, d.bbox.y1 * h, d.bbox.x2 * w, d.bbox.y2 * h);
        }
        let looked_at = verdicts.get(&entry.file).map_or(&[][..], Vec::as_slice);
        all[0].extend(compare(&faces(&entry), &found, Class::Face, 0.4).told);
        all[1].extend(compare(&people(&entry, looked_at), &found, Class::Person, 0.5).told);
    }
    let found = all.map(|told| found_with(told, false_));
    eprintln!("{model}: {found:?} faces and people with {false_} false");
    Some(found)
}

/// YuNet at 320x192 finds 419 faces with 5 false, YOLOX-nano 447 people with 5 false: 0.85 of them, 357 and 380, are the
/// aim with no more that are false (`models/pingan-nano/README.md`). Measured 375 and 383; fails below 370 and 378, as
/// another processor may round otherwise.
#[test]
fn our_own_model_finds_enough_of_what_its_teachers_find_with_no_more_that_is_false() {
    let Some([faces, people]) = found_by("pingan-nano", 5) else { return };
    assert!(faces >= 370 && people >= 378, "{faces} faces, {people} people");
}

/// Measured 373 and 383 with AVX2 alone, 376 and 380 computed exactly, as with 8-bit dot products (ADR 16); fails below 368
/// and 376. Merely rounded, the network finds 372 people (ADR 15).
#[cfg(target_arch = "x86_64")]
#[test]
fn its_8_bit_form_finds_as_many() {
    let Some([faces, people]) = found_by("pingan-nano-int8", 5) else { return };
    assert!(faces >= 368 && people >= 376, "{faces} faces, {people} people");
}

#[test]
fn the_limit_lies_below_as_many_false_ones_as_are_allowed() {
    let of = |(score, right)| Told { bbox: BBox::new(0.0, 0.0, 1.0, 1.0), score, right };
    let told = [(0.5, true), (0.9, true), (0.8, false), (0.4, false), (0.3, true), (0.6, true)].map(of);
    let found = [0, 1, 2, 9].map(|false_| found_with(told.to_vec(), false_));
    assert_eq!(found, [1, 3, 4, 4]);
}
