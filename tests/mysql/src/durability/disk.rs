//! Small disks. In: a server. Out: its data on a file system of its own that can be filled. Needs mounts of this program's
//! own, which go away with it.

use super::process::Mysqld;
use anyhow::{Context, Result, bail};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// Room beside the data, in MiB: for logs that are written until the disk is filled.
const ROOM: u64 = 160;
const MIB: u64 = 1024 * 1024;

/// A disk with a server's data on it.
pub struct SmallDisk {
    filler: PathBuf,
}

/// Moves a server's data to a small disk and kills the server, which finds it there when it is started again.
pub async fn shrink(server: &Mysqld) -> Result<SmallDisk> {
    let data = &server.data;
    // It writes nothing while it is copied, so that the copy is what a crash at this moment leaves.
    server.stop()?;
    let moved = replace(data).await;
    server.kill()?;
    moved?;
    Ok(SmallDisk { filler: data.join("filler") })
}

async fn replace(data: &Path) -> Result<()> {
    let aside = data.with_extension("aside");
    let place = data.display().to_string();
    let size = format!("size={}m", used(data)? / MIB + ROOM);
    run("cp", &["-a", &place, &aside.display().to_string()]).await?;
    run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", &place]).await?;
    run("cp", &["-a", &format!("{}/.", aside.display()), &place]).await?;
    std::fs::remove_dir_all(&aside).context("the copy cannot be removed")
}

fn used(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { used(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}

async fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let status = Command::new(program).args(arguments).status().await.with_context(|| format!("no {program}"))?;
    if !status.success() {
        bail!("{program} {} ended with {status}", arguments.join(" "));
    }
    Ok(())
}

impl SmallDisk {
    /// Fills it to the last byte.
    pub fn fill(&self) -> Result<()> {
        let mut file = std::fs::File::create(&self.filler).context("the disk cannot be filled")?;
        for block in [MIB as usize, 4096, 1] {
            let zeros = vec![0; block];
            loop {
                match file.write_all(&zeros) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("the disk cannot be filled"),
                }
            }
        }
        Ok(())
    }

    /// Gives the room back.
    pub fn clear(&self) -> Result<()> {
        std::fs::remove_file(&self.filler).context("the disk cannot be cleared")
    }
}
