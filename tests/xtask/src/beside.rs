//! Programs that only compute, run beside others that measure time: at the lowest priority, and silent until they end. A
//! command in; all that it printed, in one piece; whether it passed.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

/// Runs it to its end, and prints what it said.
///
/// # Errors
/// When it cannot be started.
pub fn run(command: &mut Command, name: &str) -> std::io::Result<bool> {
    let mut quiet = polite(command);
    let (mut said, end) = std::io::pipe()?;
    let mut child = quiet.stdin(Stdio::null()).stdout(end.try_clone()?).stderr(end).spawn()?;
    // The ends of the pipe that the command holds would keep it open.
    drop(quiet);
    let mut text = Vec::new();
    said.read_to_end(&mut text)?;
    let status = child.wait()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n-- {name}, which ran beside the others")?;
    out.write_all(&text)?;
    Ok(status.success())
}

/// The same program with the same environment, by way of `nice`: 19 is what every other process goes before.
fn polite(command: &Command) -> Command {
    let mut polite = Command::new("nice");
    polite.args(["-n", "19"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => polite.env(name, value),
            None => polite.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        polite.current_dir(folder);
    }
    polite
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_runs_with_its_arguments_its_environment_and_its_folder_and_with_the_lowest_priority() {
        let mut command = Command::new("sh");
        command
            .args(["-c", "test \"$A\" = 1 && test \"$(pwd)\" = / && test \"$(nice)\" = 19"])
            .env("A", "1")
            .current_dir("/");
        assert!(run(&mut command, "a program").unwrap());
        assert!(!run(Command::new("sh").args(["-c", "exit 3"]), "another").unwrap());
        assert!(run(&mut Command::new("/no/such/program"), "none").is_ok_and(|passed| !passed));
    }
}
