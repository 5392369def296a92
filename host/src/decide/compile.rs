//! Component in, machine code out, made in a child process with limits and kept by digest.
//!
//! Compiling is the one step in which a hostile component can take down its host: time and memory of the compiler grow
//! faster than the component, and it aborts where it should fail. So the host starts itself as a child, without
//! environment, with limits on memory and time, and reads the machine code from it (G12, A6). The child is the host's own
//! program and as trusted as the host; what it is fed is not.

use super::{config, error::LoadError, text};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::{
    io::{Read, Write},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
};

pub(super) mod artifact;
pub(super) mod cache;

/// Name of the hidden subcommand that the host starts itself with.
pub const SUBCOMMAND: &str = "compile-plugin";
/// Exit code of a child whose compiler refused the component. Everything else but zero is the death of the child.
const REFUSED: i32 = 3;
/// Bytes that are read of what a child says.
const SAID: u64 = 8 << 10;
/// Bytes of machine code that are read of a child. 18 MiB of Python make about 60 MiB.
const LARGEST: u64 = 512 << 20;

/// Where components are compiled.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// In a child process. For everything that serves.
    Child(Child),
    /// In this process, without limits. For tests and tools of authors, who only harm themselves.
    InProcess,
}

/// A child process that compiles one component.
#[derive(Clone, Debug)]
pub struct Child {
    /// Program that has the subcommand [`SUBCOMMAND`]: the host itself.
    pub program: PathBuf,
    /// Bytes of address space.
    pub memory: u64,
    /// Time by the clock; processor time has the same limit.
    pub time: Duration,
}

impl Compiler {
    /// A child of this program with the limits for production: 2 GiB and 60 s, five times what a plugin in Python takes.
    pub fn child() -> std::io::Result<Self> {
        Ok(Compiler::Child(Child { program: std::env::current_exe()?, memory: 2 << 30, time: Duration::from_secs(60) }))
    }

    /// Machine code for `component`.
    pub(super) async fn compile(
        &self,
        engine: &wasmtime::Engine,
        component: Vec<u8>,
        stack: usize,
    ) -> Result<Vec<u8>, LoadError> {
        match self {
            Compiler::Child(child) => child.compile(&component, stack).await,
            Compiler::InProcess => {
                let engine = engine.clone();
                tokio::task::spawn_blocking(move || engine.precompile_component(&component))
                    .await
                    .map_err(|error| LoadError::CompilerDied { status: "panic".into(), message: error.to_string() })?
                    .map_err(|error| refused(&error))
            }
        }
    }
}

/// What the compiler says, in one line.
fn refused(error: &wasmtime::Error) -> LoadError {
    LoadError::Refused { message: text::clean(&format!("{error:#}"), text::MESSAGE) }
}

impl Child {
    /// What the child is started with, and has to understand.
    pub fn arguments(&self, stack: usize) -> [String; 7] {
        let cpu_seconds = self.time.as_secs().max(1);
        [
            SUBCOMMAND.into(),
            "--memory".into(),
            self.memory.to_string(),
            "--cpu-seconds".into(),
            cpu_seconds.to_string(),
            "--stack".into(),
            stack.to_string(),
        ]
    }

    async fn compile(&self, component: &[u8], stack: usize) -> Result<Vec<u8>, LoadError> {
        let broken = |error: std::io::Error| LoadError::NoCompiler { message: error.to_string() };
        let mut child = Command::new(&self.program)
            .args(self.arguments(stack))
            // No credentials, no settings: the child needs none, and its input is a stranger's.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(broken)?;
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(LoadError::NoCompiler { message: "the compiler has no pipes".into() });
        };
        let (mut code, mut said) = (Vec::new(), Vec::new());
        let (mut code_pipe, mut said_pipe) = (stdout.take(LARGEST), stderr.take(SAID));
        let talk = async {
            let feed = async {
                // A child that died early does not read to the end; its status says why.
                let _ = stdin.write_all(component).await;
                drop(stdin);
            };
            let read_code = async { code_pipe.read_to_end(&mut code).await };
            let read_said = async { said_pipe.read_to_end(&mut said).await };
            let ((), code, said) = tokio::join!(feed, read_code, read_said);
            code.and(said)?;
            child.wait().await
        };
        let status = match tokio::time::timeout(self.time, talk).await {
            Ok(status) => status.map_err(broken)?,
            // Dropping the child kills it.
            Err(_) => return Err(LoadError::CompileTime { limit: self.time }),
        };
        if status.success() { Ok(code) } else { Err(self.died(status, &said)) }
    }

    fn died(&self, status: std::process::ExitStatus, said: &[u8]) -> LoadError {
        use std::os::unix::process::ExitStatusExt;
        let said = String::from_utf8_lossy(said);
        let message = text::clean(said.trim(), text::MESSAGE);
        if status.code() == Some(REFUSED) {
            return LoadError::Refused { message };
        }
        // What the allocator of Rust says before it aborts.
        if said.contains("memory allocation of") {
            return LoadError::CompileMemory { limit: self.memory };
        }
        let xcpu = rustix::process::Signal::XCPU.as_raw();
        if status.signal() == Some(xcpu) {
            return LoadError::CompileTime { limit: self.time };
        }
        LoadError::CompilerDied { status: status.to_string(), message }
    }
}

/// The child's side: limits itself to `memory` bytes and `cpu_seconds`, compiles standard input to standard output, and
/// returns the exit code.
pub fn compile_for_parent(memory: u64, cpu_seconds: u64, stack: usize) -> i32 {
    match compile_stdin(memory, cpu_seconds, stack) {
        Ok(()) => 0,
        Err((code, message)) => {
            // Nobody listens when this fails.
            let _ = std::io::stderr().write_all(message.as_bytes());
            code
        }
    }
}

fn compile_stdin(memory: u64, cpu_seconds: u64, stack: usize) -> Result<(), (i32, String)> {
    let failed = |message: String| (1, message);
    let limit = |resource, most| {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
            .map_err(|error| failed(format!("cannot limit the compiler: {error}")))
    };
    limit(Resource::As, memory)?;
    limit(Resource::Cpu, cpu_seconds)?;
    limit(Resource::Core, 0)?;
    let mut component = Vec::new();
    std::io::stdin().read_to_end(&mut component).map_err(|error| failed(error.to_string()))?;
    let engine = wasmtime::Engine::new(&config::config(stack)).map_err(|error| failed(format!("{error:#}")))?;
    let code = engine.precompile_component(&component).map_err(|error| (REFUSED, format!("{error:#}")))?;
    std::io::stdout().write_all(&code).map_err(|error| failed(error.to_string()))
}
