//! The short commands: serve, check, token.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tracing::{error, info, warn};

use crate::api::{self, Role, TokenStore};
use crate::base::task::Stop;
use crate::base::{Clock, SystemClock};
use crate::config;

use super::backtest::Jobs;
use super::cli::ConfigArg;
use super::directory::Directory;
use super::server::Server;
use super::{metrics, reload};

/// A token that is cancelled by Ctrl-C or SIGTERM.
pub fn stop_on_signal() -> Stop {
    let stop = Stop::new();
    let told = stop.clone();
    tokio::spawn(async move {
        let mut term = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(term) => term,
            Err(e) => {
                error!("cannot listen for SIGTERM: {e}");
                return;
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = term.recv() => {}
        }
        told.cancel();
    });
    stop
}

#[derive(clap::Args)]
pub struct ServeArgs {
    #[command(flatten)]
    config: ConfigArg,
}

pub async fn serve(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let stop = stop_on_signal();
    run_server(&args.config.config, stop, |_, _| ()).await
}

/// Run the server of a configuration file until `stop`; `up` is called once the API listens.
pub async fn run_server(
    path: &std::path::Path,
    stop: Stop,
    up: impl FnOnce(&Arc<Server>, SocketAddr),
) -> anyhow::Result<ExitCode> {
    let settings = config::load(path)?;
    for warning in &settings.warnings {
        warn!("{warning}");
    }
    let metrics = metrics::install()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let tokens = Arc::new(TokenStore::open(&settings.api.tokens)?);
    let listener = api::bind(settings.api.listen).await?;
    let listen = listener.local_addr()?;
    let server = Server::start(settings.clone(), clock.clone())?;
    let directory = Arc::new(Directory(server.clone()));
    let health = directory.clone();
    // The API outlives the stages, so it has a token of its own.
    let api_stop = Stop::new();
    let state = api::ApiState {
        cameras: directory,
        archive: server.archive.clone(),
        alerts: server.alerts.clone(),
        backtests: Jobs::start(server.clone(), server.later())?,
        tokens,
        clock,
        health: Arc::new(move || health.health()),
        metrics,
        stop: api_stop.clone(),
    };
    let mut api = tokio::spawn(api::serve(listener, state));
    info!("listening on http://{listen}");
    up(&server, listen);
    // A server without its API is not left running: nobody would see what it does.
    let ended_early = tokio::select! {
        () = reload::until_stopped(&server, stop) => None,
        ended = &mut api => Some(ended),
    };
    info!("stopping");
    let errors = server.stop().await;
    api_stop.cancel();
    match ended_early {
        None => api.await.context("the HTTP server panicked")??,
        Some(ended) => {
            ended.context("the HTTP server panicked")??;
            anyhow::bail!("the HTTP server ended by itself; see the log above");
        }
    }
    Ok(if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(clap::Args)]
pub struct CheckArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Print the problems as JSON.
    #[arg(long)]
    json: bool,
    /// Print the JSON schema of the file instead.
    #[arg(long)]
    schema: bool,
}

pub fn check(args: CheckArgs) -> anyhow::Result<ExitCode> {
    if args.schema {
        println!("{}", serde_json::to_string_pretty(&config::schema())?);
        return Ok(ExitCode::SUCCESS);
    }
    let (ok, cameras, problems, warnings) = match config::load(&args.config.config) {
        Ok(settings) => (true, settings.cameras.len(), Vec::new(), settings.warnings),
        Err(e) => (false, 0, e.problems, e.warnings),
    };
    if args.json {
        let report =
            serde_json::json!({ "ok": ok, "cameras": cameras, "problems": problems, "warnings": warnings });
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        for problem in problems.iter() {
            println!("{problem}");
        }
        for warning in &warnings {
            println!("warning: {warning}");
        }
        match ok {
            true => println!("{}: good, {cameras} cameras", args.config.config.display()),
            false => println!("{}: {} problems", args.config.config.display(), problems.len()),
        }
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(clap::Args)]
pub struct TokenArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(clap::Subcommand)]
enum TokenCommand {
    /// Make a token and show it, this once.
    Create {
        /// Whose it is; stands as actor in the history of alerts.
        name: String,
        #[arg(long, value_parser = parse_role, default_value = "viewer")]
        role: Role,
    },
    List,
    /// Make a token useless at once.
    Revoke {
        /// Number as in `token list`.
        id: i64,
    },
}

fn parse_role(s: &str) -> Result<Role, String> {
    s.parse()
}

pub fn token(args: TokenArgs) -> anyhow::Result<ExitCode> {
    let settings = config::load(&args.config.config)?;
    let store = TokenStore::open(&settings.api.tokens)?;
    let now = SystemClock::new().wall();
    match args.command {
        TokenCommand::Create { name, role } => println!("{}", store.create(&name, role, None, now)?.1),
        TokenCommand::List => {
            for t in store.list()? {
                let state = if t.revoked.is_some() { "revoked" } else { "good" };
                let used = t.last_used.map_or("never used".to_owned(), |at| format!("used {at}"));
                println!("{:>4} {:<24} {:<9} {state:<8} {used}", t.id, t.name, t.role.as_str());
            }
        }
        TokenCommand::Revoke { id } => store.revoke(id, now)?,
    }
    Ok(ExitCode::SUCCESS)
}
