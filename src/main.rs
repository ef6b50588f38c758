//! The binary: everything is in the library.

use std::process::ExitCode;

/// For the many small allocations of a request; docs/decisions.md states the gain.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    token_gateway::cli::main()
}
