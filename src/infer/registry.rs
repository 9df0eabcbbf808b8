//! Which models there are, and getting their weights here unharmed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::iter;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::error::Error;
use super::manifest::{Family, Manifest};

/// All manifests, and the folder of the weights.
#[derive(Debug)]
pub struct Registry {
    /// The folder of the manifests.
    dir: PathBuf,
    manifests: BTreeMap<String, Manifest>,
    store: PathBuf,
}

/// Where weights are taken from.
#[derive(Clone, Copy, Debug)]
pub enum PullFrom<'a> {
    /// A flat folder of weight files, for closed networks.
    Mirror(&'a Path),
    /// The manifest's address.
    Url,
}

/// How a model stands here.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ModelState {
    pub name: String,
    pub family: Family,
    pub licence: String,
    /// Of its weights, and of its verifier's.
    pub bytes: u64,
    /// Both are here.
    pub present: bool,
    /// And their hashes are the manifest's.
    pub verified: bool,
    /// It comes with the project, so that a file that is not there is missing.
    #[serde(skip)]
    pub comes_with_the_project: bool,
}

impl ModelState {
    /// A file of it is not the manifest's, or is missing where it cannot be pulled.
    pub fn is_damaged(&self) -> bool {
        !self.verified && (self.present || self.comes_with_the_project)
    }
}

impl Registry {
    /// Read every `<manifests>/NAME/model.toml`. The store is created when something is pulled.
    pub fn open(manifests: &Path, store: &Path) -> Result<Registry, Error> {
        let unreadable = |source| Error::Manifests { dir: manifests.into(), source };
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(manifests).map_err(unreadable)? {
            let dir = entry.map_err(unreadable)?.path();
            if dir.join("model.toml").is_file() {
                let manifest = Manifest::load(&dir)?;
                found.insert(manifest.name.clone(), manifest);
            }
        }
        Ok(Registry { dir: manifests.into(), manifests: found, store: store.into() })
    }

    pub fn manifest(&self, name: &str) -> Result<&Manifest, Error> {
        self.manifests.get(name).ok_or_else(|| Error::UnknownModel {
            name: name.into(),
            available: self.manifests.keys().cloned().collect(),
        })
    }

    /// All models by name. Hashes what is present.
    pub fn list(&self) -> Vec<ModelState> {
        self.manifests
            .values()
            .map(|m| ModelState {
                name: m.name.clone(),
                family: m.family,
                licence: m.licence.clone(),
                bytes: m.bytes + m.verifier.as_ref().map_or(0, |verifier| verifier.bytes),
                present: self.files(m).all(|path| path.is_file()),
                verified: self.verify(&m.name).is_ok(),
                comes_with_the_project: m.url.is_none(),
            })
            .collect()
    }

    /// The weights' path, after their hash was found right, and that of the verifier beside them if there is one.
    pub fn verify(&self, name: &str) -> Result<PathBuf, Error> {
        let manifest = self.manifest(name)?;
        let path = self.place(manifest);
        let path = verify_file(manifest, path, &manifest.sha256)?;
        if let Some(verifier) = &manifest.verifier {
            verify_file(manifest, path.with_file_name(&verifier.file), &verifier.sha256)?;
        }
        Ok(path)
    }

    /// Fetch the weights. They appear under their name only when their hash is right. Weights that
    /// come with the project are only verified.
    /// `progress` is told the bytes so far and in all.
    pub fn pull(
        &self,
        name: &str,
        from: PullFrom<'_>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<PathBuf, Error> {
        let manifest = self.manifest(name)?;
        let Some(url) = &manifest.url else { return self.verify(name) };
        match from {
            PullFrom::Mirror(dir) => {
                let path = dir.join(&manifest.file);
                let shown = path.display().to_string();
                let file = fs::File::open(&path).map_err(|e| fetch(manifest, &shown, e))?;
                self.take_in(manifest, file, &shown, progress)
            }
            PullFrom::Url => {
                let answer = ureq::get(url).call().map_err(|e| fetch(manifest, url, e))?;
                self.take_in(manifest, answer.into_body().into_reader(), url, progress)
            }
        }
    }

