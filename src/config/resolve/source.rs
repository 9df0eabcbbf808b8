//! Where a stream comes from, and the credentials for it.

use std::path::Path;

use url::Url;

use crate::camera::{Pace, SecretRef, SourceSpec, Transport};
use crate::config::document::Place;
use crate::config::problem::Report;

use super::values::in_folder;

/// What both streams of a camera share.
#[derive(Clone)]
pub struct Access {
    pub user: Option<String>,
    pub password: Option<SecretRef>,
    pub transport: Transport,
    pub pace: Pace,
    pub repeat: bool,
}

/// No message repeats the address: it may hold a password.
pub fn source(at: &Place, text: &str, access: &Access, report: &mut Report) -> Option<SourceSpec> {
    if is_file(text) {
        return file(at, text, access, report);
    }
    let Ok(url) = Url::parse(text) else {
        let hint = "write rtsp://HOST[:PORT]/PATH (user and password go into keys of their own)";
        at.error(report, "this is not an address", hint);
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() {
        let hint = "take them out, and write `user = \"…\"` and `password = \"env:NAME\"` or \
                    `password = \"file:PATH\"` instead";
        at.error(report, "the address holds a user name or password", hint);
        return None;
    }
    if has_password(&url) {
        let hint = "addresses are shown in logs and to operators: use the `user` and `password` keys, or \
                    an address of the camera without credentials";
        at.error(report, "the address seems to hold a password in its path or query", hint);
        return None;
    }
    if !matches!(url.scheme(), "rtsp" | "rtsps") {
        let hint = "cameras are reached by rtsp:// or rtsps://; a clip is a path";
        at.error(report, format!("'{}://' is not supported", url.scheme()), hint);
        return None;
    }
    if url.host_str().is_none_or(str::is_empty) {
        at.error(report, "the address names no host", "write rtsp://HOST[:PORT]/PATH");
        return None;
    }
    Some(SourceSpec::Rtsp {
        url,
        user: access.user.clone(),
        password: access.password.clone(),
        transport: access.transport,
    })
}

/// `file:…`, or anything that has no scheme.
pub fn is_file(text: &str) -> bool {
    text.starts_with("file:") || !text.contains("://")
}

fn file(at: &Place, text: &str, access: &Access, report: &mut Report) -> Option<SourceSpec> {
    let text = text.strip_prefix("file://").or_else(|| text.strip_prefix("file:")).unwrap_or(text);
    if text.is_empty() {
        at.error(report, "this address is empty", "write rtsp://HOST/PATH, or the path of a clip");
        return None;
    }
    let path = in_folder(at.folder(), Path::new(text));
    if !path.exists() {
        if text.contains('@') {
            // `admin:secret@host` would go on as a path and be shown everywhere.
            let hint = "write rtsp://HOST/PATH, with user and password in keys of their own";
            at.error(report, "this is no clip, and looks like an address with a user name", hint);
            return None;
        }
        let hint = "check the path; relative ones start at the folder of this file";
        at.warn(report, "there is no such clip or folder now", hint);
    }
    Some(SourceSpec::Files { path, pace: access.pace, repeat: access.repeat })
}

/// Some cameras take credentials as `…/user=admin&password=secret…` or `?pwd=secret`.
fn has_password(url: &Url) -> bool {
    let text = format!("{}?{}", url.path(), url.query().unwrap_or_default()).to_lowercase();
    text.split(['&', '?', '/', '_', ';']).any(|part| {
        part.split_once('=')
            .is_some_and(|(k, v)| matches!(k, "password" | "passwd" | "pwd" | "pass") && !v.is_empty())
    })
}

/// The secret's reference, if one is written and right; a value that is not there yet is a warning.
pub fn secret(at: &Place, text: Option<&str>, report: &mut Report) -> Option<SecretRef> {
    let Ok(reference) = text?.parse::<SecretRef>() else {
        let hint = "write \"env:NAME\" (an environment variable) or \"file:PATH\" (a file with the password)";
        at.error(report, "a password is given by reference, never by its value", hint);
        return None;
    };
    let reference = match reference {
        SecretRef::File(path) => SecretRef::File(in_folder(at.folder(), &path)),
        env => env,
    };
    if let Err(e) = reference.read() {
        at.warn(report, e.to_string(), "without the password the camera will refuse the connection");
    }
    Some(reference)
}
