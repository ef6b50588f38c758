# The tasks of a contributor, for `just`: each is a line to paste as well. `just --list` shows them.

# Show this list
[private]
default:
    @just --list --unsorted

# Run a node on the embedded store, with curl lines to paste
run *arguments:
    cargo run --release -- dev {{ arguments }}

# Run the tests of a change: redis-server and curl are enough
test:
    scripts/test-quick

# Install what all tests need, and run them
test-all *arguments:
    scripts/test {{ arguments }}

# Check prose, form, lints, docs, packages and dependencies
check:
    scripts/check

# Format the sources
fmt:
    cargo fmt
    cargo fmt --manifest-path fuzz/Cargo.toml

# Write the generated pages anew
pages:
    UPDATE_PAGES=1 cargo test --locked --test system the_page_of

# Plant faults, and see that tests notice them
plant *faults:
    scripts/plant {{ faults }}

# Feed the parsers of hostile bytes with random input
fuzz *arguments:
    scripts/fuzz {{ arguments }}

# Put the promises to the proof at full length
prove *scenarios:
    scripts/prove {{ scenarios }}

# Measure refreshes, and write BENCHMARKS.md
bench *arguments:
    cargo bench --locked --bench refresh -- {{ arguments }}

# Run all that decides on a change
ci:
    .ci/run

# List the values that only the owner of the repository can know
blanks:
    scripts/blanks
