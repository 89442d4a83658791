//! The root file system: a read-only image, a writable layer above it, and the move into it.

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::command_line::{CommandLine, Drive, WriteLayer};
use super::mounts::{make_folder, mount};
use super::on_demand;
use super::{fatal, Step};
use crate::sys::{self, check, Errno, Sys};

const IMAGE: &str = "/image";
const WRITABLE: &str = "/writable";
const MERGED: &str = "/merged";
const IMAGE_TYPES: [&str; 3] = ["ext4", "erofs", "squashfs"];
/// Disks are there once their driver is, but not always in the same instant.
const PATIENCE: Duration = Duration::from_secs(10);

/// The root as it was made.
#[derive(Default)]
pub struct Root {
    /// The writable file systems on disks, held open: they cannot be reached by a path any more.
    pub disks: Vec<OwnedFd>,
    /// The writable layer has a resolv.conf, or hides the image's.
    pub own_resolv_conf: bool,
}

pub fn set_up(options: &CommandLine) -> Step<Root> {
    let mut disks = Vec::new();
    let Some(device) = &options.root else { return Ok(Root::default()) };
    mount_image(device).map_err(fatal(format!("mount {device}")))?;
    let new_root = match &options.write {
        WriteLayer::None => IMAGE,
        WriteLayer::Memory => {
            make_folder(WRITABLE).map_err(fatal("writable layer"))?;
            mount("tmpfs", WRITABLE, "tmpfs", 0, "mode=0755").map_err(fatal("mount writable layer"))?;
            overlay().map_err(fatal("overlay"))?
        }
        WriteLayer::Disk(disk) => {
            wait_for(disk).and_then(|()| make_folder(WRITABLE)).map_err(fatal(disk.as_str()))?;
            mount_writable(disk).map_err(fatal(format!("mount {disk}")))?;
            disks.push(open_root(WRITABLE).map_err(fatal("writable layer"))?);
            overlay().map_err(fatal("overlay"))?
        }
    };
    let own_resolv_conf = std::fs::symlink_metadata([WRITABLE, "/upper/etc/resolv.conf"].concat()).is_ok();
    for drive in &options.drives {
        let failed = || fatal(format!("drive {}", drive.mount_point));
        let target = mount_drive(drive, new_root).map_err(failed())?;
        if !drive.read_only {
            disks.push(open_root(&target).map_err(failed())?);
        }
    }
    switch_root(new_root).map_err(fatal("switch root"))?;
    Ok(Root { disks, own_resolv_conf })
}

/// Without the thread that reads its block bitmaps ahead, which would do so in every clone during its first command. Kernels before 5.9
/// do not know that option.
fn mount_writable(disk: &str) -> Sys<()> {
    mount(disk, WRITABLE, "ext4", libc::MS_NOATIME, "no_prefetch_block_bitmaps")
        .or_else(|_| mount(disk, WRITABLE, "ext4", libc::MS_NOATIME, ""))
}

fn wait_for(device: &str) -> Sys<()> {
    let give_up = Instant::now() + PATIENCE;
    while !Path::new(device).exists() {
        if Instant::now() > give_up {
            return Err(Errno(libc::ENODEV));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn mount_image(device: &str) -> Sys<()> {
    wait_for(device)?;
    make_folder(IMAGE)?;
    let mut result = Err(Errno(libc::ENODEV));
    for kind in IMAGE_TYPES {
        match mount(device, IMAGE, kind, libc::MS_RDONLY, "") {
            Ok(()) => return Ok(()),
            // The kernel lacks that type, or the image is of another one.
            Err(Errno(libc::ENODEV | libc::EINVAL)) => {}
            Err(errno) => result = Err(errno),
        }
    }
    result
}

fn overlay() -> Sys<&'static str> {
    let (upper, work) = ([WRITABLE, "/upper"].concat(), [WRITABLE, "/work"].concat());
    for folder in [&upper, &work, MERGED] {
        make_folder(folder)?;
    }
    let lower = if on_demand::lay_out(IMAGE)? { format!("{}:{IMAGE}", on_demand::LAYER) } else { IMAGE.into() };
    mount("overlay", MERGED, "overlay", 0, &format!("lowerdir={lower},upperdir={upper},workdir={work}"))?;
    Ok(MERGED)
}

fn mount_drive(drive: &Drive, new_root: &str) -> Sys<String> {
    wait_for(&drive.device)?;
    let target = [new_root, &drive.mount_point].concat();
    let _ = make_folder(&target);
    mount(&drive.device, &target, &drive.kind, if drive.read_only { libc::MS_RDONLY } else { 0 }, "")?;
    Ok(target)
}

fn open_root(path: &str) -> Sys<OwnedFd> {
    let path = std::ffi::CString::new(path).map_err(|_| Errno(libc::EINVAL))?;
    sys::open(&path, libc::O_RDONLY | libc::O_DIRECTORY, 0)
}

/// The initramfs cannot be unmounted: it is emptied, and the new root laid over it.
fn switch_root(new_root: &str) -> Sys<()> {
    for folder in ["/dev", "/proc", "/sys"] {
        let target = [new_root, folder].concat();
        let _ = make_folder(&target);
        mount(folder, &target, "", libc::MS_MOVE, "")?;
    }
    let old = std::fs::read_dir("/").map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EIO)))?;
    let device = std::fs::metadata("/").map(|root| root.dev()).unwrap_or_default();
    for entry in old.flatten().filter(|entry| entry.path() != Path::new(on_demand::LAYER)) {
        remove_below(&entry.path(), device);
    }
    let new_root = std::ffi::CString::new(new_root).map_err(|_| Errno(libc::EINVAL))?;
    // SAFETY: all strings end in NUL.
    unsafe {
        check(libc::chdir(new_root.as_ptr()))?;
        check(libc::mount(c".".as_ptr(), c"/".as_ptr(), std::ptr::null(), libc::MS_MOVE, std::ptr::null()))?;
        check(libc::chroot(c".".as_ptr()))?;
        check(libc::chdir(c"/".as_ptr()))?;
    }
    Ok(())
}

/// Frees the memory of the initramfs; never leaves it for another file system.
fn remove_below(path: &Path, device: u64) {
    let Ok(entry) = std::fs::symlink_metadata(path) else { return };
    if entry.dev() != device {
        return;
    }
    if entry.is_dir() {
        for below in std::fs::read_dir(path).into_iter().flatten().flatten() {
            remove_below(&below.path(), device);
        }
        let _ = std::fs::remove_dir(path);
    } else {
        let _ = std::fs::remove_file(path);
    }
}
