//! Ends the machine, and brings its disks to rest before a snapshot.

use std::sync::Arc;

use crate::disks::Disk;
use crate::sys::{self, machine};

/// Brings the disks into a state that can be copied: all data written, free blocks given back.
pub fn quiesce(disks: &[Arc<Disk>], drop_caches: bool, trim: bool) {
    machine::sync();
    if trim {
        for disk in disks {
            machine::trim(&disk.root);
        }
    }
    if drop_caches {
        let _ = sys::write_small(c"/proc/sys/vm/drop_caches", 0, b"3");
    }
}

/// Writes everything out and switches the machine off. The root cannot be unmounted, but freezing it also leaves a
/// journal with nothing to replay.
pub fn power_off(disks: &[Arc<Disk>]) -> ! {
    machine::sync();
    for disk in disks {
        machine::freeze(&disk.root);
    }
    turn_off()
}

/// Switches the machine off. A machine that cannot be switched off is reset, which ends a VMM that does not reboot.
pub fn turn_off() -> ! {
    machine::turn_off(if can_power_off() { libc::RB_POWER_OFF } else { libc::RB_AUTOBOOT })
}

/// Offsets of fields in ACPI's fixed table, and their values.
const FLAGS: usize = 112;
const HARDWARE_REDUCED: u32 = 1 << 20;
const SLEEP_CONTROL_ADDRESS: usize = 244 + 4;

/// Whether the kernel can power off. If it cannot, it halts for ever when it is told to. On x86 powering off needs
/// ACPI; hardware-reduced ACPI, as microVMs have it, also needs a sleep control register.
fn can_power_off() -> bool {
    if !cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
        return true;
    }
    let Ok(table) = sys::read_small(c"/sys/firmware/acpi/tables/FACP", 512) else { return false };
    let field = |at: usize| table.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    match field(FLAGS) {
        Some(flags) if flags & HARDWARE_REDUCED != 0 => {
            field(SLEEP_CONTROL_ADDRESS).is_some_and(|address| address != 0)
        }
        flags => flags.is_some(),
    }
}
