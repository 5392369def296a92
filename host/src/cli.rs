//! The command line: arguments come in, one of the subcommands runs, an exit code goes out. One file for each.

mod about;
mod azure;
mod backup;
#[cfg(feature = "dev")]
mod cluster;
mod connection;
mod inspect;
mod logging;
mod mysql_login;
#[cfg(feature = "dev")]
mod node;
mod output;
mod plan;
#[cfg(feature = "dev")]
mod processes;
mod progress;
mod pull;
mod push;
mod rbac;
mod registry;
mod restore;
mod run;
mod stop;
mod verify;
mod version;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

/// Kubernetes operators as WebAssembly plugins: one host watches, plugins decide, the host acts.
#[derive(Parser)]
#[command(name = "windlass", version, propagate_version = true, disable_help_subcommand = true)]
struct Arguments {
    #[command(flatten)]
    logging: logging::Arguments,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(Box<run::Arguments>),
    Plan(Box<plan::Arguments>),
    Backup(Box<backup::Arguments>),
    Restore(Box<restore::Arguments>),
    Rbac(Box<rbac::Arguments>),
    Push(Box<push::Arguments>),
    Pull(Box<pull::Arguments>),
    Inspect(Box<inspect::Arguments>),
    Verify(Box<verify::Arguments>),
    #[cfg(feature = "dev")]
    Cluster(cluster::Arguments),
    #[cfg(feature = "dev")]
    Node(node::Arguments),
    Version(version::Arguments),
    /// The host starts itself with this to compile a plugin under limits.
    #[command(name = crate::decide::compile::SUBCOMMAND, hide = true)]
    CompilePlugin {
        #[arg(long)]
        memory: u64,
        #[arg(long)]
        cpu_seconds: u64,
        #[arg(long)]
        stack: usize,
    },
}

/// Runs the command line. `no_color`: the environment asks for no colours.
pub fn main(arguments: impl IntoIterator<Item = OsString>, no_color: bool) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Of this subcommand, 2 says that there are differences.
    let wrong_use = if arguments.iter().any(|argument| argument == "plan") { 1 } else { 2 };
    let Arguments { logging, command } = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody listens when this fails.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(wrong_use) } else { ExitCode::SUCCESS };
        }
    };
    // The compiler of plugins has neither environment nor threads to spare, and its output is machine code.
    if let Command::CompilePlugin { memory, cpu_seconds, stack } = command {
        let code = crate::decide::compile_for_parent(memory, cpu_seconds, stack);
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    let ran = logging::start(&logging, no_color).and_then(|()| run(command, no_color));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        // It was printed.
        Err(error) if error.is::<plan::Differs>() => ExitCode::from(plan::Differs::CODE),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, no_color: bool) -> anyhow::Result<()> {
    if let Command::Version(arguments) = command {
        return version::run(&arguments);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ran = runtime.block_on(async {
        match command {
            Command::Run(arguments) => run::run(*arguments).await,
            Command::Plan(arguments) => plan::run(*arguments, no_color).await,
            Command::Backup(arguments) => backup::run(*arguments).await,
            Command::Restore(arguments) => restore::run(*arguments).await,
            Command::Rbac(arguments) => rbac::run(*arguments).await,
            Command::Push(arguments) => push::run(*arguments).await,
            Command::Pull(arguments) => pull::run(*arguments).await,
            Command::Inspect(arguments) => inspect::run(*arguments).await,
            Command::Verify(arguments) => verify::run(*arguments).await,
            #[cfg(feature = "dev")]
            Command::Cluster(arguments) => cluster::run(arguments).await,
            #[cfg(feature = "dev")]
            Command::Node(arguments) => node::run(arguments).await,
            Command::Version(_) | Command::CompilePlugin { .. } => Ok(()),
        }
    });
    // What still blocks must not hold up the end.
    runtime.shutdown_background();
    ran
}

/// An error with its causes on one line.
fn one_line(error: &anyhow::Error) -> String {
    crate::watch::page::chain(error.as_ref()).replace('\n', " ")
}

#[cfg(test)]
mod tests;
