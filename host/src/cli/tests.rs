#![allow(clippy::unwrap_used)]

use super::*;
use clap::CommandFactory as _;

#[test]
fn the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn every_subcommand_has_an_example_that_parses() {
    for command in Arguments::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let example = help.lines().find(|line| line.trim_start().starts_with("windlass"));
        let example = example.unwrap_or_else(|| panic!("{} has no example", command.get_name()));
        let parsed = Arguments::try_parse_from(example.split_whitespace());
        assert!(parsed.is_ok(), "{example}: {}", parsed.err().unwrap());
    }
}

#[test]
fn an_error_is_one_line_with_its_causes() {
    let cause = std::io::Error::other("no such host");
    let error = anyhow::Error::new(cause).context("cannot reach the cluster").context("cannot start\nthe host");
    assert_eq!(one_line(&error), "cannot start the host: cannot reach the cluster: no such host");
}

#[test]
fn a_wrong_argument_is_refused_with_what_would_be_right() {
    let error = Arguments::try_parse_from(["windlass", "run", "--plugins", "p", "--resync", "soon"]).err().unwrap();
    assert!(error.to_string().contains("write it as 30s, 10m or 2h"), "{error}");
}

#[test]
fn the_compiling_child_understands_what_it_is_started_with() {
    let child = crate::decide::compile::Child {
        program: "windlass".into(),
        memory: 1 << 30,
        time: std::time::Duration::from_secs(60),
    };
    let arguments = std::iter::once("windlass".to_owned()).chain(child.arguments(4_096));
    let command = Arguments::try_parse_from(arguments).unwrap().command;
    assert!(matches!(command, Command::CompilePlugin { memory: 1_073_741_824, cpu_seconds: 60, stack: 4_096 }));
}
