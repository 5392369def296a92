//! The compiler is a child with limits, and what it made is kept by digest (G12, A6).

use guests::Guest;
use hostile::{Lines, engine_with, limits, snapshot};
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use windlass::decide::{Compiler, Engine, EngineOptions, LoadError, compile::Child};

fn child() -> Child {
    Child {
        program: PathBuf::from(env!("CARGO_BIN_EXE_hostile-compiler")),
        memory: 1 << 30,
        time: Duration::from_secs(60),
    }
}

fn cached(folder: &Path, compiler: Compiler) -> Engine {
    let options = EngineOptions { cache_dir: Some(folder.to_owned()), threads: 2, ..EngineOptions::new(compiler) };
    Engine::new(options).unwrap()
}

/// A compiler that cannot compile anything.
fn dead() -> Compiler {
    Compiler::Child(Child { program: "/bin/false".into(), ..child() })
}

/// One function in which every value may come from everywhere: far more work for the compiler than it has bytes.
fn compile_bomb(size: usize) -> Vec<u8> {
    let mut body = String::new();
    for local in 0..size {
        // Writing to a string does not fail.
        let _ = write!(body, "(local $v{local} i64)");
    }
    body.push_str("(loop $again ");
    for local in 0..size {
        let other = (local * 7_919 + 13) % size;
        let _ = write!(
            body,
            "(if (i64.eqz (local.get $v{local})) (then (local.set $v{other} (i64.add (local.get $v{local}) (i64.const {local})))))"
        );
    }
    body.push_str("(br_if $again (i64.eqz (local.get $v0))))");
    Guest::idle().with(&format!("(func $bomb {body})")).doing("(call $bomb)").build().unwrap()
}

#[tokio::test]
async fn a_plugin_compiled_by_a_child_runs() {
    let engine = engine_with(Compiler::Child(child()), Arc::new(Lines::default()));
    let plugin = engine.load("plugin", Guest::idle().build().unwrap(), limits()).await.unwrap();
    assert!(plugin.decide(&snapshot("{}")).await.unwrap().outcome.is_ok());
}

#[tokio::test]
async fn a_compile_bomb_is_stopped_by_memory() {
    let small = Child { memory: 160 << 20, ..child() };
    let engine = engine_with(Compiler::Child(small), Arc::new(Lines::default()));
    let error = engine.load("bomb", compile_bomb(6_000), limits()).await.unwrap_err();
    assert_eq!(error, LoadError::CompileMemory { limit: 160 << 20 });
    assert!(engine.load("good", Guest::idle().build().unwrap(), limits()).await.is_ok());
}

#[tokio::test]
async fn a_compile_bomb_is_stopped_by_time() {
    let short = Child { time: Duration::from_secs(1), memory: 4 << 30, ..child() };
    let engine = engine_with(Compiler::Child(short), Arc::new(Lines::default()));
    let error = engine.load("bomb", compile_bomb(6_000), limits()).await.unwrap_err();
    assert_eq!(error, LoadError::CompileTime { limit: Duration::from_secs(1) });
}

#[tokio::test]
async fn a_compiler_that_dies_or_is_not_there_is_an_error_of_the_plugin() {
    let component = Guest::idle().build().unwrap();
    let engine = engine_with(dead(), Arc::new(Lines::default()));
    let error = engine.load("plugin", component.clone(), limits()).await.unwrap_err();
    assert!(matches!(error, LoadError::CompilerDied { .. }), "{error:?}");
    let missing = Compiler::Child(Child { program: "/nowhere/compiler".into(), ..child() });
    let error = engine_with(missing, Arc::new(Lines::default())).load("plugin", component, limits()).await.unwrap_err();
    assert!(matches!(error, LoadError::NoCompiler { .. }), "{error:?}");
}

