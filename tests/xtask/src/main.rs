//! `cargo xtask`: what building and checking the project needs beyond cargo. One file for each subcommand.

#![allow(clippy::print_stdout, reason = "a command-line tool")]

mod bench;
mod beside;
#[cfg(test)]
mod boundaries;
mod build;
mod crds;
mod demo;
mod enclosure;
mod suites;
mod tools;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Builds and checks the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows the main job: a MySQL on an embedded cluster, applied, scaled, upgraded, damaged, healed and deleted.
    Demo(demo::Options),
    /// Runs the tests.
    Test(suites::Options),
    /// Runs the benchmarks: one line per figure.
    Bench(bench::Options),
    /// Finds or installs a MySQL server for tests and demo, and prints how to name it in the environment.
    Mysql,
    /// Finds or installs a registry of images and cosign for tests, and prints how to name them in the environment.
    Registry,
    /// Builds every plugin as a component and checks it against the contract.
    BuildPlugins {
        /// Folder for NAME.wasm and NAME.grants.yaml; without it `plugins` in cargo's target folder.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Writes the CustomResourceDefinitions of the plugins to `crds/`.
    Crds {
        /// Only compares, and fails where a file is not what the plugins generate.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Demo(options) => demo::demo(&options),
        Command::Test(options) => suites::test(&options),
        Command::Bench(options) => bench::bench(&options),
        Command::Mysql => {
            println!("export {}={}", tools::MYSQL, tools::mysql()?);
            Ok(())
        }
        Command::Registry => {
            let tools::Registry { server, signer } = tools::registry()?;
            println!("export {}={} {}={}", tools::REGISTRY, server.display(), tools::COSIGN, signer.display());
            Ok(())
        }
        Command::BuildPlugins { out } => build::run(out),
        Command::Crds { check } => crds::run(check),
    }
}
