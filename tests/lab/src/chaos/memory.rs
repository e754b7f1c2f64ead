//! Counts copies of secrets in a process's memory.
//!
//! The operator forbids others of its user to read it (`PR_SET_DUMPABLE`, prctl(2)); `/proc/PID/mem` then wants CAP_SYS_PTRACE,
//! which root has. Without it there is nothing to count, and the report says so.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// How often each of these texts is in the writable memory of the process.
pub(super) fn copies(pid: u32, marks: &[(&'static str, String)]) -> io::Result<Vec<(&'static str, usize)>> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut counts: Vec<_> = marks.iter().map(|(name, _)| (*name, 0)).collect();
    for (from, to) in maps.lines().filter_map(writable) {
        let region = read(&memory, from, to);
        for ((_, count), (_, mark)) in counts.iter_mut().zip(marks) {
            *count += occurrences(&region, mark.as_bytes());
        }
    }
    Ok(counts)
}

/// Begin and end of a region that can be written.
fn writable(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split_whitespace();
    let (from, to) = fields.next()?.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    fields
        .next()?
        .starts_with("rw")
        .then_some((address(from)?, address(to)?))
}

/// What can be read of a region; it may be gone meanwhile.
fn read(memory: &File, from: u64, to: u64) -> Vec<u8> {
    let mut region = Vec::new();
    let mut piece = vec![0; PIECE];
    let mut at = from;
    while at < to {
        let wanted = PIECE.min(usize::try_from(to - at).unwrap_or(PIECE));
        let read = memory.read_at(piece.get_mut(..wanted).unwrap_or_default(), at);
        let Some(read) = read.ok().filter(|read| *read > 0) else {
            break;
        };
        region.extend(piece.iter().take(read));
        at += u64::try_from(read).unwrap_or(u64::MAX);
    }
    region
}

fn occurrences(text: &[u8], mark: &[u8]) -> usize {
    let first = mark.first();
    let starts = text.iter().enumerate().filter(|(_, byte)| Some(*byte) == first);
    let whole = starts.filter(|(at, _)| text.get(*at..).is_some_and(|rest| rest.starts_with(mark)));
    whole.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_counted() {
        assert_eq!(occurrences(b"-MARK-MARK-MAR", b"MARK"), 2);
        assert_eq!(writable("10-2f rw-p 0 0 0 [heap]"), Some((16, 47)));
        assert_eq!(writable("10-2f r--p 0 0 0"), None);
    }
}