#[tokio::test]
async fn what_was_compiled_once_is_not_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let component = Guest::idle().build().unwrap();
    cached(folder.path(), Compiler::Child(child())).load("plugin", component.clone(), limits()).await.unwrap();
    let plugin = cached(folder.path(), dead()).load("plugin", component, limits()).await.unwrap();
    assert!(plugin.decide(&snapshot("{}")).await.unwrap().outcome.is_ok());
}

#[tokio::test]
async fn a_damaged_cache_is_compiled_anew() {
    let folder = tempfile::tempdir().unwrap();
    let component = Guest::idle().build().unwrap();
    cached(folder.path(), Compiler::InProcess).load("plugin", component.clone(), limits()).await.unwrap();
    let entry = fs::read_dir(folder.path()).unwrap().flatten().next().unwrap().path();
    let whole = fs::read(&entry).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0x10;
    for damage in [&whole[..whole.len() / 2], b"", &flipped] {
        fs::write(&entry, damage).unwrap();
        let plugin =
            cached(folder.path(), Compiler::InProcess).load("plugin", component.clone(), limits()).await.unwrap();
        assert!(plugin.decide(&snapshot("{}")).await.unwrap().outcome.is_ok());
        assert_eq!(fs::read(&entry).unwrap().len(), whole.len());
    }
}

#[tokio::test]
async fn the_cache_names_its_entries_by_the_digest_of_the_component() {
    let folder = tempfile::tempdir().unwrap();
    let component = Guest::idle().build().unwrap();
    cached(folder.path(), Compiler::InProcess).load("plugin", component.clone(), limits()).await.unwrap();
    let digest = windlass::decide::Digest::of(&component).to_string();
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(names.len() == 1 && names[0].to_string_lossy().starts_with(&digest), "{names:?}");
}

/// Bytes in memory of code that is mapped from files in a folder.
fn code_of(folder: &Path) -> usize {
    let (maps, folder) = (fs::read_to_string("/proc/self/smaps").unwrap(), folder.display().to_string());
    let (mut ours, mut bytes) = (false, 0);
    for line in maps.lines() {
        match line.strip_prefix("Rss:") {
            Some(rss) if ours => bytes += rss.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10,
            None if line.split(' ').nth(1).is_some_and(|mode| mode.len() == 4 && mode.ends_with('p')) => {
                ours = line.contains(&folder) && line.contains(" r-xp ");
            }
            _ => {}
        }
    }
    bytes
}

#[tokio::test]
async fn plugins_for_whose_code_there_is_no_room_leave_memory_and_answer_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let compiler = Compiler::Child(child());
    let options = EngineOptions { cache_dir: Some(folder.path().to_owned()), code: 1, ..EngineOptions::new(compiler) };
    let engine = Engine::new(options).unwrap();
    let mut plugins = Vec::new();
    for number in 0..4 {
        let guest = Guest::idle().with(&format!("(func $other{number})")).build().unwrap();
        plugins.push(engine.load(&format!("plugin-{number}"), guest, limits()).await.unwrap());
    }
    let mut one = 0;
    for round in 0..3 {
        for plugin in &plugins {
            assert!(plugin.decide(&snapshot("{}")).await.unwrap().outcome.is_ok(), "{plugin:?} in round {round}");
            one = one.max(code_of(folder.path()));
        }
    }
    assert!(one > 0, "no code is mapped from the cache");
    assert_eq!(engine.rest(Duration::ZERO), 1, "only the last that was called is in memory");
    assert_eq!(code_of(folder.path()), 0);
    assert!(plugins[0].decide(&snapshot("{}")).await.unwrap().outcome.is_ok());

    // With room for all of them, all stay.
    let engine = cached(folder.path(), Compiler::Child(child()));
    for number in 0..4 {
        let guest = Guest::idle().with(&format!("(func $other{number})")).build().unwrap();
        plugins.push(engine.load(&format!("again-{number}"), guest, limits()).await.unwrap());
    }
    assert_eq!(engine.rest(Duration::ZERO), 4);
}
