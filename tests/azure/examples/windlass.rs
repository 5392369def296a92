//! The command itself, for tests that run the host as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    windlass::cli::main(std::env::args_os(), true)
}
