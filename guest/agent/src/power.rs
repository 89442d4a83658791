//! The end: of every process, then of the machine. And rest: disks in order before a snapshot.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::agent::Agent;
use crate::network::Network;
use crate::sys;
use crate::timers::Timer;

/// Killed processes that do not go away for so long are stuck in the kernel.
const STUCK: Duration = Duration::from_secs(2);

/// What only PID 1 has.
pub struct Machine {
    /// The roots of all writable file systems on disks, to be trimmed and frozen.
    pub disks: Arc<Vec<OwnedFd>>,
    pub applied: Applied,
}

/// What was configured last and is not asked again when it is the same: a clone of a machine that was configured before its
/// snapshot has most of it already, and every first use of a part of the kernel costs a clone dearly under emulation.
#[derive(Default)]
pub struct Applied {
    pub network: Option<Network>,
    pub process_limit: Option<u64>,
    pub memory_reserve_mb: Option<u64>,
}

#[derive(Default)]
pub struct Ending {
    begun: bool,
    /// The exit code, once all is done.
    pub finished: Option<i32>,
}

impl Agent {
    /// SIGTERM to all, SIGKILL after the grace or when nobody is left.
    pub fn end(&mut self, grace_ms: u64) {
        if !self.ending.begun {
            self.ending.begun = true;
            self.signal_everyone(libc::SIGTERM);
        }
        // At the earliest after this round, so that the answer is sent before.
        self.timers.after_ms(if self.processes.none_running() { 0 } else { grace_ms }, Timer::KillAll);
    }

    /// The last process has ended while all were asked to.
    pub fn on_nobody_left(&mut self) {
        if self.ending.begun {
            self.timers.after_ms(0, Timer::KillAll);
        }
    }

    fn signal_everyone(&self, signal: i32) {
        if self.machine.is_some() {
            sys::kill(-1, signal);
        } else {
            for group in self.processes.running_groups() {
                sys::kill(-group, signal);
            }
        }
    }

    pub fn finish_ending(&mut self) {
        if self.ending.finished.is_some() {
            return;
        }
        let give_up = Instant::now() + STUCK;
        let mut nap = Duration::from_micros(200);
        while Instant::now() < give_up {
            self.signal_everyone(libc::SIGKILL);
            if self.machine.is_none() {
                // Processes that left their group have become children of the agent (it is their subreaper).
                children().for_each(|pid| sys::kill(pid, libc::SIGKILL));
            }
            if wait_for_all() {
                break;
            }
            std::thread::sleep(nap);
            nap = (nap * 2).min(Duration::from_millis(10));
        }
        self.ending.finished = Some(0);
    }
}

/// Reaps what has ended; true when no child is left.
fn wait_for_all() -> bool {
    loop {
        // SAFETY: the status is not asked for.
        match unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } {
            0 => return false,
            -1 => return true,
            _ => {}
        }
    }
}

/// Processes whose parent is this one.
fn children() -> impl Iterator<Item = i32> {
    let own = std::process::id();
    std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(move |entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // The command's name, in parentheses, may hold anything.
        let parent = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?;
        (parent.parse() == Ok(own)).then_some(pid)
    })
}

/// Brings the disks into a state that can be copied: all written, free blocks given back.
pub fn quiesce(disks: &[OwnedFd], drop_caches: bool, trim: bool) {
    // SAFETY: no arguments.
    unsafe { libc::sync() };
    if trim {
        disks.iter().for_each(trim_disk);
    }
    if drop_caches {
        let _ = sys::write_small(c"/proc/sys/vm/drop_caches", 0, b"3");
    }
}

/// `struct fstrim_range` of linux/fs.h.
#[repr(C)]
struct TrimRange {
    start: u64,
    length: u64,
    shortest: u64,
}

/// Disks that cannot discard say so; that is no failure.
fn trim_disk(disk: &OwnedFd) {
    let mut range = TrimRange { start: 0, length: u64::MAX, shortest: 0 };
    // SAFETY: FITRIM reads and writes one range.
    unsafe { libc::ioctl(disk.as_raw_fd(), FITRIM as _, &raw mut range) };
}

// _IOWR('X', 121, struct fstrim_range), _IOWR('X', 119, int): the same numbers wherever the generic ioctl encoding holds.
const FITRIM: u32 = 0xC018_5879;
const FIFREEZE: u32 = 0xC004_5877;

/// Writes everything out and switches the machine off. Freezing leaves a journal with nothing to replay, like unmounting
/// does; the root cannot be unmounted.
pub fn power_off(machine: &Machine) -> ! {
    // SAFETY: plain system calls.
    unsafe {
        libc::sync();
        for disk in machine.disks.iter() {
            let _ = sys::ioctl_int(disk.as_raw_fd(), FIFREEZE.into(), 0);
        }
        turn_off()
    }
}

/// Does not return: where no power can be switched off the machine is reset, which ends a VMM that does not reboot.
pub unsafe fn turn_off() -> ! {
    let mode = if can_power_off() { libc::RB_POWER_OFF } else { libc::RB_AUTOBOOT };
    libc::reboot(mode);
    libc::reboot(libc::RB_AUTOBOOT);
    loop {
        libc::pause();
    }
}

/// The kernel halts for ever when told to power off without knowing how, so that must be known before. On x86 it
/// takes ACPI; on hardware-reduced ACPI, as microVMs have it, only with a sleep control register.
fn can_power_off() -> bool {
    if !cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
        return true;
    }
    const FLAGS: usize = 112;
    const HARDWARE_REDUCED: u32 = 1 << 20;
    const SLEEP_CONTROL_ADDRESS: usize = 244 + 4;
    let Ok(table) = sys::read_small(c"/sys/firmware/acpi/tables/FACP", 512) else { return false };
    let field = |at: usize| table.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    match field(FLAGS) {
        Some(flags) if flags & HARDWARE_REDUCED != 0 => {
            field(SLEEP_CONTROL_ADDRESS).is_some_and(|address| address != 0)
        }
        flags => flags.is_some(),
    }
}
