//! Figures of the host, one line each, all from one run on this machine.
//!
//! ```text
//! cargo xtask build-plugins
//! cargo run --release -p bench [FIGURE…]
//! ```
//!
//! Without names all figures are made. A figure that cannot be made says why and fails the run.

mod decision;
mod many_plugins;
mod plugin;
mod resident;
mod throughput;

use anyhow::{Context, Result, bail};
use std::{io::Write, process::ExitCode};
use windlass::decide::compile::SUBCOMMAND;

/// A name and how its line is made.
type Figure = (&'static str, fn() -> Result<String>);

const FIGURES: [Figure; 3] =
    [("decision", decision::measure), ("throughput", throughput::measure), ("many-plugins", many_plugins::measure)];

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == SUBCOMMAND) {
        return plugin::compile_for_parent(&arguments);
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody listens when this fails.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| FIGURES.iter().all(|(figure, _)| figure != *name)) {
        let known: Vec<_> = FIGURES.iter().map(|(name, _)| *name).collect();
        bail!("there is no figure `{unknown}`; there are {}", known.join(", "));
    }
    let mut out = std::io::stdout();
    if cfg!(debug_assertions) {
        writeln!(out, "not a release build: these figures mean nothing")?;
    }
    for (name, measure) in FIGURES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            let line = measure().with_context(|| format!("figure {name}"))?;
            writeln!(out, "{name}: {line}")?;
        }
    }
    Ok(())
}
