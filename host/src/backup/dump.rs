//! The two ends of a dump by `mysqldump`. In: its first and its last bytes. Out: the GTID set that it states, whether it is
//! whole, and its beginning in the form in which it goes through the binary log. Pure.

use model::gtid::GtidSet;

/// Bytes at the beginning in which the GTID set is looked for. A set of 10,000 intervals fits.
pub const HEAD: usize = 1 << 20;
/// Bytes at the end in which the closing line is looked for.
pub const TAIL: usize = 256;

/// The line with which `mysqldump` closes a dump that it could finish.
const CLOSING: &str = "-- Dump completed";
/// Where `mysqldump` states the GTID set.
const GTID_SET: &str = "GTID_PURGED=";
/// The setting that would keep the rows from the binary log.
const NO_LOG: &str = "SET @@SESSION.SQL_LOG_BIN";

/// The part of `head` before anything of a schema: what is written there was written by the tool and not by users.
fn preamble(head: &[u8]) -> &[u8] {
    let ends = [&b"\nCREATE "[..], b"\nUSE ", b"\n-- Current Database", b"\nDROP ", b"\nINSERT "];
    let end = ends.iter().filter_map(|end| find(head, end)).min().unwrap_or(head.len());
    &head[..end]
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The GTID set that a dump states, made with `--set-gtid-purged=COMMENTED` or `ON`. None where it states none, which is
/// not the same as an empty set.
pub fn gtid_set(head: &[u8]) -> Option<GtidSet> {
    let text = String::from_utf8_lossy(preamble(head));
    let (_, rest) = text.split_once(GTID_SET)?;
    // `'+SET'` in a comment, `/*!80000 '+'*/ 'SET'` as a statement.
    let rest = rest.strip_prefix("/*!80000 '+'*/ ").unwrap_or(rest);
    let (set, _) = rest.strip_prefix('\'')?.split_once('\'')?;
    set.trim_start_matches('+').parse().ok()
}

/// Whether these are the last bytes of a dump that was finished.
pub fn is_whole(tail: &[u8]) -> bool {
    let text = String::from_utf8_lossy(tail);
    text.ends_with('\n') && text.trim_end().rsplit('\n').next().is_some_and(|line| line.starts_with(CLOSING))
}

/// The beginning of a dump without the line that keeps what follows out of the binary log.
pub fn logged(head: &[u8]) -> Vec<u8> {
    let (start, rest) = head.split_at(preamble(head).len());
    let mut kept = Vec::with_capacity(head.len());
    for line in start.split_inclusive(|byte| *byte == b'\n') {
        // The other line that begins so, at the end of the dump, sets back what was before.
        let switches_off = line.starts_with(NO_LOG.as_bytes()) && line.trim_ascii().ends_with(b"0;");
        if !switches_off {
            kept.extend_from_slice(line);
        }
    }
    kept.extend_from_slice(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "61d5c39d-e6af-11f1-9fe8-02fc00000001";

    fn head(gtid: &str) -> Vec<u8> {
        format!(
            "-- MySQL dump 10.13  Distrib 9.7.4\n--\nSET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN;\n\
             SET @@SESSION.SQL_LOG_BIN= 0;\n\n{gtid}\n\n-- CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='binlog.000001';\n\
             \n--\n-- Current Database: `a`\n--\n\nINSERT INTO t VALUES ('\nSET @@SESSION.SQL_LOG_BIN= 0;\n');\n"
        )
        .into_bytes()
    }

    #[test]
    fn the_gtid_set_is_found_in_a_comment_and_in_a_statement() {
        let commented = head(&format!("/* SET @@GLOBAL.GTID_PURGED='+{UUID}:1-9';*/"));
        let found = |head: &[u8]| gtid_set(head).map(|set| set.to_string());
        assert_eq!(found(&commented), Some(format!("{UUID}:1-9")));
        let stated = head(&format!("SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '{UUID}:1-9,\n{UUID}:tag:1';"));
        assert_eq!(found(&stated), Some(format!("{UUID}:1-9:tag:1")));
        assert_eq!(found(&head("/* SET @@GLOBAL.GTID_PURGED='+';*/")), Some(String::new()));
    }

    #[test]
    fn what_a_row_says_is_not_taken_for_the_gtid_set() {
        assert_eq!(gtid_set(&head("\n-- Current Database: `b`\nINSERT INTO t VALUES ('GTID_PURGED='+x'');")), None);
        assert_eq!(gtid_set(&head("/* SET @@GLOBAL.GTID_PURGED='+cut off")), None);
        assert_eq!(gtid_set(b""), None);
    }

    #[test]
    fn only_a_dump_with_its_closing_line_is_whole() {
        assert!(is_whole(b"/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;\n\n-- Dump completed on 2026-11-22 20:05:54\n"));
        for cut in
            ["", "\n", "-- Dump completed on 2026-11-", "-- Dump completed on 2026-11-22 20:05:54\nINSERT INTO\n"]
        {
            assert!(!is_whole(cut.as_bytes()), "{cut:?}");
        }
    }

    #[test]
    fn only_the_tools_own_line_about_the_binary_log_is_left_out() {
        let before = head("");
        let after = String::from_utf8_lossy(&logged(&before)).into_owned();
        assert_eq!(after.matches("SET @@SESSION.SQL_LOG_BIN= 0;").count(), 1, "{after}");
        assert!(after.ends_with("INSERT INTO t VALUES ('\nSET @@SESSION.SQL_LOG_BIN= 0;\n');\n"));
        assert!(after.contains("SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN;"));
        assert_eq!(after.len(), before.len() - "SET @@SESSION.SQL_LOG_BIN= 0;\n".len());
    }
}