    fn take_in(
        &self,
        manifest: &Manifest,
        mut from: impl Read,
        shown: &str,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<PathBuf, Error> {
        let path = self.place(manifest);
        let dir = path.parent().unwrap_or(&self.store);
        let part = dir.join(format!("{}.part", manifest.file));
        let failed = |path: &Path| {
            let (name, path) = (manifest.name.clone(), path.to_owned());
            move |source| Error::Store { name, path, source }
        };
        fs::create_dir_all(dir).map_err(failed(dir))?;
        let mut file = fs::File::create(&part).map_err(failed(&part))?;
        let result = (|| {
            let mut hash = Sha256::new();
            let (mut buffer, mut done) = (vec![0; 64 << 10], 0);
            // One byte more than expected is enough to know that it is the wrong file.
            while done <= manifest.bytes {
                let n = from.read(&mut buffer).map_err(|e| fetch(manifest, shown, e))?;
                if n == 0 {
                    break;
                }
                hash.update(&buffer[..n]);
                file.write_all(&buffer[..n]).map_err(failed(&part))?;
                done += n as u64;
                progress(done.min(manifest.bytes), manifest.bytes);
            }
            if done != manifest.bytes {
                let got = if done > manifest.bytes { "more".to_owned() } else { format!("only {done}") };
                let (name, from, expected) = (manifest.name.clone(), shown.into(), manifest.bytes);
                return Err(Error::WrongSize { name, from, expected, got });
            }
            check_hash(manifest, &manifest.sha256, hash, shown)?;
            file.sync_all().map_err(failed(&part))?;
            fs::rename(&part, &path).map_err(failed(&path))
        })();
        if let Err(e) = result {
            let _ = fs::remove_file(&part);
            return Err(e);
        }
        Ok(path)
    }

    /// Of the weights, and of the verifier if there is one.
    fn files(&self, manifest: &Manifest) -> impl Iterator<Item = PathBuf> {
        let weights = self.place(manifest);
        let verifier = manifest.verifier.as_ref().map(|verifier| weights.with_file_name(&verifier.file));
        iter::once(weights).chain(verifier)
    }

    fn place(&self, manifest: &Manifest) -> PathBuf {
        let folder = if manifest.url.is_some() { &self.store } else { &self.dir };
        folder.join(&manifest.name).join(&manifest.file)
    }
}

/// The file's path, after its hash was found right.
fn verify_file(manifest: &Manifest, path: PathBuf, sha256: &str) -> Result<PathBuf, Error> {
    let failed = |source| Error::Store { name: manifest.name.clone(), path: path.clone(), source };
    let mut file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let name = manifest.name.clone();
            return Err(match manifest.url {
                Some(_) => Error::NotPulled { name, path },
                None => Error::NotWhole { name, path },
            });
        }
        Err(e) => return Err(failed(e)),
    };
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash).map_err(failed)?;
    check_hash(manifest, sha256, hash, &path.display().to_string())?;
    Ok(path)
}

fn fetch(manifest: &Manifest, from: &str, e: impl std::fmt::Display) -> Error {
    let advice = match &manifest.url {
        Some(url) if url != from => format!("put there what {url} gives"),
        _ => "on a closed network use a mirror folder".to_owned(),
    };
    Error::Fetch { name: manifest.name.clone(), from: from.into(), message: e.to_string(), advice }
}

