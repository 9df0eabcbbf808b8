//! What `pingan eval` is asked for: the clips of a data folder, or a comparison of its own.

use std::process::ExitCode;

use anyhow::Context;

use super::run::{ClipsArgs, run as clips};
use super::tracks::{self, TracksArgs};

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct EvalArgs {
    #[command(subcommand)]
    comparison: Option<Comparison>,
    #[command(flatten)]
    clips: Option<ClipsArgs>,
}

#[derive(clap::Subcommand)]
enum Comparison {
    Tracks(TracksArgs),
}

/// Do what was asked for.
///
/// # Errors
/// Those of the clips and of the comparisons.
pub fn run(args: EvalArgs) -> anyhow::Result<ExitCode> {
    match args.comparison {
        Some(Comparison::Tracks(args)) => tracks::run(&args),
        None => clips(args.clips.context("--data DIR is missing")?),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: EvalArgs,
    }

    /// What is asked for by these words, or what is wrong with them.
    fn check(words: &str) -> Result<&'static str, String> {
        let line = Line::try_parse_from(std::iter::once("eval").chain(words.split_whitespace()));
        match line.map_err(|e| e.to_string())?.args {
            EvalArgs { comparison: Some(Comparison::Tracks(_)), clips: None } => Ok("tracks"),
            EvalArgs { comparison: None, clips: Some(_) } => Ok("clips"),
            _ => Err("both or none".to_owned()),
        }
    }

    #[test]
    fn clips_are_asked_for_without_a_word_and_tracks_with_one() {
        assert_eq!(check("--data d"), Ok("clips"));
        assert_eq!(check("--data d --model a --fps 5 --json --floors f"), Ok("clips"));
        assert_eq!(check("--data d --degrade fps5,night --keep k --html h"), Ok("clips"));
        assert_eq!(check("tracks --truth a --tracks b"), Ok("tracks"));
        assert_eq!(check("tracks --truth a --dets b --size 768x432 --fps 12 --every 2 --json"), Ok("tracks"));
    }

    #[test]
    fn what_is_missing_or_does_not_go_together_is_told() {
        for (words, told) in [
            ("", "--data <DATA>"),
            ("--json", "--data <DATA>"),
            ("--data d --degrade fog", "'fog' is no degradation"),
            ("--data d --keep k", "--degrade <LIST>"),
            ("--data d tracks --truth a --tracks b", "cannot be used with"),
            ("tracks --truth a", "--tracks <FILE>|--dets <FILE>"),
            ("tracks --tracks b", "--truth <FILE>"),
            ("tracks --truth a --dets b --fps 12", "--size <WxH>"),
            ("tracks --truth a --tracks b --dets c --size 1x1 --fps 1", "cannot be used with"),
            ("tracks --truth a --tracks b --every 2", "--dets <FILE>"),
            ("tracks --truth a --dets b --size 768 --fps 12", "give width and height, as 1920x1080"),
        ] {
            let said = check(words).expect_err(words);
            assert!(said.contains(told), "'{words}': {said}");
        }
    }
}
