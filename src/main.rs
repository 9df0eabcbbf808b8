//! `pingan`: arguments → `app`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pingan::app::cli::main()
}
