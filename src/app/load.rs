//! `pingan bench`: the load harness of `bench`, around a server of this very binary.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::bench::record::{self, RecordOptions, RecordSite};

use super::commands;

pub async fn record(options: RecordOptions) -> anyhow::Result<ExitCode> {
    let binary = std::env::current_exe()?;
    let serve = |config: &Path| {
        let mut command = Command::new(&binary);
        command.arg("serve").arg("--config").arg(config).env("PINGAN_LOG", "warn");
        command
    };
    let report = record::run(&options, site, serve, &commands::stop_on_signal()).await?;
    match options.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => print!("{report}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// A site that records these cameras and does nothing else.
fn site(site: &RecordSite) -> String {
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\ndata = {}\n\n[defaults]\nanalytics = \"none\"\n",
        toml::Value::from(site.data.display().to_string())
    );
    for (id, url) in &site.cameras {
        let _ = write!(text, "\n[[camera]]\nid = \"{id}\"\nurl = \"{url}\"\n");
    }
    text
}
