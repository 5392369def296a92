//! The `windlass` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // https://no-color.org: any value but the empty one.
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    windlass::cli::main(std::env::args_os(), no_color)
}