fn check_hash(manifest: &Manifest, sha256: &str, hash: Sha256, from: &str) -> Result<(), Error> {
    let got: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    if got == sha256 {
        return Ok(());
    }
    Err(Error::WrongHash {
        name: manifest.name.clone(),
        from: from.into(),
        expected: sha256.into(),
        got,
        url: manifest.url.clone().unwrap_or_else(|| "the project's repository".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
        family = "rfb"
        file = "w.onnx"
        sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        bytes = 3
        url = "http://127.0.0.1:1/w.onnx"
        licence = "MIT"
        origin = "here"
        score = 0.5
        nms = 0.3
        input = { name = "input", width = 320, height = 240 }
    "#;

    fn registry(dir: &Path) -> Registry {
        fs::create_dir_all(dir.join("models/small")).unwrap();
        fs::write(dir.join("models/small/model.toml"), MANIFEST).unwrap();
        Registry::open(&dir.join("models"), &dir.join("store")).unwrap()
    }

    #[test]
    fn pulled_weights_are_there_and_verified() {
        let dir = tempfile::tempdir().unwrap();
        let registry = registry(dir.path());
        assert!(!registry.list()[0].present);
        let e = registry.verify("small").unwrap_err().to_string();
        assert!(e.contains("pingan models pull small"), "{e}");
        fs::write(dir.path().join("w.onnx"), "abc").unwrap();
        let mut seen = Vec::new();
        let path = registry
            .pull("small", PullFrom::Mirror(dir.path()), &mut |done, of| seen.push((done, of)))
            .unwrap();
        assert_eq!(seen, [(3, 3)]);
        assert_eq!(registry.verify("small").unwrap(), path);
        let state = &registry.list()[0];
        assert!(state.present && state.verified);
    }

    #[test]
    fn wrong_weights_are_refused_and_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let registry = registry(dir.path());
        for (wrong, told) in
            [("abd", "sha256"), ("ab", "only 2 bytes"), ("abcd", "more bytes"), ("", "only 0 bytes")]
        {
            fs::write(dir.path().join("w.onnx"), wrong).unwrap();
            let e =
                registry.pull("small", PullFrom::Mirror(dir.path()), &mut |_, _| {}).unwrap_err().to_string();
            assert!(e.contains(told) && e.contains("w.onnx"), "{e}");
        }
        assert_eq!(fs::read_dir(dir.path().join("store/small")).unwrap().count(), 0);
        // Damaged after it was pulled.
        fs::write(dir.path().join("store/small/w.onnx"), "abX").unwrap();
        assert!(matches!(registry.verify("small"), Err(Error::WrongHash { .. })));
        assert!(registry.list()[0].present && !registry.list()[0].verified);
    }

    #[test]
    fn a_verifier_is_part_of_what_is_verified() {
        let dir = tempfile::tempdir().unwrap();
        let nano = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/pingan-nano");
        let copy = dir.path().join("models/ours");
        fs::create_dir_all(&copy).unwrap();
        for entry in fs::read_dir(&nano).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
        }
        let registry = Registry::open(&dir.path().join("models"), &dir.path().join("store")).unwrap();
        registry.verify("ours").unwrap();
        let verifier = copy.join(&registry.manifest("ours").unwrap().verifier.as_ref().unwrap().file);
        fs::write(&verifier, "another").unwrap();
        let e = registry.verify("ours").unwrap_err();
        assert!(
            matches!(&e, Error::WrongHash { from, .. } if *from == verifier.display().to_string()),
            "{e}"
        );
        fs::remove_file(&verifier).unwrap();
        assert!(matches!(registry.verify("ours"), Err(Error::NotWhole { path, .. }) if path == verifier));
    }

    #[test]
    fn what_cannot_be_fetched_is_told_with_its_address() {
        let dir = tempfile::tempdir().unwrap();
        let registry = registry(dir.path());
        let e = registry.pull("small", PullFrom::Url, &mut |_, _| {}).unwrap_err().to_string();
        assert!(e.contains("fetched from http://127.0.0.1:1/w.onnx") && e.contains("use a mirror"), "{e}");
        let e = registry.pull("small", PullFrom::Mirror(dir.path()), &mut |_, _| {}).unwrap_err().to_string();
        assert!(e.contains("/w.onnx: No such file"), "{e}");
        assert!(e.ends_with("put there what http://127.0.0.1:1/w.onnx gives"), "{e}");
        let e = registry.pull("large", PullFrom::Url, &mut |_, _| {}).unwrap_err().to_string();
        assert!(e.contains("there are: small"), "{e}");
    }

    #[test]
    fn a_model_whose_verifier_is_missing_is_not_present_and_one_that_was_changed_is_not_verified() {
        let (ours, dir) =
            (Path::new(env!("CARGO_MANIFEST_DIR")).join("models/pingan-nano"), tempfile::tempdir().unwrap());
        let folder = dir.path().join("pingan-nano");
        fs::create_dir(&folder).unwrap();
        for file in ["model.toml", "pingan_nano.onnx"] {
            fs::copy(ours.join(file), folder.join(file)).unwrap();
        }
        let stands = || {
            let state = &Registry::open(dir.path(), Path::new("no-store")).unwrap().list()[0];
            (state.present, state.verified)
        };
        assert_eq!(stands(), (false, false));
        fs::write(folder.join("pingan_nano_verifier.onnx"), "another").unwrap();
        assert_eq!(stands(), (true, false));
        fs::copy(ours.join("pingan_nano_verifier.onnx"), folder.join("pingan_nano_verifier.onnx")).unwrap();
        assert_eq!(stands(), (true, true));
    }

    #[test]
    fn the_manifests_of_the_project_are_right_and_their_files_in_the_mirror() {
        let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::open(&manifests, dir.path()).unwrap();
        assert_eq!(registry.list().len(), 9);
        let shipped = |m: &ModelState| m.name.starts_with("pingan-nano");
        assert!(registry.list().iter().filter(|m| shipped(m)).all(|m| m.verified), "ours need no download");
        let Some(shared) = crate::infer::testing::shared() else { return };
        for model in registry.list() {
            registry.pull(&model.name, PullFrom::Mirror(&shared.join("models")), &mut |_, _| {}).unwrap();
        }
        assert!(registry.list().iter().all(|m| m.verified));
    }
}
