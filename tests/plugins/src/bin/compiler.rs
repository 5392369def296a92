//! The host's own program, for tests that need a process of it: one that compiles, one to measure, one to read the output of.

use std::process::ExitCode;

fn main() -> ExitCode {
    windlass::cli::main(std::env::args_os(), true)
}
