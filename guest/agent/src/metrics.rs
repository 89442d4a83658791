//! Reads numbers about the whole guest from /proc and /sys.

use std::ffi::CStr;

use crate::sys::{self, machine};

const LARGEST: usize = 64 * 1024;

fn text(path: &CStr) -> String {
    String::from_utf8(sys::read_small(path, LARGEST).unwrap_or_default()).unwrap_or_default()
}

/// Gives the number after a word at the beginning of a line.
fn value_of(text: &str, word: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(word));
    value.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[derive(Default)]
pub struct Memory {
    pub total: u64,
    pub available: u64,
    pub cache: u64,
}

pub fn memory() -> Memory {
    let info = text(c"/proc/meminfo");
    let bytes = |word| value_of(&info, word) * 1024;
    Memory { total: bytes("MemTotal:"), available: bytes("MemAvailable:"), cache: bytes("Cached:") + bytes("Buffers:") }
}

/// Counts the processes that the kernel has killed for memory since boot.
pub fn oom_kills() -> u64 {
    value_of(&text(c"/proc/vmstat"), "oom_kill ")
}

pub struct Cpu {
    pub count: u64,
    pub user_us: u64,
    pub system_us: u64,
    pub idle_us: u64,
}

pub fn cpu() -> Cpu {
    let stat = text(c"/proc/stat");
    let per_second = machine::system_value(libc::_SC_CLK_TCK);
    let sum = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = sum.split_ascii_whitespace().skip(1).map(|tick| tick.parse().unwrap_or(0)).collect();
    // The columns are user nice system idle iowait irq softirq steal.
    let us = |columns: &[usize]| {
        columns.iter().map(|&column| ticks.get(column).copied().unwrap_or(0)).sum::<u64>() * 1_000_000 / per_second
    };
    let is_one = |line: &&str| line.starts_with("cpu") && line.as_bytes().get(3).is_some_and(u8::is_ascii_digit);
    Cpu {
        count: stat.lines().filter(is_one).count() as u64,
        user_us: us(&[0, 1]),
        system_us: us(&[2, 5, 6]),
        idle_us: us(&[3, 4]),
    }
}

/// Gives (received, sent) on all interfaces but the loopback.
pub fn traffic() -> (u64, u64) {
    let table = text(c"/proc/net/dev");
    let interfaces = table.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() != "lo");
    interfaces.fold((0, 0), |(received, sent), (_, numbers)| {
        let mut numbers = numbers.split_ascii_whitespace().map(|number| number.parse().unwrap_or(0));
        (received + numbers.next().unwrap_or(0), sent + numbers.nth(7).unwrap_or(0))
    })
}

pub fn own_memory() -> u64 {
    let pages = text(c"/proc/self/statm").split_ascii_whitespace().nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * machine::system_value(libc::_SC_PAGESIZE)
}

pub fn load_milli() -> u64 {
    let load = text(c"/proc/loadavg");
    let one_minute: f64 = load.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0.0);
    (one_minute * 1_000.0) as u64
}
