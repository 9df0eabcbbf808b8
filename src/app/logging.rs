//! Where the log goes: standard error, as text or JSON lines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// `PINGAN_LOG` sets what is shown (as `RUST_LOG` does elsewhere), of ONNX Runtime too: `info,ort=warn` is what a server
/// shows without it. `PINGAN_LOG_FORMAT=json` sets the form.
pub fn init(default: &str) {
    let filter = EnvFilter::try_from_env("PINGAN_LOG").unwrap_or_else(|_| shown(default));
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

/// This level of everything, but of ONNX Runtime warnings only: it tells every step of making a session ready, hundreds
/// of lines a model.
fn shown(level: &str) -> EnvFilter {
    EnvFilter::new(format!("{level},ort=warn"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn of_onnx_runtime_only_warnings_are_shown() {
        let lines = Lines::default();
        let held = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(shown("info"))
            .with_writer(move || held.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("listening");
            tracing::info!(target: "ort::logging", "GraphTransformer");
            tracing::warn!(target: "ort::logging", "no such provider");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let seen: Vec<bool> =
            ["listening", "GraphTransformer", "no such provider"].map(|what| text.contains(what)).into();
        assert_eq!(seen, [true, false, true], "{text}");
    }
}
