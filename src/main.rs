//! `pingan`: arguments → `app`.

use std::process::ExitCode;

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// Access units are made by one thread and let go by others, 12,500 a second with 500 cameras: with
/// glibc's allocator that alone is a fifth of the server's CPU time (`docs/PERFORMANCE.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 3 (`mimalloc.h`), which the crate has no name for: milliseconds after
/// which unused memory goes back to the kernel, -1 for never.
const PURGE_DELAY: mi_option_t = 15;

fn main() -> ExitCode {
    // What a GOP leaves is what the next one takes: giving it back in between cost 13 % of recording, in page
    // faults, and saves 6 % of memory.
    // SAFETY: sets one word of the allocator's options, which no other thread reads yet.
    unsafe { mi_option_set(PURGE_DELAY, -1) };
    pingan::app::cli::main()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allocators_option_is_the_one_that_is_meant() {
        // SAFETY: reads one word; other tests set nothing.
        let delay = unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(delay, 1000, "not the default of mi_option_purge_delay: count anew in mimalloc.h");
    }
}
