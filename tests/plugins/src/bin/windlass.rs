//! The command itself: what users run, and the child that compiles for hosts of the suite.

use std::process::ExitCode;

fn main() -> ExitCode {
    windlass::cli::main(std::env::args_os(), true)
}
