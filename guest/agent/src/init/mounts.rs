//! Makes the mounts that are the same in every guest.

use std::ffi::CString;
use std::os::unix::fs::symlink;

use super::command_line::{CommandLine, WriteLayer};
use super::step::{fatal, Step};
use crate::log;
use crate::sys::{machine, paths, Errno, Sys};

pub fn mount(source: &str, target: &str, kind: &str, flags: libc::c_ulong, data: &str) -> Sys<()> {
    let text = |text: &str| CString::new(text).map_err(|_| Errno(libc::EINVAL));
    let (source, target, kind, data) = (text(source)?, text(target)?, text(kind)?, text(data)?);
    machine::mount(&source, &target, &kind, flags, &data)
}

pub fn make_folder(path: &str) -> Sys<()> {
    std::fs::create_dir_all(path).map_err(Errno::from)
}

/// Works as `mount`, but makes the folder first where possible, and accepts an existing mount.
fn mount_at(source: &str, target: &str, kind: &str, flags: libc::c_ulong, data: &str) -> Sys<()> {
    let _ = make_folder(target);
    match mount(source, target, kind, flags, data) {
        Err(Errno(libc::EBUSY)) => Ok(()),
        result => result,
    }
}

const SAFE: libc::c_ulong = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;

pub fn early() -> Step<()> {
    mount_at("proc", "/proc", "proc", SAFE, "").map_err(fatal("mount /proc"))?;
    mount_at("sysfs", "/sys", "sysfs", SAFE, "").map_err(fatal("mount /sys"))?;
    mount_at("devtmpfs", "/dev", "devtmpfs", libc::MS_NOSUID, "mode=0755").map_err(fatal("mount /dev"))?;
    for (name, target) in [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")] {
        let _ = symlink(["/proc/self/fd", target].concat(), ["/dev/", name].concat());
    }
    Ok(())
}

/// Makes the mounts of the new root.
pub fn late(options: &CommandLine) -> Step<()> {
    mount_at("devpts", "/dev/pts", "devpts", libc::MS_NOSUID | libc::MS_NOEXEC, "gid=5,mode=620,ptmxmode=666")
        .map_err(fatal("mount /dev/pts"))?;
    mount_at("tmpfs", "/dev/shm", "tmpfs", libc::MS_NOSUID | libc::MS_NODEV, "mode=1777")
        .map_err(fatal("mount /dev/shm"))?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    mount_at("tmpfs", "/run", "tmpfs", flags, "mode=0755").map_err(fatal("mount /run"))?;
    if options.root.is_some() && options.write == WriteLayer::None {
        mount_at("tmpfs", "/tmp", "tmpfs", flags, "mode=1777").map_err(fatal("mount /tmp"))?;
    } else {
        if make_folder("/tmp").is_ok() {
            // Many images are packed without the sticky bit.
            let _ = paths::change_mode_at(libc::AT_FDCWD, c"/tmp", 0o1777);
        }
    }
    // Limits need cgroups, but sandboxes do not: a kernel without them works too.
    if let Err(errno) = mount_at("cgroup2", "/sys/fs/cgroup", "cgroup2", SAFE, "") {
        log::failure("no cgroups", errno);
    }
    Ok(())
}
