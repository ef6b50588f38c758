//! The binary: everything is in the library.

use std::process::ExitCode;

/// Many small allocations a request; see docs/decisions.md for what it gains.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    token_gateway::cli::main()
}
