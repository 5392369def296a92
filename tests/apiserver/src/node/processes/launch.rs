//! Starting processes that never outlive the node. In: commands. Out: running children, each the head of a process group
//! of its own, each killed by the kernel when the node ends, however it ends.
//!
//! The kernel ties that to the thread that started the child, so one thread, which lives as long as the node, starts
//! them all.

use std::io;
use std::process::Stdio;

use rustix::process::{
    Pid, Signal, getpid, getppid, kill_process, kill_process_group, set_parent_process_death_signal,
};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

struct Order {
    command: Command,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// Starts processes. When the last clone is dropped, whatever still runs is killed.
#[derive(Clone)]
pub(super) struct Launcher {
    orders: std::sync::mpsc::Sender<Order>,
}

impl Launcher {
    /// Must be called within a Tokio runtime.
    pub(super) fn start() -> io::Result<Self> {
        let (orders, received) = std::sync::mpsc::channel::<Order>();
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new().name("pod-launcher".to_owned()).spawn(move || {
            let _within = runtime.enter();
            while let Ok(mut order) = received.recv() {
                // Who asked may be gone; then the child goes with the answer that nobody takes.
                let _ = order.answer.send(spawn(&mut order.command));
            }
        })?;
        Ok(Self { orders })
    }

    /// Starts a process without standard input, unless the command says otherwise.
    pub(super) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (answer, answered) = oneshot::channel();
        let gone = || io::Error::other("the node has ended");
        self.orders.send(Order { command, answer }).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

#[expect(unsafe_code, reason = "the parent-death signal can only be set between fork and exec")]
fn spawn(command: &mut Command) -> io::Result<Child> {
    command.process_group(0).kill_on_drop(true);
    let node = getpid();
    let bind_to_node = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The node ended before the line above: nobody would kill this process.
        if getppid() == Some(node) { Ok(()) } else { Err(rustix::io::Errno::SRCH.into()) }
    };
    // SAFETY: between fork and exec only calls that are safe in a signal handler are allowed. These are two system
    // calls; nothing is allocated and no lock is taken.
    unsafe { command.pre_exec(bind_to_node) };
    command.spawn()
}

/// A command with nothing of the node's own environment, and no standard input.
pub(super) fn bare(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    command
}

/// Sends a signal to a process; one that is gone is a success.
pub(super) fn signal(pid: u32, signal: Signal) -> io::Result<()> {
    settled(with(pid, |pid| kill_process(pid, signal)))
}

/// Kills a process and all that it started in its group.
pub(super) fn kill_group(pid: u32) -> io::Result<()> {
    settled(with(pid, |pid| kill_process_group(pid, Signal::KILL)))
}

fn with(pid: u32, f: impl Fn(Pid) -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    // Never 0 or 1: to them a signal means a whole group, or the whole machine.
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw);
    pid.map_or(Err(rustix::io::Errno::INVAL), f)
}

fn settled(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        other => other.map_err(Into::into),
    }
}

/// When a process began, in ticks since the machine did: with its number it names a process for good. None where there
/// is none, or only what is left of one until its parent asks.
pub(super) fn began(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold anything.
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    // The 22nd of proc_pid_stat(5); the third was just taken.
    fields.nth(18)?.parse().ok()
}
