//! An enclosure for a program that parts networks, mounts small disks and starts many processes: namespaces of its own for
//! all three, so that the machine does not notice and nothing outlives the program. In: the program. Out: a command that
//! runs it inside where the machine allows that, and as it is elsewhere.

use std::path::Path;
use std::process::{Command, Stdio};

/// Tells the program that network and mounts are its own.
const TOLD_BY: &str = "WINDLASS_OWN_NETWORK";
/// Loopback is down in a new network.
const INSIDE: &str = "ip link set lo up && exec \"$0\" \"$@\"";

/// A command that runs `program`; arguments that are added go to it.
pub fn command(program: &Path) -> Command {
    for user in [false, true] {
        let works = unshare(user)
            .args(["sh", "-c", INSIDE, "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if works {
            let mut command = unshare(user);
            command.args(["sh", "-c", INSIDE]).arg(program).env(TOLD_BY, "1");
            return command;
        }
    }
    println!(
        "no network namespaces for {} on this machine: it leaves partitions and full disks out",
        program.display()
    );
    Command::new(program)
}

/// `unshare` of util-linux. `user`: inside of a user namespace as well, which needs no rights outside.
fn unshare(user: bool) -> Command {
    let mut command = Command::new("unshare");
    if user {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command
}
