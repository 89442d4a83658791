//! The identity that distinguishes a machine from its clones: name, machine id, boot id.

use std::ffi::CStr;

use crate::error::{Failure, Outcome};
use crate::sys::{self, machine, paths, Errno, Sys};

const BOOT_ID: &CStr = c"/proc/sys/kernel/random/boot_id";
const MACHINE_ID: &CStr = c"/etc/machine-id";
/// The file that is shown in place of the kernel's boot id.
const OWN_BOOT_ID: &CStr = c"/run/nova/boot-id";
/// Tells programs which run of their memory this is.
pub const GENERATION: &CStr = c"/run/nova/generation";

pub fn check_entropy(value: &[u8]) -> Outcome<Vec<u8>> {
    if (32..=machine::MOST_ENTROPY).contains(&value.len()) {
        Ok(value.to_vec())
    } else {
        Err(Failure::invalid("entropy is 32 to 512 bytes"))
    }
}

pub fn check_hostname(value: &[u8]) -> Outcome<Vec<u8>> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if (1..=64).contains(&value.len()) && value.iter().all(allowed) {
        Ok(value.to_vec())
    } else {
        Err(Failure::invalid("not a host name"))
    }
}

pub fn check_machine_id(value: &[u8]) -> Outcome<Vec<u8>> {
    if value.len() == 32 && value.iter().all(u8::is_ascii_hexdigit) {
        Ok([value, b"\n"].concat())
    } else {
        Err(Failure::invalid("a machine id is 32 hex digits"))
    }
}

pub fn check_boot_id(value: &[u8]) -> Outcome<Vec<u8>> {
    let fits = |(at, &byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    if value.len() == 36 && value.iter().enumerate().all(fits) {
        Ok([value, b"\n"].concat())
    } else {
        Err(Failure::invalid("a boot id is a UUID"))
    }
}

pub fn set_boot_id(boot_id: &[u8]) -> Sys<()> {
    // Every boot id has the same length, so nothing of the old one is left; cutting the file would take time.
    sys::write_small(OWN_BOOT_ID, 0, boot_id)
}

/// Mounts a boot id of the agent's own over the kernel's once, at boot, because clones would share the kernel's. The
/// kernel's own is not read before, because each clone generates it at its first reading.
pub fn prepare() -> Sys<()> {
    make_folder(c"/run/nova", 0o755)?;
    sys::write_small(OWN_BOOT_ID, libc::O_CREAT | libc::O_TRUNC, b"00000000-0000-0000-0000-000000000000\n")?;
    // The generation of a guest that does not continue another one is its boot id. It is the same file, so that a clone
    // writes only one.
    paths::make_link_at(libc::AT_FDCWD, OWN_BOOT_ID, libc::AT_FDCWD, GENERATION)?;
    machine::mount(OWN_BOOT_ID, BOOT_ID, c"", libc::MS_BIND, c"")?;
    show_whole_proc()
}

/// Mounts a second, whole proc. The kernel lets users mount a proc in namespaces of their own only where a whole one is
/// visible, and the one at /proc now has a mount over one of its files.
fn show_whole_proc() -> Sys<()> {
    make_folder(c"/run/nova/whole", 0o700)?;
    make_folder(c"/run/nova/whole/proc", 0o700)?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    machine::mount(c"proc", c"/run/nova/whole/proc", c"proc", flags, c"")
}

fn make_folder(path: &CStr, mode: libc::mode_t) -> Sys<()> {
    match paths::make_directory_at(libc::AT_FDCWD, path, mode) {
        Ok(()) | Err(Errno(libc::EEXIST)) => Ok(()),
        Err(errno) => Err(errno),
    }
}

pub fn boot_id() -> Vec<u8> {
    first_line(BOOT_ID)
}

pub fn machine_id() -> Vec<u8> {
    first_line(MACHINE_ID)
}

fn first_line(path: &CStr) -> Vec<u8> {
    let content = sys::read_small(path, 256).unwrap_or_default();
    content.split(|&byte| byte == b'\n').next().unwrap_or_default().to_vec()
}
