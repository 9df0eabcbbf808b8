use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::base::Wall;
use crate::infer::Provider;
use crate::infer::testing::{frames_at, registry, runtime, settings, shared};
use crate::infer::windows::Window;

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

/// (found, false, missed) of `model` on the truth frames, of what it tells with at least the score `from`.
fn score(model: &str, (file, key): (&str, &str), (class, iou): (Class, f32), from: f32) -> Option<[i32; 3]> {
    let (truth, registry) = (truth(file, key)?, registry()?);
    runtime()?;
    let mut detectors = Detectors::load(&settings(), &registry.0, &[model.to_owned()]).unwrap();
    let mut result = [0; 3];
    for (clip, frame, wanted, ignored) in truth {
        let picture = frames_at(&clip, frame);
        let mut missed = wanted;
        let told = detectors.detect(&picture).unwrap();
        for d in told.iter().filter(|d| d.class == class && d.score >= from) {
            let best =
                (0..missed.len()).max_by(|a, b| missed[*a].iou(&d.bbox).total_cmp(&missed[*b].iou(&d.bbox)));
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

const FACES: ((&str, &str), (Class, f32)) = (("faces.json", "faces"), (Class::Face, 0.4));
const PERSONS: ((&str, &str), (Class, f32)) = (("persons.json", "persons"), (Class::Person, 0.5));

fn faces(model: &str, want: [i32; 3]) {
    check(score(model, FACES.0, FACES.1, 0.0), want);
}

fn persons(model: &str, want: [i32; 3]) {
    check(score(model, PERSONS.0, PERSONS.1, 0.0), want);
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
fn our_own_model_finds_the_faces_and_persons_of_the_truth() {
    for model in ["pingan-nano", "pingan-nano-int8"] {
        faces(model, [33, 1, 0]);
        persons(model, [19, 2, 1]);
    }
}

/// From 0.4 on; tracks begin at 0.5. YOLOX-nano has no false person there, YuNet two or three false faces.
#[test]
fn what_our_own_model_is_sure_of_in_the_end_is_there() {
    let Some([found, false_, _]) = score("pingan-nano", FACES.0, FACES.1, 0.4) else { return };
    assert!(found >= 30 && false_ == 0, "{found} faces, {false_} false");
    let Some([found, false_, _]) = score("pingan-nano", PERSONS.0, PERSONS.1, 0.4) else { return };
    assert!(found >= 19 && false_ == 0, "{found} people, {false_} false");
}

#[test]
fn a_provider_that_is_absent_is_told_and_not_replaced_in_silence() {
    let Some(runtime) = runtime() else { return };
    let registry = Registry::open(&settings().manifests, Path::new("none")).unwrap();
    let here = runtime.providers();
    assert!(here.contains(&Provider::Cpu));
    for provider in Provider::ALL.into_iter().filter(|p| !here.contains(p)) {
        let settings = Settings { provider, ..settings() };
        let e = Detectors::load(&settings, &registry, &["pingan-nano".into()]).err();
        let e = e.unwrap_or_else(|| panic!("{provider} was loaded")).to_string();
        assert!(e.contains(provider.as_str()) && e.contains("provider = \"cpu\""), "{e}");
    }
}

const CORROBORATION: [&str; 2] = ["[corroboration]", "person_by_face = 1.0"];

/// Our own model under another name, its manifest without these lines.
fn without(lines: &[&str]) -> Detectors {
    let (ours, dir) = (settings().manifests.join("pingan-nano"), tempfile::tempdir().unwrap());
    let folder = dir.path().join("somebody");
    std::fs::create_dir(&folder).unwrap();
    for file in ["pingan_nano.onnx", "pingan_nano_verifier.onnx"] {
        std::fs::copy(ours.join(file), folder.join(file)).unwrap();
    }
    let text = std::fs::read_to_string(ours.join("model.toml")).unwrap();
    let kept = text.lines().filter(|l| !lines.contains(l)).collect::<Vec<_>>().join("\n");
    std::fs::write(folder.join("model.toml"), kept).unwrap();
    let registry = Registry::open(dir.path(), Path::new("no-store")).unwrap();
    Detectors::load(&settings(), &registry, &["somebody".into()]).unwrap()
}

/// A manifest is all that another network of a known family needs.
#[test]
fn a_model_nobody_heard_of_runs_by_its_manifest() {
    let Some(_) = runtime() else { return };
    let of_faces = ["face = [0]", "face = [0.3, 0.7]", "face = [0.25, 0.75]"];
    let mut detectors = without(&[&of_faces[..], &CORROBORATION].concat());
    if shared().is_some() {
        let found = detectors.detect(&frames_at("people-detection-768x432.mp4", 30)).unwrap();
        assert!(found.iter().any(|d| d.class == Class::Person && d.score > 0.4), "{found:?}");
    }
}

#[test]
fn people_with_a_face_are_told_with_more_and_all_else_as_before() {
    let (Some(_), Some(_)) = (shared(), runtime()) else { return };
    let picture = frames_at("crowd-faces-800x450.mp4", 20);
    let told = |lines: &[&str]| {
        let mut found = without(lines).detect(&picture).unwrap();
        assert!(found.is_sorted_by(|a, b| a.score >= b.score), "{found:?}");
        found.sort_by(|a, b| (a.class, a.bbox.x1).partial_cmp(&(b.class, b.bbox.x1)).unwrap());
        found
    };
    let (alone, corroborated) = (told(&CORROBORATION), told(&[]));
    assert_eq!(alone.len(), corroborated.len());
    let more: Vec<f32> = alone
        .iter()
        .zip(&corroborated)
        .filter(|(a, b)| a != b)
        .inspect(|(a, b)| assert_eq!((a.class, a.bbox), (Class::Person, b.bbox)))
        .map(|(a, b)| b.score - a.score)
        .collect();
    assert!(more.len() >= 2 && more.iter().all(|more| *more > 0.1), "{more:?}");
}

fn known(tracked: &[Detection]) -> Known {
    let mut known = Known::default();
    known.begin(Wall(0), tracked.to_vec());
    known
}

#[test]
fn what_is_tracked_is_told_as_it_was_seen_at_first() {
    let (Some(_), Some(_)) = (shared(), runtime()) else { return };
    let picture = frames_at("crowd-faces-800x450.mp4", 20);
    let mut detectors = without(&CORROBORATION);
    let asked_once = detectors.models[0].model.detect(&picture).unwrap();
    let told = detectors.detect(&picture).unwrap();
    let changed: Vec<Detection> = asked_once.iter().copied().filter(|d| !told.contains(d)).collect();
    assert!(changed.len() > 4, "{changed:?}");
    // As a track has it: a little elsewhere, with another score.
    let moved = |d: &Detection| Detection {
        bbox: BBox { x1: d.bbox.x1 + 0.1 * d.bbox.width(), ..d.bbox },
        score: 0.9,
        ..*d
    };
    let tracked: Vec<Detection> = changed.iter().map(moved).collect();
    assert_eq!(detectors.detect_beside(&picture, &mut known(&tracked)).unwrap(), asked_once);
    // Of another class, or elsewhere, it is none of these.
    let vehicles: Vec<Detection> =
        tracked.iter().map(|d| Detection { class: Class::Vehicle, ..*d }).collect();
    assert_eq!(detectors.detect_beside(&picture, &mut known(&vehicles)).unwrap(), told);
    let away =
        |d: &Detection| Detection { bbox: BBox { x1: d.bbox.x1 + 0.6 * d.bbox.width(), ..d.bbox }, ..*d };
    let away: Vec<Detection> = tracked.iter().map(away).collect();
    assert_eq!(detectors.detect_beside(&picture, &mut known(&away)).unwrap(), told);
}

#[test]
fn what_was_not_believed_is_told_the_same_in_the_next_picture_unasked() {
    let (Some(_), Some(_)) = (shared(), runtime()) else { return };
    let picture = frames_at("crowd-faces-800x450.mp4", 20);
    let mut detectors = without(&CORROBORATION);
    let asked_once = detectors.models[0].model.detect(&picture).unwrap();
    let mut known = known(&[]);
    let told = detectors.detect_beside(&picture, &mut known).unwrap();
    let refused: Vec<&Detection> = told.iter().filter(|d| d.score < 0.5 && !asked_once.contains(d)).collect();
    assert!(refused.len() > 2, "{told:?}");
    assert!(known.opinions.left() < 2, "the next picture's allowance does not make up for it");
    let seen = known.taken()[1];
    assert!(seen > 0 && known.verified.left() == 16 - seen);
    let again = detectors.detect_beside(&picture, &mut known).unwrap();
    assert!(refused.iter().all(|d| again.contains(d)), "{refused:?} {again:?}");
    // Nor when it holds no more and nothing may be asked.
    known.begin(Wall(1_500_000), Vec::new());
    known.opinions.spend(known.opinions.left());
    known.verified.spend(known.verified.left());
    let later = detectors.detect_beside(&picture, &mut known).unwrap();
    assert!(refused.iter().all(|d| later.contains(d)), "{refused:?} {later:?}");
}

#[test]
fn what_is_seen_closer_is_doubted_like_the_rest() {
    let (Some(_), Some(_)) = (shared(), runtime()) else { return };
    let picture = frames_at("faces-mosaic-1080p25.mp4", 20);
    let [once, doubted] = [&["face = [0.3, 0.7]"][..], &[]].map(|lines| {
        let (mut detectors, mut found) = (without(lines), Vec::new());
        detectors.detect(&picture).unwrap();
        let closer = Closer { class: Class::Face, interest: &everywhere(), budget: Duration::from_secs(9) };
        detectors
            .look_closer(&picture, &["somebody".into()], closer, &mut Known::default(), &mut found)
            .unwrap();
        found.iter().filter(|d| (0.3..=0.7).contains(&d.score)).map(|d| d.score).collect::<Vec<_>>()
    });
    assert!(!once.is_empty() && once != doubted, "{once:?} {doubted:?}");
}

#[test]
fn what_is_seen_closer_and_cannot_be_asked_about_is_not_told() {
    let (Some(_), Some(_)) = (shared(), runtime()) else { return };
    let picture = frames_at("faces-mosaic-1080p25.mp4", 20);
    let (mut detectors, mut known, mut found) = (without(&[]), Known::default(), Vec::new());
    detectors.detect(&picture).unwrap();
    let closer = Closer { class: Class::Face, interest: &everywhere(), budget: Duration::from_secs(9) };
    let mut look = |known: &mut Known, found: &mut Vec<Detection>| {
        detectors.look_closer(&picture, &["somebody".into()], closer, known, found).unwrap();
    };
    known.opinions.spend(known.opinions.left());
    look(&mut known, &mut found);
    assert!(found.len() > 10 && found.iter().all(|d| !(0.3..=0.7).contains(&d.score)), "{found:?}");
    // Nor what only the verifier would be asked about.
    let (mut nothing_left, mut unverified) = (Known::default(), Vec::new());
    nothing_left.opinions.spend(nothing_left.opinions.left());
    nothing_left.verified.spend(nothing_left.verified.left());
    look(&mut nothing_left, &mut unverified);
    assert!(unverified.len() > 10, "{unverified:?}");
    assert!(unverified.iter().all(|d| !(0.25..=0.75).contains(&d.score)), "{unverified:?}");
    // In the whole picture it is told as it was seen.
    let whole = detectors.detect_beside(&picture, &mut known).unwrap();
    assert!(whole.iter().any(|d| (0.3..=0.7).contains(&d.score)), "{whole:?}");
}

/// Twelve places that cover the picture.
fn everywhere() -> Vec<BBox> {
    let corners = (0..3).flat_map(|y| (0..4).map(move |x| (x as f32 / 4.0, y as f32 / 3.0)));
    corners.map(|(x, y)| BBox::new(x, y, x + 0.25, y + 1.0 / 3.0)).collect()
}

/// About 21 faces of 13 to 80 pixels, of which a picture shrunk to 640 shows 16.
#[test]
fn small_faces_of_a_large_picture_are_found_closer() {
    let (Some(registry), Some(_)) = (registry(), runtime()) else { return };
    let names = ["yunet".to_owned()];
    let mut detectors = Detectors::load(&settings(), &registry.0, &names).unwrap();
    let picture = frames_at("faces-mosaic-1080p25.mp4", 20);
    let mut found = detectors.detect(&picture).unwrap();
    let shrunk = found.len();
    let interest = everywhere();
    let closer = |interest, budget| Closer { class: Class::Face, interest, budget };
    let mut look = |closer, found: &mut Vec<Detection>| {
        detectors.look_closer(&picture, &names, closer, &mut Known::default(), found).unwrap()
    };
    look(closer(&interest, Duration::ZERO), &mut found);
    look(closer(&[], Duration::from_secs(9)), &mut found);
    assert_eq!(found.len(), shrunk, "without budget or interest nothing is looked at");
    let mut all = found.clone();
    let took = look(closer(&interest, Duration::from_secs(9)), &mut all);
    // What a budget buys depends on the machine, so two thirds of the size are asked for outright.
    let window = Window { x: 0, y: 0, width: picture.width, height: picture.height };
    let closer = detectors.models[0].model.detect_in(&picture, window, 2.0 / 3.0).unwrap();
    merge(&mut found, closer, 0.3);
    eprintln!("{shrunk} faces shrunk, {} at two thirds, {} in full: {took:?}", found.len(), all.len());
    assert!(shrunk < 19, "{shrunk}");
    for faces in [found.len(), all.len()] {
        assert!((20..=24).contains(&faces), "{faces}");
    }
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
