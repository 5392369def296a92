//! The compiling child: the arguments of the host's hidden subcommand in, its exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().collect();
    let number = |name: &str| {
        let position = arguments.iter().position(|argument| argument == name)?;
        arguments.get(position + 1)?.parse::<u64>().ok()
    };
    let (Some(memory), Some(cpu), Some(stack)) = (number("--memory"), number("--cpu-seconds"), number("--stack"))
    else {
        return ExitCode::from(64);
    };
    let stack = usize::try_from(stack).unwrap_or(usize::MAX);
    ExitCode::from(u8::try_from(windlass::decide::compile_for_parent(memory, cpu, stack)).unwrap_or(1))
}
