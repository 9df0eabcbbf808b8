//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::bench;

use super::{backtest, commands, demo, doctor, load, models};

#[derive(Parser)]
#[command(
    name = "pingan",
    version,
    about = "Video-surveillance server: records every camera, watches selectively, explains every gap"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(commands::ServeArgs),
    /// Check a configuration and list all its problems.
    Check(commands::CheckArgs),
    /// Check the machine: decoders, ONNX Runtime, models, disk.
    Doctor(doctor::DoctorArgs),
    /// Serve test cameras over RTSP, from footage or from a made scene.
    Simulate(bench::simulate::SimulateOptions),
    /// Try it out: test cameras, a server, a token and three commands to begin with.
    Demo(demo::DemoArgs),
    /// Measure how many cameras this machine carries.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Measure what is found on footage whose truth is known.
    Eval(bench::eval::EvalArgs),
    /// Try rules on recorded footage: what they would have told, beside what was told.
    Backtest(backtest::BacktestArgs),
    /// Decide an alert once more from what was seen, with the rule as it was.
    Replay(backtest::ReplayArgs),
    /// List, fetch, verify and time models.
    #[command(subcommand)]
    Models(models::ModelsCommand),
    /// Create, list and revoke API tokens.
    Token(commands::TokenArgs),
}

#[derive(Subcommand)]
enum BenchCommand {
    /// Record N cameras for S seconds: cost, memory and losses.
    Record(bench::record::RecordOptions),
    /// Record and analyse N cameras for S seconds: the same, and rates, skips and alert latency.
    Analyse(bench::analyse::AnalyseOptions),
    /// Search the most cameras that this machine holds within the contract.
    Capacity(bench::capacity::CapacityOptions),
    /// Connect N cameras at once, break all connections at once: time until all are recorded.
    Connect(bench::connect::ConnectOptions),
}

/// Parse the arguments and do what they say.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Commands that print a result keep the log to warnings; the server says what it does.
    super::logging::init(match cli.command {
        Command::Serve(_) => "info",
        _ => "warn",
    });
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("async").build()
    {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("pingan: cannot start the async runtime: {e}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(run(cli.command));
    // Blocking reads of a stuck file must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match done {
        Ok(code) => code,
        Err(e) => {
            eprintln!("pingan: {e:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => commands::serve(args).await,
        Command::Check(args) => commands::check(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Simulate(args) => {
            let stop = commands::stop_on_signal();
            bench::simulate::run(args, stop).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Demo(args) => demo::run(args).await,
        Command::Bench(BenchCommand::Record(args)) => load::record(args).await,
        Command::Bench(BenchCommand::Analyse(args)) => Box::pin(load::analyse(args)).await,
        Command::Bench(BenchCommand::Capacity(args)) => Box::pin(load::capacity(args)).await,
        Command::Bench(BenchCommand::Connect(args)) => load::connect(args).await,
        Command::Eval(args) => bench::eval::run(args),
        Command::Backtest(args) => backtest::backtest(args).await,
        Command::Replay(args) => backtest::replay(args),
        Command::Models(command) => models::run(command).await,
        Command::Token(args) => commands::token(args),
    }
}

/// The `--config` that most commands share.
#[derive(clap::Args)]
pub struct ConfigArg {
    /// The configuration file.
    #[arg(long, short, default_value = "config/pingan.toml")]
    pub config: PathBuf,
}
