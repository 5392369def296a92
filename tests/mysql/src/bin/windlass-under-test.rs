//! The command itself, for tests that need a process of it: one to kill, one whose arguments and environment are looked at.

use std::process::ExitCode;

fn main() -> ExitCode {
    windlass::cli::main(std::env::args_os(), true)
}
