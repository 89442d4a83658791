//! Numbers about the whole guest, from /proc and /sys.

use std::ffi::CStr;

use crate::agent::Agent;
use crate::error::Outcome;
use crate::identity::uptime_ms;
use crate::record::Record;
use crate::sys;

const LARGEST: usize = 64 * 1024;

fn text(path: &CStr) -> String {
    String::from_utf8(sys::read_small(path, LARGEST).unwrap_or_default()).unwrap_or_default()
}

/// The number after a word at the beginning of a line.
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

/// Processes the kernel has killed for memory since boot.
pub fn oom_kills() -> u64 {
    value_of(&text(c"/proc/vmstat"), "oom_kill ")
}

struct Cpu {
    count: u64,
    user_us: u64,
    system_us: u64,
    idle_us: u64,
}

fn cpu() -> Cpu {
    let stat = text(c"/proc/stat");
    // SAFETY: a plain question.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as u64;
    let sum = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = sum.split_ascii_whitespace().skip(1).map(|tick| tick.parse().unwrap_or(0)).collect();
    // user nice system idle iowait irq softirq steal
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

/// (total, used) of the root file system.
fn disk() -> (u64, u64) {
    // SAFETY: statvfs fills the zeroed structure.
    unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        if libc::statvfs(c"/".as_ptr(), &mut stat) < 0 {
            return (0, 0);
        }
        let block = stat.f_frsize as u64;
        (stat.f_blocks as u64 * block, (stat.f_blocks as u64).saturating_sub(stat.f_bfree as u64) * block)
    }
}

/// (received, sent) on all interfaces but the loopback.
fn traffic() -> (u64, u64) {
    let table = text(c"/proc/net/dev");
    let interfaces = table.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() != "lo");
    interfaces.fold((0, 0), |(received, sent), (_, numbers)| {
        let mut numbers = numbers.split_ascii_whitespace().map(|number| number.parse().unwrap_or(0));
        (received + numbers.next().unwrap_or(0), sent + numbers.nth(7).unwrap_or(0))
    })
}

/// All processes of the group the agent's children are in, without the agent; elsewhere those it has started.
fn process_count(agent: &Agent) -> u64 {
    match sys::read_small(c"/sys/fs/cgroup/nova/cgroup.procs", 1 << 20) {
        Ok(list) if agent.machine.is_some() => {
            (list.iter().filter(|&&byte| byte == b'\n').count() as u64).saturating_sub(1)
        }
        _ => agent.processes.running_groups().count() as u64,
    }
}

fn own_memory() -> u64 {
    let pages = text(c"/proc/self/statm").split_ascii_whitespace().nth(1).and_then(|pages| pages.parse().ok());
    // SAFETY: a plain question.
    pages.unwrap_or(0) * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64
}

fn load_milli() -> u64 {
    let load = text(c"/proc/loadavg");
    let one_minute: f64 = load.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0.0);
    (one_minute * 1_000.0) as u64
}

impl Agent {
    pub fn metrics(&mut self) -> Outcome<Record> {
        let (cpu, memory) = (cpu(), memory());
        let (disk_total, disk_used) = disk();
        let (received, sent) = traffic();
        let mut record = Record::new();
        record
            .int(1, cpu.count)
            .int(2, cpu.user_us)
            .int(3, cpu.system_us)
            .int(4, cpu.idle_us)
            .int(5, memory.total)
            .int(6, memory.available)
            .int(7, memory.cache)
            .int(8, disk_total)
            .int(9, disk_used)
            .int(10, process_count(self))
            .int(11, received)
            .int(12, sent)
            .int(13, uptime_ms())
            .int(14, load_milli())
            .int(15, own_memory())
            .int(16, sys::wall_clock_ns())
            .int(17, oom_kills());
        Ok(record)
    }
}
