//! The programs that a warm-up has still to run, and the files that it has found.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::CString;

use crate::sys;

const MOST_FILES: usize = 4_096;
const LARGEST_MAP: usize = 4 << 20;

pub struct Warming {
    pub(super) programs: VecDeque<Vec<Vec<u8>>>,
    pub(super) files: BTreeSet<Vec<u8>>,
    pub(super) ran: u64,
    pub(super) begun: bool,
}

impl Warming {
    /// Notes the files of a list with lines like `7f..-7f.. r-xp 00000000 fe:00 1234   /lib/libc.so.6`.
    pub(super) fn note_files(&mut self, pid: i32) {
        let Ok(path) = CString::new(format!("/proc/{pid}/maps")) else { return };
        let maps = sys::read_small(&path, LARGEST_MAP).unwrap_or_default();
        for line in maps.split(|&byte| byte == b'\n') {
            let Some(at) = line.iter().position(|&byte| byte == b'/') else { continue };
            if self.files.len() < MOST_FILES && !line.ends_with(b" (deleted)") && !line[at..].starts_with(b"/dev/") {
                self.files.insert(line[at..].to_vec());
            }
        }
    }
}
