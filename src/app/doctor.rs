//! `pingan doctor`: what this machine can do, what it lacks, and how to mend it.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::decode;
use crate::infer::runtime::Runtime;
use crate::infer::{ModelState, Provider, Registry};
use crate::media::Codec;

#[derive(clap::Args)]
pub struct DoctorArgs {
    /// Folder in which recordings are to lie.
    #[arg(long, default_value = ".")]
    data: PathBuf,
    /// Folder of the model manifests.
    #[arg(long, default_value = "models")]
    manifests: PathBuf,
    /// Folder of the model weights.
    #[arg(long, default_value = "data/models")]
    store: PathBuf,
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Finding {
    what: &'static str,
    good: bool,
    /// What was found, or what to do.
    detail: String,
}

/// Exit code 0 when everything needed for recording is there.
pub fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let findings = [
        decoder("H.264 decoder", Codec::H264),
        decoder("H.265 decoder", Codec::H265),
        onnx(),
        models(&args),
        disk(&args),
    ];
    if args.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        for f in &findings {
            println!("{} {:<16} {}", if f.good { "ok  " } else { "MISS" }, f.what, f.detail);
        }
    }
    Ok(if findings.iter().all(|f| f.good) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn decoder(what: &'static str, codec: Codec) -> Finding {
    match decode::available(codec, &decode::Profile::default()) {
        Ok(name) => Finding { what, good: true, detail: name },
        Err(e) => Finding { what, good: false, detail: e.to_string() },
    }
}

fn onnx() -> Finding {
    match Runtime::start(None) {
        Ok(runtime) => {
            let here: Vec<_> = runtime.providers().into_iter().map(Provider::as_str).collect();
            let detail = format!("found; [infer] provider may be {}", here.join(", "));
            Finding { what: "ONNX Runtime", good: true, detail }
        }
        Err(e) => Finding { what: "ONNX Runtime", good: false, detail: e.to_string() },
    }
}

fn models(args: &DoctorArgs) -> Finding {
    let what = "models";
    match Registry::open(&args.manifests, &args.store) {
        Ok(registry) => {
            let all = registry.list();
            let named = |of: &dyn Fn(&ModelState) -> bool| {
                all.iter().filter(|m| of(m)).map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ")
            };
            let (here, damaged) = (named(&|m| m.verified), named(&|m| m.is_damaged()));
            let mut detail = match here.is_empty() {
                false => here.clone(),
                true => "none here: is this the project's folder? Until there are models, motion detection stands in".into(),
            };
            if !damaged.is_empty() {
                detail += &format!("; damaged: {damaged}, see `pingan models verify`");
            }
            Finding { what, good: !here.is_empty() && damaged.is_empty(), detail }
        }
        Err(e) => Finding { what, good: false, detail: e.to_string() },
    }
}

fn disk(args: &DoctorArgs) -> Finding {
    let what = "disk";
    match rustix::fs::statvfs(&args.data) {
        Ok(s) => {
            let free = s.f_bavail * s.f_frsize / 1_000_000_000;
            // One camera of 4 Mbit/s writes 43 GB a day.
            let detail =
                format!("{free} GB free in {}: {} camera-days at 4 Mbit/s", args.data.display(), free / 43);
            Finding { what, good: free >= 5, detail }
        }
        Err(e) => Finding { what, good: false, detail: format!("{}: {e}", args.data.display()) },
    }
}
