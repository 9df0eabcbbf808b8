//! From a manifest's text: what may stand in it, and what it means.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{ClassMap, Corroboration, Family, InputSize, Manifest, Verifier};
use crate::infer::detection::Class;
use crate::infer::opinion::Doubtful;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    family: Family,
    file: String,
    sha256: String,
    bytes: u64,
    url: Option<String>,
    licence: String,
    origin: String,
    score: f32,
    nms: f32,
    strides: Option<Vec<usize>>,
    input: Input,
    classes: Option<Classes>,
    #[serde(default)]
    doubtful: BTreeMap<Class, [f32; 2]>,
    verifier: Option<VerifierTable>,
    corroboration: Option<CorroborationTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifierTable {
    file: String,
    sha256: String,
    bytes: u64,
    asked: BTreeMap<Class, [f32; 2]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CorroborationTable {
    person_by_face: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    name: String,
    width: Option<usize>,
    height: Option<usize>,
    long_side: Option<usize>,
    multiple_of: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Classes {
    count: usize,
    #[serde(default)]
    face: Vec<usize>,
    #[serde(default)]
    person: Vec<usize>,
    #[serde(default)]
    vehicle: Vec<usize>,
}

/// The reason stands in the error.
pub(super) fn parse(name: &str, text: &str) -> Result<Manifest, String> {
    let mut file: File = toml::from_str(text).map_err(|e| e.to_string())?;
    let classes = classes(file.family, file.classes.take())?;
    named(&file.file, &file.sha256)?;
    for (field, value) in [("score", file.score), ("nms", file.nms)] {
        if !(0.0..=1.0).contains(&value) {
            return Err(format!("{field} = {value} must lie between 0 and 1"));
        }
    }
    let doubtful = doubtful(&file, &classes)?;
    Ok(Manifest {
        name: name.into(),
        digest: Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect(),
        corroboration: corroboration(&file, &doubtful, &classes)?,
        doubtful,
        verifier: verifier(&file, &classes)?,
        size: size(&file.input, file.family)?,
        classes,
        strides: strides(file.family, file.strides)?,
        family: file.family,
        file: file.file,
        sha256: file.sha256,
        bytes: file.bytes,
        url: file.url,
        licence: file.licence,
        origin: file.origin,
        score: file.score,
        nms: file.nms,
        input_name: file.input.name,
    })
}

fn doubtful(file: &File, classes: &ClassMap) -> Result<Doubtful, String> {
    // Of a free size, the network would have to make ready for that of every window.
    if file.input.width.is_none() && !file.doubtful.is_empty() {
        return Err("[doubtful] needs an [input] of fixed size".into());
    }
    // The others stretch a picture over all of their input and read their boxes so: none lies smaller in it.
    if matches!(file.family, Family::Rfb | Family::Fastestdet) && !file.doubtful.is_empty() {
        return Err(format!("[doubtful] needs the family yolox or yunet, not {}", file.family.as_str()));
    }
    ranges("[doubtful]", &file.doubtful, file.score, classes)
}

fn verifier(file: &File, classes: &ClassMap) -> Result<Option<Verifier>, String> {
    let Some(table) = &file.verifier else { return Ok(None) };
    if file.url.is_some() {
        return Err("[verifier] is for models that come with the project: its file is not fetched".into());
    }
    named(&table.file, &table.sha256).map_err(|e| format!("[verifier] {e}"))?;
    if let Some(class) = table.asked.keys().find(|c| !crate::infer::verifier::CLASSES.contains(c)) {
        return Err(format!("[verifier.asked] {class}: a verifier knows faces and people only"));
    }
    Ok(Some(Verifier {
        file: table.file.clone(),
        sha256: table.sha256.clone(),
        bytes: table.bytes,
        asked: ranges("[verifier.asked]", &table.asked, file.score, classes)?,
    }))
}

fn corroboration(file: &File, doubtful: &Doubtful, of: &ClassMap) -> Result<Option<Corroboration>, String> {
    let Some(CorroborationTable { person_by_face: by_face }) = file.corroboration else { return Ok(None) };
    let person = doubtful.get(&Class::Person).filter(|_| of.ours().contains(&Class::Face));
    let person = person.ok_or("[corroboration] is for models that find faces and have [doubtful] people")?;
    // Ten are 22 000 to 1.
    if !(by_face > 0.0 && by_face <= 10.0) {
        return Err(format!("[corroboration] person_by_face = {by_face} must lie above 0 and not above 10"));
    }
    Ok(Some(Corroboration { person: person.clone(), by_face }))
}

/// Whether weights are named rightly.
fn named(file: &str, sha256: &str) -> Result<(), String> {
    if Path::new(file).file_name() != Some(file.as_ref()) {
        return Err(format!("file = \"{file}\" must be a plain file name"));
    }
    if sha256.len() != 64 || !sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err("sha256 must be 64 lower-case hex digits".into());
    }
    Ok(())
}

/// Scores of each class, within what the model tells.
fn ranges(
    table: &str,
    of: &BTreeMap<Class, [f32; 2]>,
    least: f32,
    classes: &ClassMap,
) -> Result<Doubtful, String> {
    let range = |(class, [from, to]): (&Class, &[f32; 2])| {
        if !classes.ours().contains(class) {
            return Err(format!("{table} {class}: the model finds none"));
        }
        let fits = *from >= least && from < to && *to <= 1.0;
        fits.then_some((*class, *from..=*to)).ok_or_else(|| {
            format!("{table} {class} = [{from}, {to}] must rise and lie between score = {least} and 1")
        })
    };
    of.iter().map(range).collect()
}

fn size(input: &Input, family: Family) -> Result<InputSize, String> {
    // The coarsest stride of YuNet and YOLOX is 32.
    let strided = matches!(family, Family::Yunet | Family::Yolox);
    match (input.width, input.height, input.long_side, input.multiple_of) {
        (Some(width), Some(height), None, None) => {
            if !(16..=4096).contains(&width) || !(16..=4096).contains(&height) {
                Err("[input] width and height must lie between 16 and 4096".into())
            } else if strided && (width % 32 != 0 || height % 32 != 0) {
                Err(format!("[input] {width}x{height} must be multiples of 32"))
            } else {
                Ok(InputSize::Fixed { width, height })
            }
        }
        (None, None, Some(long_side), Some(multiple_of)) => {
            if family != Family::Yunet {
                Err("[input] only the family yunet has a free input size".into())
            } else if multiple_of == 0 || multiple_of % 32 != 0 || !(multiple_of..=4096).contains(&long_side)
            {
                Err("[input] multiple_of must be a multiple of 32 and long_side between it and 4096".into())
            } else {
                Ok(InputSize::Fitted { long_side, multiple_of })
            }
        }
        _ => Err("[input] needs either width and height, or long_side and multiple_of".into()),
    }
}

fn strides(family: Family, strides: Option<Vec<usize>>) -> Result<Vec<usize>, String> {
    match (family, strides) {
        (Family::Yolox, Some(strides)) => match strides.iter().find(|s| !matches!(s, 4 | 8 | 16 | 32)) {
            Some(odd) => Err(format!("strides: {odd} is none of 4, 8, 16 and 32")),
            None if strides.is_empty() => Err("strides is empty".into()),
            None => Ok(strides),
        },
        (_, Some(_)) => Err("only the family yolox has strides".into()),
        (_, None) => Ok(vec![8, 16, 32]),
    }
}

fn classes(family: Family, classes: Option<Classes>) -> Result<ClassMap, String> {
    match (family, classes) {
        (Family::Yunet | Family::Rfb, None) => Ok(ClassMap(vec![Some(Class::Face)])),
        (Family::Yunet | Family::Rfb, Some(_)) => Err("a face model has no [classes]".into()),
        (_, None) => Err("[classes] is missing: which ids are face, person, vehicle?".into()),
        (_, Some(c)) => {
            if !(1..=10_000).contains(&c.count) {
                return Err("[classes] count must lie between 1 and 10000".into());
            }
            let mut map = vec![None; c.count];
            let ours = [(Class::Face, c.face), (Class::Person, c.person), (Class::Vehicle, c.vehicle)];
            for (class, id) in
                ours.into_iter().flat_map(|(class, ids)| ids.into_iter().map(move |id| (class, id)))
            {
                let place = map.get_mut(id).ok_or_else(|| format!("[classes] has no id {id}"))?;
                if place.replace(class).is_some() {
                    return Err(format!("[classes] id {id} is there twice"));
                }
            }
            if map.iter().all(Option::is_none) {
                return Err("[classes] names none of face, person, vehicle".into());
            }
            Ok(ClassMap(map))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name)
    }

    #[test]
    fn a_wrong_manifest_is_told_with_its_file_and_reason() {
        let good = std::fs::read_to_string(project("yolox_nano").join("model.toml")).unwrap();
        let m = Manifest::parse("yolox_nano", &good).unwrap();
        assert_eq!((m.classes.get(2), m.classes.get(4)), (Some(Class::Vehicle), None));
        for (from, to, why) in [
            ("yolox_nano.onnx\"\n", "../yolox_nano.onnx\"\n", "plain file name"),
            ("sha256 = \"6", "sha256 = \"X", "hex"),
            ("score = 0.2", "score = 4", "between 0 and 1"),
            ("width = 416", "width = 400", "multiples of 32"),
            ("[classes]", "[klasses]", "klasses"),
            ("vehicle = [1", "vehicle = [80", "no id 80"),
            ("vehicle = [1", "vehicle = [0", "id 0 is there twice"),
            ("nms = 0.45", "nms = 0.45\nstrides = [8, 12]", "12 is none of"),
            ("[classes]", "[doubtful]\nperson = [0.1, 0.7]\n[classes]", "between score = 0.2 and 1"),
            ("[classes]", "[doubtful]\nperson = [0.7, 0.3]\n[classes]", "must rise"),
            ("[classes]", "[doubtful]\nperson = [0.5, nan]\n[classes]", "must rise"),
            ("[classes]", "[doubtful]\ncat = [0.5, 0.6]\n[classes]", "cat"),
            ("[classes]", "[doubtful]\nface = [0.5, 0.6]\n[classes]", "face: the model finds none"),
            ("family = \"yolox\"", "family = \"fastestdet\"\nstrides = [8]", "only the family yolox"),
            (
                "family = \"yolox\"",
                "family = \"fastestdet\"\ndoubtful = { person = [0.3, 0.7] }",
                "not fastestdet",
            ),
        ] {
            let e = Manifest::parse("x", &good.replacen(from, to, 1)).unwrap_err();
            assert!(e.contains(why), "{e}");
        }
        let good = std::fs::read_to_string(project("pingan-nano").join("model.toml")).unwrap();
        for (from, to, why) in [
            ("origin =", "url = \"http://a/b\"\norigin =", "come with the project"),
            ("file = \"pingan_nano_verifier", "file = \"../pingan_nano_verifier", "[verifier] file"),
            ("[verifier.asked]", "[verifier.asked]\nvehicle = [0.3, 0.7]", "faces and people only"),
            ("person_by_face = 1.0", "person_by_face = 0.0", "above 0"),
            ("person_by_face = 1.0", "person_by_face = nan", "above 0"),
            ("person_by_face = 1.0", "person_by_face = 11.0", "not above 10"),
            ("person_by_face = 1.0", "face_by_person = 1.0", "face_by_person"),
            ("person = [0.3, 0.7]", "", "have [doubtful] people"),
            ("[verifier.asked]\nface = [0.25", "[verifier.asked]\nface = [0.2", "between score = 0.25 and 1"),
        ] {
            let e = Manifest::parse("x", &good.replacen(from, to, 1)).unwrap_err();
            assert!(e.contains(why), "{e}");
        }
        let faceless = good.replace("face = [0", "# [0");
        let e = Manifest::parse("x", &faceless).unwrap_err();
        assert!(e.contains("models that find faces"), "{e}");
        let free = std::fs::read_to_string(project("yunet").join("model.toml")).unwrap();
        let e = Manifest::parse("x", &format!("{free}\n[doubtful]\nface = [0.7, 0.8]")).unwrap_err();
        assert!(e.contains("fixed size"), "{e}");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("model.toml"), "nonsense").unwrap();
        let e = Manifest::load(dir.path()).unwrap_err().to_string();
        assert!(e.contains("model.toml"), "{e}");
    }
}
