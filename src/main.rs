//! The binary: everything is in the library.

use std::process::ExitCode;

/// Many small allocations a request: half the cost of the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    token_gateway::cli::main()
}
