//! Where the log goes: standard error, as text or JSON lines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// `PINGAN_LOG` sets what is shown (as `RUST_LOG` does elsewhere); `PINGAN_LOG_FORMAT=json` the form.
pub fn init(default: &str) {
    let filter = EnvFilter::try_from_env("PINGAN_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second call (tests) keeps the first subscriber.
    let _ = if std::env::var("PINGAN_LOG_FORMAT").as_deref() == Ok("json") {
        builder.json().try_init()
    } else {
        builder.with_target(false).try_init()
    };
}
