//! `pingan`: arguments → `app`.

use std::process::ExitCode;

/// Access units are made by one thread and let go by others, 12,500 a second with 500 cameras: with
/// glibc's allocator that alone is a fifth of the server's CPU time (`docs/PERFORMANCE.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    pingan::app::cli::main()
}
