//! The binary: everything is in the library.

use std::process::ExitCode;

/// For the many small allocations of a request; docs/adr/0012-mimalloc-and-base64-simd.md states the gain.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    refuse_huge_pages();
    token_gateway::cli::main()
}

/// The kernel would keep 2 MiB wherever a few bytes live on; docs/adr/0040-no-transparent-huge-pages.md has figures. A
/// kernel without this flag has pages of one size.
#[cfg(target_os = "linux")]
fn refuse_huge_pages() {
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
