//! What this process uses of the machine.

/// Ticks of `/proc/self/stat` in a second: the same on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// Memory of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resident {
    /// Bytes that are resident, whatever they are.
    pub(crate) all: usize,
    /// Of them, pages of files, the program's own among them. The kernel can drop and read them again.
    pub(crate) of_files: usize,
    /// Of them, pages of no file: what only this process has.
    pub(crate) own: usize,
}

/// What is resident now.
pub(crate) fn resident() -> Resident {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
        kib.map_or(0, |kib| kib << 10)
    };
    Resident { all: field("VmRSS:"), of_files: field("RssFile:"), own: field("RssAnon:") }
}

/// Seconds of processor time of all threads so far, in user and kernel mode.
pub(crate) fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program comes in parentheses and may hold spaces; utime and stime are fields 14 and 15.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS
}

impl std::fmt::Display for Resident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Resident { all, of_files, own } = *self;
        write!(f, "{:.1} MiB resident ({:.1} own, {:.1} pages of files)", mib(all), mib(own), mib(of_files))
    }
}

/// Mebibytes.
fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
