//! Figures of the host, one line each, all from one run on this machine.
//!
//! ```text
//! cargo xtask bench [FIGURE[=SIZE]…]
//! ```
//!
//! Without names all figures are made. `SIZE` is a number of resources, or of plugins, where a figure has some. A figure that cannot be
//! made, or finds a write or a call where there must be none, says so and fails the run.

mod bundle;
mod cluster;
mod counted;
mod decision;
mod figures;
mod fleet;
mod many_plugins;
mod plugin;
mod stage;
mod throughput;
mod usage;

use anyhow::{Context, Result, bail};
use std::{io::Write, process::ExitCode};
use windlass::decide::compile::SUBCOMMAND;

/// A name, and how its line is made.
struct Figure {
    name: &'static str,
    /// Resources, where the figure has some and the caller does not say how many.
    size: usize,
    measure: fn(usize) -> Result<String>,
}

const FIGURES: [Figure; 7] = [
    Figure { name: "decision", size: 0, measure: decision::measure },
    Figure { name: "throughput", size: 0, measure: throughput::measure },
    Figure { name: "many-plugins", size: many_plugins::PLUGINS, measure: many_plugins::measure },
    Figure { name: "unchanged", size: 200, measure: figures::unchanged },
    Figure { name: "converge", size: 1_000, measure: figures::converge },
    Figure { name: "children", size: 1_000, measure: figures::children },
    Figure { name: "memory", size: 1_000, measure: figures::memory },
];

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(SUBCOMMAND) => return plugin::compile_for_parent(&arguments),
        Some(cluster::SUBCOMMAND) => return cluster::main(),
        _ => {}
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

fn run(arguments: &[String]) -> Result<()> {
    let wanted = if arguments.is_empty() {
        FIGURES.iter().map(|figure| (figure, figure.size)).collect()
    } else {
        arguments.iter().map(|argument| wanted(argument)).collect::<Result<Vec<_>>>()?
    };
    let mut out = std::io::stdout();
    if cfg!(debug_assertions) {
        writeln!(out, "not a release build: these figures mean nothing")?;
    }
    for (Figure { name, measure, .. }, size) in wanted {
        let line = measure(size).with_context(|| format!("figure {name}"))?;
        writeln!(out, "{name}: {line}")?;
    }
    Ok(())
}

/// The figure that an argument names, and its size.
fn wanted(argument: &str) -> Result<(&'static Figure, usize)> {
    let (name, size) = match argument.split_once('=') {
        Some((name, size)) => {
            let size = size.parse().with_context(|| format!("`{argument}`: the size must be a whole number"))?;
            (name, Some(size))
        }
        None => (argument, None),
    };
    let Some(figure) = FIGURES.iter().find(|figure| figure.name == name) else {
        let known: Vec<_> = FIGURES.iter().map(|figure| figure.name).collect();
        bail!("there is no figure `{name}`; there are {}", known.join(", "));
    };
    Ok((figure, size.unwrap_or(figure.size)))
}
